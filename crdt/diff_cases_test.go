package crdt

import (
	"fmt"
	"strings"
	"testing"
)

// editText describes an edit by what readers of a ledger see.
func editText(d *Diff, e *Edit) string {
	path, _ := d.Path(e)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Action, path)
	if e.Action == EditIncrement {
		fmt.Fprintf(&b, " by %d", e.Increment())
	}
	if e.Deleted != "" || e.Inserted != "" {
		fmt.Fprintf(&b, " %q → %q", e.Deleted, e.Inserted)
	}
	if e.Action == EditMark {
		fmt.Fprintf(&b, " %s=%v %d–%d", e.Mark.Name, e.Mark.Value, e.Mark.Start, e.Mark.End)
	}
	if e.Before != nil || e.After != nil {
		fmt.Fprintf(&b, "%s →%s", itemsText(e.Before), itemsText(e.After))
	}
	if reach := d.Reach(e); reach != Shown {
		fmt.Fprintf(&b, " in %s object", reach)
	}
	return b.String()
}

func itemsText(items []Item) string {
	if len(items) == 0 {
		return " nothing"
	}
	text := ""
	for _, item := range items {
		if text += " "; item.Kind != KindScalar {
			text += item.Kind.String()
		} else {
			text += string(appendJSONValue(nil, item.Value))
		}
		text += "@" + string(item.ID.Actor)
	}
	return text
}

