package api

import (
	"fmt"
	"testing"

	"concord/conflict"
)

// A conflict can have as many values as a change has operations; an answer can't.
func TestAnswersHoldSomeValues(t *testing.T) {
	for _, n := range []int{1, maxValues, maxValues + 1} {
		c := conflict.Conflict{Sides: make([]conflict.Value, n)}
		e := conflictOf(c.Record, &c)
		if len(e.Values) != min(n, maxValues) || e.ValuesLeftOut != (n > maxValues) {
			t.Errorf("of %d values %d are shown, left out: %t", n, len(e.Values), e.ValuesLeftOut)
		}
	}
}

// People read what is wrong, without the words around it.
func TestErrorsAreSaidPlainly(t *testing.T) {
	kind := conflict.ErrChoice
	for _, err := range []error{
		fmt.Errorf("resolve conflict 00ff: %w", fmt.Errorf(`"x" isn't the op of one of its values: %w`, kind)),
		fmt.Errorf(`"x" isn't the op of one of its values: %w`, kind),
	} {
		if got, want := plain(err, kind), `"x" isn't the op of one of its values`; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
