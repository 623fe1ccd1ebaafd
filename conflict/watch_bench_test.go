package conflict

import (
	"fmt"
	"testing"
	"time"

	"concord/crdt"
	"concord/fuzz/ledger"
	"concord/sync/hub"
)

// stream returns changes as two people make them who type into a document, each
// into fields of their own or both into the same one, and see each other's changes
// after every round, or never.
func stream(b *testing.B, rounds int, same, meet bool) []*crdt.Change {
	var docs [2]*crdt.Doc
	for i, actor := range []crdt.ActorID{"ann", "ben"} {
		docs[i] = crdt.New()
		docs[i].SetActor(actor)
	}
	var all []*crdt.Change
	for round := range rounds {
		var made [2]*crdt.Change
		for i, d := range docs {
			key := fmt.Sprintf("field %d", round%20)
			if !same {
				key += fmt.Sprint(" of ", i)
			}
			c, err := d.Edit(crdt.EditOptions{Time: 1_770_000_000}, set(key, 2*round+i))
			if err != nil {
				b.Fatal(err)
			}
			made[i] = c
			all = append(all, c)
		}
		if meet {
			for i, d := range docs {
				if err := d.Apply(made[1-i]); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	return all
}

// nobody watches nothing.
type nobody struct{ hub.Watcher }

func (nobody) Applied(hub.Applied) error { return nil }

// BenchmarkApplied measures a change, parsed before, in graph and op set and in
// the eyes of the ledger. Compare with the one that nobody watches.
func BenchmarkApplied(b *testing.B) {
	for _, test := range []struct {
		name              string
		same, meet, alone bool
	}{
		{"elsewhere", false, true, false},
		{"conflicts", true, true, false},
		{"branches", false, false, false},
		{"alone", false, true, true},
	} {
		const rounds = 500
		changes := stream(b, rounds, test.same, test.meet)
		if test.alone {
			d := crdt.New()
			d.SetActor("ann")
			for i := range changes {
				changes[i], _ = d.Edit(crdt.EditOptions{}, set(fmt.Sprint("field ", i%40), i))
			}
		}
		for _, watched := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/watched=%t", test.name, watched), func(b *testing.B) {
				b.ReportAllocs()
				records, bytes, size := 0, 0, 0
				start := time.Now()
				for b.Loop() {
					d := newDevice(b, ledger.Document)
					if !watched {
						d.watcher = nobody{}
					}
					for _, c := range changes {
						d.apply(c)
						if watched {
							for _, r := range d.watcher.Records() {
								records++
								bytes += len(r.Key) + len(r.Value)
							}
						}
					}
					if watched {
						size = d.watcher.Size()
					}
				}
				n := float64(b.N * len(changes))
				b.ReportMetric(float64(time.Since(start).Nanoseconds())/n, "ns/change")
				b.ReportMetric(float64(records)/n, "records/change")
				b.ReportMetric(float64(bytes)/n, "B/change")
				b.ReportMetric(float64(size)/float64(len(changes)), "memory/change")
			})
		}
	}
}
