package crdt

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// reverting returns the change that fn writes after all of a history; nil for none.
func (h *randomHistory) reverting(tb testing.TB, fn func(*Tx) error) *Change {
	tb.Helper()
	h.seqs["reverter"]++
	meta := ChangeMeta{Deps: h.graph.Heads(), Actor: "reverter", Seq: h.seqs["reverter"], StartOp: h.graph.MaxOp() + 1}
	c, err := h.ops.Compose(meta, fn)
	if err != nil {
		tb.Fatal(err)
	}
	if c == nil {
		h.seqs["reverter"]--
		return nil
	}
	h.last["reverter"] = len(h.changes)
	h.add(tb, c, nil)
	return c
}

// shownContent writes down all that readers of an object see, without ids.
func shownContent(v View, obj OpID) string {
	var b strings.Builder
	open := []OpID{obj}
	for len(open) > 0 {
		obj := open[0]
		open = open[1:]
		fmt.Fprintf(&b, "%s\n", v.AppendTypedJSON(nil, obj))
		texts := []OpID{obj} // of another object, nothing is read
		for step := range v.Walk(obj) {
			if step.Item.Kind == KindText {
				texts = append(texts, step.Item.ID)
			}
		}
		for _, text := range texts {
			for e := range v.Elements(text, 0) {
				if o, _ := v.Object(text); o.Kind == KindText && e.Kind != KindScalar {
					open = append(open, e.Item.ID)
					fmt.Fprintf(&b, "\t%s at %d\n", e.Kind, e.Index)
				} else if o.Kind == KindText && e.Width > 0 && e.Value.Code() != ValueString {
					fmt.Fprintf(&b, "\t%s at %d\n", e.Value, e.Index)
				}
			}
			for s := range v.Spans(text) {
				fmt.Fprintf(&b, "\t%d %q %v\n", s.Start, s.Text, s.Marks)
			}
		}
	}
	return b.String()
}

// TestRevert brings random documents back to random states of theirs, and
// compares all that readers see.
func TestRevert(t *testing.T) {
	rng := newRand(t)
	for range 150 {
		h := newRandomHistory(t, rng)
		for range 25 {
			h.add(t, h.next(t), nil)
		}
		for range 6 {
			heads := h.randomHeads()
			to := h.at(t, heads)
			want := shownContent(to, Root)
			c := h.reverting(t, func(tx *Tx) error { return tx.Revert("", to) })
			if got := shownContent(h.ops.View(), Root); got != want {
				t.Fatalf("reverted to %v by %s\ngot  %s\nwant %s", heads, opLines(c), got, want)
			}
			to = h.at(t, heads)
			if again := h.reverting(t, func(tx *Tx) error { return tx.Revert("", to) }); again != nil {
				t.Fatalf("what is equal was written again: %s\nafter %s", opLines(again), opLines(c))
			}
			if h.rng.IntN(2) == 0 {
				h.add(t, h.next(t), nil)
			}
		}
	}
}

// TestRevertAfterWrites lets a transaction write first: what it wrote counts as
// the present.
func TestRevertAfterWrites(t *testing.T) {
	rng := newRand(t)
	for range 300 {
		h := newRandomHistory(t, rng)
		for range 15 {
			h.add(t, h.next(t), nil)
		}
		to := h.at(t, h.randomHeads())
		want := shownContent(to, Root)
		c := h.reverting(t, func(tx *Tx) error {
			for range rng.IntN(12) {
				if err := writeAnywhere(rng, h.ops, tx); err != nil {
					return err
				}
				if rng.IntN(8) == 0 {
					if err := tx.Revert("", h.at(t, h.randomHeads())); err != nil {
						return err
					}
				}
			}
			return tx.Revert("", to)
		})
		if got := shownContent(h.ops.View(), Root); got != want {
			t.Fatalf("reverted by %s\ngot  %s\nwant %s", opLines(c), got, want)
		}
	}
}

// writeAnywhere writes to some object of a document.
func writeAnywhere(rng *rand.Rand, s *OpSet, tx *Tx) error {
	id := s.actors.opID(s.objects[rng.IntN(len(s.objects))].id)
	kind, _ := s.KindOf(id)
	n := tx.Len(id)
	at := rng.IntN(n + 1)
	length := rng.IntN(n - at + 1)
	values := []any{"text", 1, map[string]any{"a": "b", "l": []any{1, "x"}}, []any{2}, Counter(3), nil}
	value := values[rng.IntN(len(values))]
	switch kind {
	case KindMap:
		key := string(rune('a' + rng.IntN(4)))
		if rng.IntN(3) == 0 {
			return tx.Delete(id, key)
		}
		_, err := tx.Set(id, key, value)
		return err
	case KindList:
		if n > 0 && rng.IntN(3) == 0 {
			_, err := tx.SetIndex(id, rng.IntN(n), value)
			return err
		}
		return tx.Splice(id, at, length, value)
	}
	switch rng.IntN(4) {
	case 0:
		return tx.Mark(id, at, at+length, "bold", rng.IntN(2) == 0, Expand(rng.IntN(4)))
	case 1:
		_, err := tx.SplitBlock(id, at, map[string]any{"type": "p", "x": []any{1}})
		return err
	}
	return tx.SpliceText(id, at, length, []string{"", "x", "😀a"}[rng.IntN(3)])
}

// TestRevertPlace reverts single places of random documents.
func TestRevertPlace(t *testing.T) {
	rng := newRand(t)
	reverted := 0
	for range 150 {
		h := newRandomHistory(t, rng)
		for range 20 {
			h.add(t, h.next(t), nil)
		}
		for range 6 {
			reverted += revertPlace(t, h)
		}
	}
	if reverted < 20 {
		t.Errorf("only %d places could be reverted", reverted)
	}
}

func revertPlace(t *testing.T, h *randomHistory) int {
	to := h.at(t, h.randomHeads())
	obj := to.s.actors.opID(to.s.objects[h.rng.IntN(len(to.s.objects))].id)
	path, ok := to.PathOf(obj)
	if !ok || path == "" || to.Reach(obj) != Shown || h.ops.View().Reach(obj) != Shown {
		return 0
	}
	siblings := func(v View) (n int) { // of the place
		parent, _, _ := h.ops.Place(obj)
		return v.Len(parent)
	}
	before := siblings(h.ops.View())
	c := h.reverting(t, func(tx *Tx) error { return tx.Revert(path, to) })
	v := h.ops.View()
	if got, want := shownContent(v, obj), shownContent(to, obj); got != want || v.Reach(obj) != Shown {
		t.Fatalf("%s reverted by %s\ngot  %s\nwant %s", path, opLines(c), got, want)
	}
	if before != siblings(v) {
		t.Fatalf("reverting %s left %d elements around it, not %d: %s", path, siblings(v), before, opLines(c))
	}
	return 1
}
