package crdt

import (
	"cmp"
	"fmt"
	"strings"
)

// OpID names an op: a Lamport counter and the actor that wrote it. The zero
// OpID names no op; as an object it is the root, as an element the list head.
type OpID struct {
	Counter uint32 // from 1; 0 only in the zero OpID
	Actor   ActorID
}

// IsZero reports whether id names no op (root object, list head).
func (id OpID) IsZero() bool { return id.Counter == 0 }

// Compare orders ids by counter, then by actor bytes: the total order of ops.
func (id OpID) Compare(other OpID) int {
	if c := cmp.Compare(id.Counter, other.Counter); c != 0 {
		return c
	}
	return strings.Compare(string(id.Actor), string(other.Actor))
}

// String returns COUNTER@ACTORHEX.
func (id OpID) String() string { return fmt.Sprintf("%d@%s", id.Counter, id.Actor) }

// Action is what an op does. The numbers are those of the format.
type Action uint8

// Actions of the format; larger numbers are refused.
const (
	ActionMakeMap   Action = 0
	ActionSet       Action = 1
	ActionMakeList  Action = 2
	ActionDelete    Action = 3
	ActionMakeText  Action = 4
	ActionIncrement Action = 5
	ActionMakeTable Action = 6
	ActionMark      Action = 7
)

var actionNames = [...]string{"makeMap", "set", "makeList", "del", "makeText", "inc", "makeTable", "mark"}

// String returns the name that Automerge uses for the action.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// Key is the place inside an object that an op is about: a map key or a list
// element. The zero Key is the empty map key, which is legal.
type Key struct {
	Name   string // map key, UTF-8; empty for elements
	Elem   OpID   // element id; zero with IsElem is the list head
	IsElem bool
}

// MapKey returns the key for a map entry.
func MapKey(name string) Key { return Key{Name: name} }

// ElemKey returns the key for a list element; the zero OpID is the list head,
// the place before the first element, to which only inserts may refer.
func ElemKey(elem OpID) Key { return Key{Elem: elem, IsElem: true} }

// Op is one operation of a change.
type Op struct {
	ID     OpID // EncodeChange ignores it: op i gets StartOp+i and the author
	Action Action
	Obj    OpID // object that holds the key; zero = root
	Key    Key
	Insert bool   // insert a list element after Key.Elem instead of updating it
	Value  Value  // of set, inc and mark begin; null otherwise
	Preds  []OpID // ops that this one overwrites, ascending; the slice belongs to the receiver

	// Mark ops only. A mark begin has a name (which may be empty), a mark end none.
	Expand      bool
	HasMarkName bool
	MarkName    string
}
