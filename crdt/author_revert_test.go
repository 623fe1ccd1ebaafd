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

func TestRevertCases(t *testing.T) {
	for _, test := range []struct {
		name         string
		first, then  func(tx *Tx) error
		path         string
		want, wantOp string // ops: action and key or value, one for each
	}{
		{
			name:  "a number",
			first: func(tx *Tx) error { return tx.Update("", map[string]any{"total": 1.5, "x": 1}) },
			then:  func(tx *Tx) error { return tx.Update("", map[string]any{"total": 2, "x": 2}) },
			path:  "/total", want: `{"total":1.5,"x":2}`, wantOp: "set",
		},
		{
			name:  "a counter",
			first: func(tx *Tx) error { _, err := tx.Set(Root, "n", Counter(5)); return err },
			then:  func(tx *Tx) error { return tx.Increment(Root, "n", 10) },
			path:  "/n", want: `{"n":5}`, wantOp: "inc",
		},
		{
			name:  "a key that wasn't there",
			first: func(tx *Tx) error { return tx.Update("", map[string]any{"x": 1}) },
			then:  func(tx *Tx) error { return tx.Update("", map[string]any{"x": 1, "y": map[string]any{}}) },
			path:  "/y", want: `{"x":1}`, wantOp: "del",
		},
		{
			name:  "a line that was deleted",
			first: func(tx *Tx) error { return tx.Update("", map[string]any{"l": []any{1, 2, 3}}) },
			then:  func(tx *Tx) error { return tx.Update("", map[string]any{"l": []any{0, 1, 3}}) },
			path:  "/l/1", want: `{"l":[0,1,2,3]}`, wantOp: "set",
		},
		{
			name:  "a line that is elsewhere by now",
			first: func(tx *Tx) error { return tx.Update("", map[string]any{"l": []any{1, 2, 3}}) },
			then: func(tx *Tx) error {
				return tx.Update("", map[string]any{"l": []any{0, 1, 7, 3}})
			},
			path: "/l/1", want: `{"l":[0,1,2,3]}`, wantOp: "set",
		},
		{
			name:  "a line that wasn't there",
			first: func(tx *Tx) error { return tx.Update("", map[string]any{"l": []any{1}}) },
			then:  func(tx *Tx) error { return tx.Update("", map[string]any{"l": []any{1, 2, 3}}) },
			path:  "/l/2", want: `{"l":[1,2]}`, wantOp: "del",
		},
		{
			name:  "a word",
			first: func(tx *Tx) error { return tx.Update("", map[string]any{"t": "one two three"}) },
			then:  func(tx *Tx) error { return tx.Update("", map[string]any{"t": "one 2 three"}) },
			path:  "/t", want: `{"t":"one two three"}`, wantOp: "del set set set",
		},
		{
			name:  "a field of a map that was made anew",
			first: func(tx *Tx) error { return tx.Update("", map[string]any{"m": map[string]any{"x": 1}}) },
			then:  func(tx *Tx) error { _, err := tx.Set(Root, "m", map[string]any{"x": 2, "y": 3}); return err },
			path:  "/m/x", want: `{"m":{"x":1,"y":3}}`, wantOp: "set",
		},
		{
			name:  "an object that was deleted",
			first: func(tx *Tx) error { return tx.Update("", map[string]any{"m": map[string]any{"x": []any{1}}}) },
			then:  func(tx *Tx) error { return tx.Delete(Root, "m") },
			path:  "/m", want: `{"m":{"x":[1]}}`, wantOp: "makeMap makeList set",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := editable(t, "a")
			mustEdit(t, d, test.first)
			heads := d.Heads()
			mustEdit(t, d, test.then)
			to, err := d.At(heads)
			if err != nil {
				t.Fatal(err)
			}
			c := mustEdit(t, d, func(tx *Tx) error { return tx.Revert(test.path, to) })
			if got := string(d.View().AppendJSON(nil, Root)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			var actions []string
			for op := range c.Ops() {
				actions = append(actions, op.Action.String())
			}
			if got := strings.Join(actions, " "); got != test.wantOp {
				t.Errorf("ops %s, want %s", got, test.wantOp)
			}
		})
	}
}

func TestRevertErrors(t *testing.T) {
	d := editable(t, "a")
	mustUpdate(t, d, map[string]any{"m": map[string]any{"x": 1}, "l": []any{map[string]any{"p": 1}}, "k": []any{1}, "s": 1})
	heads := d.Heads()
	mustUpdate(t, d, map[string]any{"l": []any{}, "s": 1})
	mustEdit(t, d, func(tx *Tx) error { _, err := tx.Set(Root, "k", []any{1}); return err })
	to, err := d.At(heads)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/m/x":   `the map has no "m"`,
		"/l/0/p": "element 0 of the list is gone",
		"/k/0":   "the list that held it has been replaced",
		"/s/x":   "a scalar has no places",
		"/l/x":   "no index",
		"/l/9":   "out of range",
		"s":      "begins with a slash",
	} {
		_, err := d.Edit(EditOptions{}, func(tx *Tx) error { return tx.Revert(path, to) })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := d.Edit(EditOptions{}, func(tx *Tx) error { return tx.Revert("", New().View()) }); err == nil {
		t.Error("a view of another document was taken")
	}
}

// TestRevertKeepsWhereThingsStood restores a deleted word between what others
// typed around it at the same time.
func TestRevertKeepsWhereThingsStood(t *testing.T) {
	a := editable(t, "a")
	mustUpdate(t, a, map[string]any{"t": "one two three"})
	heads := a.Heads()
	b := New()
	b.SetActor("b")
	if err := b.Merge(a); err != nil {
		t.Fatal(err)
	}
	text, _ := a.View().Field(Root, "t")
	mustEdit(t, a, func(tx *Tx) error { return tx.SpliceText(text.ID, 4, 4, "") })
	mustEdit(t, b, func(tx *Tx) error { return tx.SpliceText(text.ID, 4, 0, "and ") })
	mustEdit(t, b, func(tx *Tx) error { return tx.SpliceText(text.ID, 12, 0, "or ") })
	to, err := a.At(heads)
	if err != nil {
		t.Fatal(err)
	}
	mustEdit(t, a, func(tx *Tx) error { return tx.Revert("/t", to) })
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	if got := a.View().Text(text.ID); got != "one and two or three" {
		t.Errorf("got %q", got)
	}
}
