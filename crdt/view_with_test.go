package crdt

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestWith compares views that go on from change to change with those at the
// clocks of their time, after all changes.
func TestWith(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 30 {
		docs := make([]*Doc, 6)
		for i := range docs {
			docs[i] = New()
			docs[i].SetActor(ActorID(fmt.Sprint("actor", rng.Uint32())))
		}
		s, g := NewOpSet(), NewGraph()
		view := s.At(nil)
		var views []View
		var clocks []Clock
		for n := range 60 {
			i := rng.IntN(min(len(docs), 1+n/5))
			if rng.IntN(2) == 0 {
				if err := docs[i].Merge(docs[rng.IntN(len(docs))]); err != nil {
					t.Fatal(err)
				}
			}
			idle := rng.IntN(8) == 0
			c, err := docs[i].Edit(EditOptions{Empty: idle}, func(tx *Tx) error {
				if idle {
					return nil
				}
				_, err := tx.Set(Root, fmt.Sprint(rng.IntN(4)), n)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Apply(c, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Append(c.Header()); err != nil {
				t.Fatal(err)
			}
			view = view.With(c)
			views, clocks = append(views, view), append(clocks, g.StagedClock())
		}
		for n := range views {
			got, want := views[n].AppendJSON(nil, Root), s.At(clocks[n]).AppendJSON(nil, Root)
			if string(got) != string(want) {
				t.Fatalf("after %d changes: %s, want %s", n+1, got, want)
			}
		}
	}
	if v := NewOpSet().View(); v.With(&Change{}).clock != nil {
		t.Error("a view of the present became one of the past")
	}
}
