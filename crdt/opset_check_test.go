package crdt

import (
	"errors"
	"testing"
)

// Marks are neither shown nor given values, and texts have no counters:
// automerge-js would show it in its own way, or panic.
func TestTextsHoldTexts(t *testing.T) {
	s := NewOpSet()
	list, text, begin := OpID{1, "a"}, OpID{2, "a"}, OpID{3, "a"}
	mark := Op{Action: ActionMark, Obj: text, Key: ElemKey(OpID{}), Insert: true, HasMarkName: true, MarkName: "bold", Value: BoolValue(true)}
	apply := func(startOp, seq uint32, op ...Op) error {
		t.Helper()
		c, err := EncodeChange(ChangeMeta{Actor: "a", Seq: seq, StartOp: startOp}, op)
		if err != nil {
			t.Fatal(err)
		}
		return s.Apply(c, nil)
	}
	if err := apply(1, 1, Op{Action: ActionMakeList, Key: MapKey("l")}, Op{Action: ActionMakeText, Key: MapKey("t")}, mark); err != nil {
		t.Fatal(err)
	}
	inList := mark
	inList.Obj = list
	next := OpID{4, "a"}
	letter := Op{Action: ActionSet, Obj: text, Key: ElemKey(OpID{}), Insert: true, Value: CounterValue(1)}
	for name, ops := range map[string][]Op{
		"mark in a list":          {inList},
		"increment in a text":     {letter, {Action: ActionIncrement, Obj: text, Key: ElemKey(next), Value: IntValue(1)}},
		"value for a mark":        {{Action: ActionSet, Obj: text, Key: ElemKey(begin), Preds: []OpID{begin}}},
		"value for a mark, later": {{Action: ActionSet, Obj: text, Key: ElemKey(begin)}},
		"value for its own mark":  {mark, {Action: ActionMakeMap, Obj: text, Key: ElemKey(next)}},
	} {
		var refusal *RefusalError
		if err := apply(4, 2, ops...); !errors.As(err, &refusal) || refusal.Reason != ReasonBadOp {
			t.Errorf("%s: %v", name, err)
		}
	}
	after := Op{Action: ActionSet, Obj: text, Key: ElemKey(begin), Insert: true, Value: StringValue("x")}
	if err := apply(4, 2, after, Op{Action: ActionDelete, Obj: text, Key: ElemKey(begin), Preds: []OpID{begin}}); err != nil {
		t.Error(err)
	}
}
