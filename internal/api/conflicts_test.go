package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"concord/conflict"
	"concord/conflict/guard"
	"concord/crdt"
	"concord/store"
	"concord/sync/hub"
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

// What a change fails with is the same for documents and for conflicts.
func TestRefusedChangesAreAnsweredAlike(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler)}
	for _, c := range []struct {
		err    error
		status int
	}{
		{hub.ErrClosing, 503}, {store.ErrFailed, 503}, {context.Canceled, 408}, {errors.New("disk"), 500},
		{&crdt.RefusalError{Reason: crdt.ReasonLimit}, 413}, {&crdt.RefusalError{Reason: crdt.ReasonBadValue}, 422},
		{hub.ErrNotFound, 404}, {store.ErrPurged, 404}, {guard.ErrForbidden, 403}, {conflict.ErrNotOpen, 409},
	} {
		var got huma.StatusError
		if err := s.conflictError("resolve", fmt.Errorf("around: %w", c.err)); !errors.As(err, &got) || got.GetStatus() != c.status {
			t.Errorf("%v is answered with %v, want %d", c.err, err, c.status)
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
