package guard

import (
	"slices"
	"strconv"

	"concord/crdt"
	"concord/internal/rules"
)

// examination looks at the edits of one change.
type examination struct {
	diff          *crdt.Diff
	before, after crdt.View
	ways          ways
}

// broken returns the first rule that an edit breaks, nil for none; locked tells
// whether any lock is at, in or around the edit's place.
func (e *examination) broken(rules []*Rule, edit *crdt.Edit, way []step) (rule *Rule, locked bool) {
	for _, r := range rules {
		for _, pattern := range r.Lock {
			switch match(pattern, way) {
			case inside:
				return r, true
			case above:
				locked = true
				if e.changes(edit, pattern.Rest(len(way))) {
					return r, true
				}
			}
		}
	}
	return nil, locked
}

// changes reports whether what a pattern names inside of an edited place is
// something else afterwards.
func (e *examination) changes(edit *crdt.Edit, pattern rules.Pattern) bool {
	var before, after []byte
	if n := len(edit.Before); n > 0 {
		before = appendNamed(nil, e.before, edit.Before[n-1], pattern)
	}
	if n := len(edit.After); n > 0 {
		after = appendNamed(nil, e.after, edit.After[n-1], pattern)
	}
	return string(before) != string(after)
}

// appendNamed appends all that a pattern names inside an item, in a form of which
// nothing counts but that equal contents give equal bytes.
func appendNamed(b []byte, v crdt.View, item crdt.Item, pattern rules.Pattern) []byte {
	if pattern.Len() == 0 {
		return append(rules.AppendContent(b, v, item), '\n')
	}
	token, every := pattern.Step(0)
	rest := pattern.Rest(1)
	switch {
	case item.Kind == crdt.KindMap && every:
		for key, child := range v.Fields(item.ID) {
			at := len(b)
			b = append(strconv.AppendQuote(b, key), ':')
			n := len(b)
			if b = appendNamed(b, v, child, rest); len(b) == n {
				b = b[:at]
			}
		}
	case item.Kind == crdt.KindMap:
		if child, ok := v.Field(item.ID, token); ok {
			b = appendNamed(b, v, child, rest)
		}
	case item.Kind == crdt.KindList && every:
		for child := range v.Elements(item.ID, 0) {
			b = appendNamed(b, v, child.Item, rest)
		}
	}
	return b
}

// ways finds the ways from the root to places.
type ways struct {
	content *crdt.OpSet
	to      map[crdt.OpID]way // by object
}

// way leads from the root to an object.
type way struct {
	steps []step // at most maxWay
	end   bool   // what is inside is not told apart: the object is a text, in one, or too deep
}

// maxWay is how deep places are told apart: beyond all patterns.
const maxWay = 2 * rules.MaxSteps

// edited returns the way to the place of an edit. All edits in a text are edits of
// the text.
func (w *ways) edited(e *crdt.Edit) []step {
	around := w.object(e.Object)
	if around.end {
		return around.steps
	}
	return append(slices.Clip(around.steps), step{e.Object, e.Key})
}

func (w *ways) object(obj crdt.OpID) way {
	var open []crdt.OpID // from obj upwards, without a way yet
	here := way{}
	for !obj.IsZero() {
		found, ok := w.to[obj]
		if ok {
			here = found
			break
		}
		open = append(open, obj)
		obj, _, _ = w.content.Place(obj)
	}
	if w.to == nil {
		w.to = map[crdt.OpID]way{}
	}
	for _, obj := range slices.Backward(open) {
		if !here.end {
			parent, key, _ := w.content.Place(obj)
			kind, _ := w.content.KindOf(obj)
			here.steps = append(slices.Clip(here.steps), step{parent, key})
			here.end = kind == crdt.KindText || len(here.steps) == maxWay
		}
		w.to[obj] = here
	}
	return here
}
