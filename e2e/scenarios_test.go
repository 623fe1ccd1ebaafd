package e2e

import (
	"testing"

	"concord/internal/testkit/node"
)

// The scenarios that share one node: each works on documents of its own.
var scenarios = []struct {
	name string
	run  func(*office)
}{
	{"bare adapter", bareAdapter},
	{"sign in", signIn},
	{"create and find", createAndFind},
	{"find before creation", findBeforeCreation},
	{"concurrent edits", concurrentEdits},
	{"unicode", unicode},
	{"offline with storage", offlineWithStorage},
	{"empty change", emptyChange},
	{"losing side of a conflict", losingSide},
	{"ephemerals", ephemerals},
	{"leave and rejoin", leaveAndRejoin},
	{"same peer twice", samePeerTwice},
	{"viewer", viewer},
	{"two companies", twoCompanies},
	{"remote heads", remoteHeads},
}

func TestScenarios(t *testing.T) {
	n := node.Start(t, node.Options{})
	t.Run("all", func(t *testing.T) {
		for _, s := range scenarios {
			for _, m := range mixes {
				t.Run(s.name+"/"+m.name, func(t *testing.T) {
					t.Parallel()
					s.run(&office{t: t, node: n, mix: m})
				})
			}
		}
	})
	n.Stop()
	n.Check()
}
