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

// The oracle gives for each case the records that were written down by hand.
func TestOracleKnowsCases(t *testing.T) {
	judge, err := NewJudge()
	if err != nil {
		t.Fatal(err)
	}
	defer judge.Close()
	for _, c := range readCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			verdicts, err := judge.Records(Document, c.Changes)
			if err != nil {
				t.Fatal(err)
			}
			v := verdicts[0]
			if v.Err != nil {
				t.Fatal(v.Err)
			}
			if diff := Compare(v.Records, c.Records); diff != "" {
				t.Errorf("%s\n%s", c.About, diff)
			}
			if v.Looks == 0 {
				t.Error("nothing was compared with what automerge-js shows")
			}
		})
	}
}