func wantEdits(t *testing.T, d *Diff, want ...string) {
	t.Helper()
	var got []string
	for i := range d.Edits {
		got = append(got, editText(d, &d.Edits[i]))
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("edits\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestDiffTellsWhoOverwroteWhom follows two authors who edit the same places.
func TestDiffTellsWhoOverwroteWhom(t *testing.T) {
	a := newTestAuthor(t, "a")
	b := a.fork("b")
	var d Diff
	order := a.write(t, nil, &d,
		Op{Action: ActionMakeMap, Key: MapKey("order")},
		setOp(OpID{1, "a"}, "price", IntValue(10)),
		setOp(OpID{1, "a"}, "count", CounterValue(5)),
	)
	wantEdits(t, &d, "put /order nothing → map@a", "put /order/count nothing → 5@a", "put /order/price nothing → 10@a")
	base := a.graph.Heads()

	b.write(t, base, &d, setOp(order, "price", IntValue(12)))
	wantEdits(t, &d, "put /order/price 10@a → 12@b")
	fromB := a.graph.Heads()

	a.write(t, base, &d, setOp(order, "price", IntValue(11)))
	wantEdits(t, &d, "conflict /order/price 12@b → 11@a 12@b")

	inc := func(n int64) Op {
		return Op{Action: ActionIncrement, Obj: order, Key: MapKey("count"), Value: IntValue(n)}
	}
	b.write(t, fromB, &d, inc(3), setOp(order, "note", StringValue("b")))
	wantEdits(t, &d, "increment /order/count by 3 5@a → 8@a", `put /order/note nothing → "b"@b`)

	fromA := a.changes[2].Hash
	a.write(t, []Hash{fromA}, &d, Op{Action: ActionDelete, Key: MapKey("order")})
	wantEdits(t, &d, "delete /order map@a → nothing")

	b.write(t, []Hash{a.changes[3].Hash}, &d, setOp(order, "price", IntValue(13)), inc(-1))
	wantEdits(t, &d, "increment /order/count by -1 8@a → 7@a in gone object", "put /order/price 11@a 12@b → 11@a 13@b in gone object")

	// A deletion of what is gone already changes nothing.
	b.write(t, []Hash{a.changes[5].Hash}, &d, Op{Action: ActionDelete, Key: MapKey("order")})
	wantEdits(t, &d)

	d2, err := (&Doc{graph: a.graph, ops: a.ops}).Diff(base, []Hash{fromA})
	if err != nil {
		t.Fatal(err)
	}
	wantEdits(t, d2, "put /order/price 10@a → 11@a")
	if _, err := (&Doc{graph: a.graph, ops: a.ops}).Diff(base, []Hash{{}}); err == nil {
		t.Error("diff up to unknown heads")
	}
}

// TestDiffOfLosingObject edits inside an object that another one won over.
func TestDiffOfLosingObject(t *testing.T) {
	a := newTestAuthor(t, "a")
	b := a.fork("b")
	made := a.write(t, nil, nil, Op{Action: ActionMakeMap, Key: MapKey("o")})
	fromA := a.graph.Heads()
	b.write(t, nil, nil, Op{Action: ActionMakeMap, Key: MapKey("o")})
	var d Diff
	a.write(t, fromA, &d, setOp(made, "k", IntValue(1)))
	wantEdits(t, &d, "put /o/k nothing → 1@a in conflicted object")

	// The winner goes, and the object comes back with all it holds.
	b.write(t, []Hash{a.changes[1].Hash}, &d, Op{Action: ActionDelete, Key: MapKey("o")})
	wantEdits(t, &d, "put /o map@a map@b → map@a")
	if e := (Edit{Object: made}); d.WasShown(&e) || d.Reach(&e) != Shown {
		t.Errorf("was shown: %t, is %s", d.WasShown(&e), d.Reach(&e))
	}
}

// TestDiffOfText merges neighbouring characters and keeps others apart.
func TestDiffOfText(t *testing.T) {
	a := newTestAuthor(t, "a")
	text := OpID{1, "a"}
	var d Diff
	a.write(t, nil, &d, append([]Op{{Action: ActionMakeText, Key: MapKey("t")}}, charOps(text, OpID{}, OpID{2, "a"}, "ab😀cdef")...)...)
	wantEdits(t, &d, "put /t nothing → text@a", `splice /t/0 "" → "ab😀cdef"`)

	remove := func(elem uint32) Op {
		return Op{Action: ActionDelete, Obj: text, Key: ElemKey(OpID{elem, "a"})}
	}
	// Over "b😀" stands "XYZ", "e" goes, and "f" is replaced in its element.
	a.write(t, a.graph.Heads(), &d, append(charOps(text, OpID{4, "a"}, OpID{9, "a"}, "XYZ"), remove(4), remove(3), remove(7),
		Op{Action: ActionSet, Obj: text, Key: ElemKey(OpID{8, "a"}), Value: StringValue("ff")})...)
	wantEdits(t, &d, `splice /t/1 "b😀" → "XYZ"`, `splice /t/6 "ef" → "ff"`)

	a.write(t, a.graph.Heads(), &d,
		Op{Action: ActionMark, Obj: text, Key: ElemKey(OpID{2, "a"}), Insert: true, HasMarkName: true, MarkName: "bold", Value: BoolValue(true)},
		Op{Action: ActionMark, Obj: text, Key: ElemKey(OpID{11, "a"}), Insert: true},
		Op{Action: ActionMakeMap, Obj: text, Key: ElemKey(OpID{}), Insert: true},
		setOp(OpID{18, "a"}, "type", StringValue("heading")))
	wantEdits(t, &d, "insert /t/0 \"\" → \"\ufffc\" nothing → map@a", "mark /t/2 bold=true 2–5", `put /t/0/type nothing → "heading"@a`)

	// A mark without an end goes to the end of the text, until one comes.
	begin := a.write(t, a.graph.Heads(), &d,
		Op{Action: ActionMark, Obj: text, Key: ElemKey(OpID{2, "a"}), Insert: true, HasMarkName: true, MarkName: "open", Value: NullValue()})
	wantEdits(t, &d, "mark /t/2 open=null 2–9")
	a.write(t, a.graph.Heads(), &d, Op{Action: ActionMark, Obj: text, Key: ElemKey(begin), Insert: true})
	wantEdits(t, &d, "mark /t/2 open=null 2–2")
}

// TestDiffOfList gives indexes that hold afterwards.
func TestDiffOfList(t *testing.T) {
	a := newTestAuthor(t, "a")
	list := OpID{1, "a"}
	var d Diff
	a.write(t, nil, nil, Op{Action: ActionMakeList, Key: MapKey("l")},
		insertOp(list, OpID{}, IntValue(1)), insertOp(list, OpID{2, "a"}, IntValue(2)), insertOp(list, OpID{3, "a"}, IntValue(3)))
	a.write(t, a.graph.Heads(), &d,
		insertOp(list, OpID{4, "a"}, IntValue(4)),
		Op{Action: ActionDelete, Obj: list, Key: ElemKey(OpID{2, "a"})},
		Op{Action: ActionSet, Obj: list, Key: ElemKey(OpID{4, "a"}), Value: IntValue(33)},
		insertOp(list, OpID{}, IntValue(0)))
	wantEdits(t, &d, "insert /l/0 nothing → 0@a", "delete /l/1 1@a → nothing", "put /l/2 3@a → 33@a", "insert /l/3 nothing → 4@a")
}

// TestDiffOfManyValues keeps the last of very many concurrent values.
func TestDiffOfManyValues(t *testing.T) {
	a := newTestAuthor(t, "a")
	var ops []Op
	for i := range 1000 {
		ops = append(ops, Op{Action: ActionSet, Key: MapKey("k"), Value: IntValue(int64(i)), Preds: []OpID{}})
	}
	var d Diff
	a.write(t, nil, &d, ops...)
	if len(d.Edits) != 1 || d.Edits[0].AfterCount != 1000 || len(d.Edits[0].After) != maxDiffValues ||
		d.Edits[0].After[maxDiffValues-1].Value.Int() != 999 || d.Edits[0].BeforeCount != 0 {
		t.Fatalf("%d edits, the first with %d values of %d", len(d.Edits), len(d.Edits[0].After), d.Edits[0].AfterCount)
	}
	a.write(t, a.graph.Heads(), &d, setOp(OpID{}, "k", NullValue()))
	if e := &d.Edits[0]; len(d.Edits) != 1 || e.BeforeCount != 1000 || len(e.Before) != maxDiffValues || e.AfterCount != 1 {
		t.Fatalf("%d edits, the first from %d values to %d", len(d.Edits), e.BeforeCount, e.AfterCount)
	}
}
