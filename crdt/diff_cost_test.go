package crdt

import "testing"

// TestDiffLooksAtFewValues touches a key with very many values in conflict: a Diff
// must not look at more of them than it tells.
func TestDiffLooksAtFewValues(t *testing.T) {
	const n = 20_000
	s := NewOpSet()
	ops := make([]Op, n)
	for i := range ops {
		ops[i] = Op{Action: ActionSet, Key: MapKey("key"), Value: IntValue(int64(i))}
	}
	mustApply(t, s, ChangeMeta{Actor: "a", Seq: 1, StartOp: 1}, ops)
	c, err := EncodeChange(ChangeMeta{Actor: "a", Seq: 2, StartOp: n + 1}, ops[:1])
	if err != nil {
		t.Fatal(err)
	}
	var d Diff
	if err := s.Apply(c, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Edits) != 1 {
		t.Fatal(d.Edits)
	}
	e := &d.Edits[0]
	if e.BeforeCount != n || e.AfterCount != n+1 || len(e.Before) != maxDiffValues || len(e.After) != maxDiffValues {
		t.Errorf("%d of %d values before, %d of %d after", len(e.Before), e.BeforeCount, len(e.After), e.AfterCount)
	}
	if first := e.Before[0].Value.Int(); first != n-maxDiffValues {
		t.Errorf("the values before begin with %d", first)
	}
	if cap(d.values) > 4*maxDiffValues {
		t.Errorf("room for %d values was taken", cap(d.values))
	}
}

// TestBetweenWithOpenMarks compares states of a text with very many marks
// without an end. If each end were looked for in the text, the test would take
// many minutes.
func TestBetweenWithOpenMarks(t *testing.T) {
	const n = 100_000
	text := OpID{1, "a"}
	ops := []Op{{Action: ActionMakeText, Key: MapKey("text")}}
	for range n {
		ops = append(ops, Op{Action: ActionMark, Obj: text, Key: ElemKey(OpID{}), Insert: true, HasMarkName: true, MarkName: "m", Value: BoolValue(true)})
	}
	ops = append(ops, Op{Action: ActionSet, Obj: text, Key: ElemKey(OpID{2, "a"}), Insert: true, Value: StringValue("x")})
	s := NewOpSet()
	mustApply(t, s, ChangeMeta{Actor: "a", Seq: 1, StartOp: 1}, ops)
	d := Between(s.At(Clock{}), s.At(Clock{"a": n + 2}))
	marks := 0
	for i := range d.Edits {
		if e := &d.Edits[i]; e.Action == EditMark {
			if marks++; e.Mark.Start != 0 || e.Mark.End != 1 {
				t.Fatal(e.Mark)
			}
		}
	}
	if marks != n {
		t.Errorf("%d marks, want %d", marks, n)
	}
}
