package crdt

import (
	"errors"
	"testing"
)

// markChange returns a change that makes a text with one letter and marks it,
// the end inserted after the given element.
func markChange(end OpID) (*Change, error) {
	actor := ActorID("a")
	text, letter := OpID{1, actor}, OpID{2, actor}
	return EncodeChange(ChangeMeta{Actor: actor, Seq: 1, StartOp: 1}, []Op{
		{Action: ActionMakeText, Key: MapKey("t")},
		{Action: ActionSet, Obj: text, Key: ElemKey(OpID{}), Insert: true, Value: StringValue("x")},
		{Action: ActionMark, Obj: text, Key: ElemKey(OpID{}), Insert: true, HasMarkName: true, MarkName: "bold", Value: BoolValue(true)},
		{Action: ActionMark, Obj: text, Key: ElemKey(end), Insert: true, Expand: true},
		{Action: ActionSet, Obj: text, Key: ElemKey(letter), Insert: true, Value: StringValue("y")},
	})
}

func TestMarkEndsAfterItBegins(t *testing.T) {
	for _, end := range []OpID{{2, "a"}, {3, "a"}} { // after the letter; an empty mark the right way
		if _, err := markChange(end); err != nil {
			t.Errorf("end after %s: %v", end, err)
		}
	}
	_, err := markChange(OpID{}) // where the begin is inserted
	var refusal *RefusalError
	if !errors.As(err, &refusal) || refusal.Reason != ReasonBadOp {
		t.Errorf("end before the begin: %v", err)
	}
}
