package crdt

import (
	"strings"
	"testing"
)

// TestOpsBesideLongString gives a text with a very long element many ops that
// leave its value as it is, or bring it back. If each op counted the characters
// of the element, the test would take many minutes.
func TestOpsBesideLongString(t *testing.T) {
	const n = 20_000
	long := strings.Repeat("ä", 4<<20)
	text, first, second := OpID{1, "a"}, OpID{2, "a"}, OpID{3, "a"}
	change := func(s *OpSet, seq, startOp uint32, op func(i int) Op) {
		ops := make([]Op, n)
		for i := range ops {
			ops[i] = op(i)
		}
		mustApply(t, s, ChangeMeta{Actor: "a", Seq: seq, StartOp: startOp}, ops)
	}
	s := NewOpSet()
	mustApply(t, s, ChangeMeta{Actor: "a", Seq: 1, StartOp: 1}, []Op{
		{Action: ActionMakeText, Key: MapKey("text")},
		{Action: ActionSet, Obj: text, Key: ElemKey(OpID{}), Insert: true, Value: StringValue(long)},
		{Action: ActionSet, Obj: text, Key: ElemKey(first), Insert: true, Value: StringValue("x")},
	})
	change(s, 2, 4, func(i int) Op {
		op := Op{Action: ActionSet, Obj: text, Key: ElemKey([]OpID{first, second}[i%2]), Value: StringValue("y")}
		if i%4 > 1 {
			op.Action, op.Value, op.Preds = ActionDelete, NullValue(), []OpID{{uint32(i + 2), "a"}}
		}
		return op
	})
	if width := s.View().Len(text); width != len(long)/2+1 {
		t.Error(width)
	}
	for i := range uint32(2 * n) {
		op := Op{Action: ActionSet, Obj: text, Key: ElemKey(first), Value: StringValue("y")}
		if i%2 == 1 {
			op = Op{Action: ActionDelete, Obj: text, Key: ElemKey(first), Preds: []OpID{{n + 3 + i, "a"}}}
		}
		mustApply(t, s, ChangeMeta{Actor: "a", Seq: i + 3, StartOp: n + 4 + i}, []Op{op})
		if e, ok := s.View().Element(text, 0); !ok || e.Width != []int{1, len(long) / 2}[i%2] {
			t.Fatal(i, e.Width)
		}
	}
}
