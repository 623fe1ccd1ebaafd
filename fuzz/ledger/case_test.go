package ledger

import (
	"testing"

	"concord/crdt"
)

// The cases are histories that the gate takes.
func TestCases(t *testing.T) {
	for _, c := range readCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			if err := crdt.New().Apply(c.Changes...); err != nil {
				t.Error(err)
			}
		})
	}
}

func readCases(t *testing.T) []Case {
	t.Helper()
	cases, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 40 {
		t.Fatalf("%d cases; some are gone", len(cases))
	}
	return cases
}
