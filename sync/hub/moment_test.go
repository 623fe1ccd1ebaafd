package hub

import (
	"fmt"
	"slices"
	"testing"

	"concord/crdt"
)

// witness is a guard that keeps what it was told of each change.
type witness struct{ seen []sight }

type sight struct {
	change  *crdt.Change
	heads   []crdt.Hash
	view    crdt.View
	current bool
}

func (w *witness) For(string, string) Guard   { return w }
func (w *witness) Answer([]Violation) *Answer { return nil }

func (w *witness) Judge(a Applied, before crdt.View) []Violation {
	w.seen = append(w.seen, sight{a.Change, a.Before, before, a.Current})
	return nil
}

// TestGuardSeesEachMoment has many branches come in one message. The guard sees the
// document before each change, also later on, and all heads and actors of the
// document were looked at once.
func TestGuardSeesEachMoment(t *testing.T) {
	const branches, rounds = 40, 6
	w := new(witness)
	r := newRig(t, Options{Guards: w})
	base := other(t, "base", 2)
	r.bring(base.Save())
	docs := make([]*crdt.Doc, branches)
	for i := range docs {
		docs[i] = crdt.New()
		docs[i].SetActor(crdt.ActorID(fmt.Sprint("actor", i)))
		if err := docs[i].Merge(base); err != nil {
			t.Fatal(err)
		}
	}
	var chunks []byte
	for round := range rounds {
		for i, d := range docs {
			if round > 1 && i%5 == round%5 {
				if err := d.Merge(docs[(i+round)%branches]); err != nil {
					t.Fatal(err)
				}
			}
			c, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
				_, err := tx.Set(crdt.Root, fmt.Sprint(i%7), 100*i+round)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			chunks = append(chunks, c.Bytes()...)
		}
	}
	looks := 0
	count := func() (n int) {
		if err := r.hub.visit(t.Context(), keyOf(docA), func(d *document) error {
			n = d.looks
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	a := r.connect(alice(), "a", "") // keeps the document in memory
	a.request(docA)
	a.quiet()
	looks = count()
	if got := r.bring(chunks); got.New != branches*rounds {
		t.Fatalf("%d new changes", got.New)
	}
	if n := count() - looks; n != 1 {
		t.Errorf("%d looks at all heads and actors for one message", n)
	}
	if len(w.seen) != branches*rounds {
		t.Fatalf("%d changes were judged", len(w.seen))
	}
	now := crdt.New()
	if err := now.Merge(base); err != nil {
		t.Fatal(err)
	}
	for i, s := range w.seen {
		heads := slices.Clone(now.Heads())
		if !slices.Equal(s.heads, heads) {
			t.Fatalf("change %d: heads %v, want %v", i, s.heads, heads)
		}
		if got, want := string(s.view.AppendJSON(nil, crdt.Root)), string(now.View().AppendJSON(nil, crdt.Root)); got != want {
			t.Fatalf("change %d: %s before, want %s", i, got, want)
		}
		if err := now.Apply(s.change); err != nil {
			t.Fatal(err)
		}
		if s.current != (len(now.Heads()) == 1) {
			t.Errorf("change %d: current is %t", i, s.current)
		}
	}
	if _, got := r.json(docA); !slices.Equal(got, now.Heads()) {
		t.Errorf("stored heads %v, want %v", got, now.Heads())
	}
}
