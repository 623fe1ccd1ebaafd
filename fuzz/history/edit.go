package history

import (
	"math"
	"math/rand/v2"
	"slices"

	"concord/crdt"
)

// theme is a kind of object that the history prefers to edit, so that some
// histories are about maps, others about texts.
type theme = crdt.Action

func themesOf(rng *rand.Rand) []theme {
	kinds := []theme{crdt.ActionMakeMap, crdt.ActionMakeList, crdt.ActionMakeText}
	if one := rng.IntN(5); one < len(kinds) {
		return []theme{kinds[one], kinds[one], kinds[one], kinds[rng.IntN(3)]}
	}
	return kinds
}

// edit writes one op, or a few that belong together.
func (w *world) edit() {
	kind := pick(w.rng, w.themes)
	var candidates []*object
	for _, o := range w.objects {
		if w.knows(o.change) && o.kind == kind && w.made(o) {
			candidates = append(candidates, o)
		}
	}
	obj := pick(w.rng, candidates)
	switch {
	case obj == nil: // makes one of this kind
		w.put(w.objects[0], crdt.Op{Action: kind})
	case kind == crdt.ActionMakeMap:
		w.editMap(obj)
	case kind == crdt.ActionMakeText:
		w.editText(obj)
	default:
		w.editList(obj)
	}
}

// made reports whether the make op of an object has been written.
func (w *world) made(o *object) bool { return o.change < 0 || w.ops[o.id] != nil }

// childBeforeMake writes into an object that a later op of the change makes.
func (w *world) childBeforeMake() {
	before := uint32(1 + w.rng.IntN(3))
	id := w.nextID()
	id.Counter += before
	obj := &object{id: id, kind: pick(w.rng, makes), change: len(w.encoded)}
	w.objects = append(w.objects, obj)
	for range before {
		if obj.kind == crdt.ActionMakeMap {
			w.put(obj, w.content())
			continue
		}
		w.write(obj, crdt.Op{Action: crdt.ActionSet, Insert: true, Key: crdt.ElemKey(crdt.OpID{}), Value: w.char()})
	}
	w.put(w.objects[0], crdt.Op{Action: obj.kind})
}

var makes = []crdt.Action{crdt.ActionMakeMap, crdt.ActionMakeList, crdt.ActionMakeText}

var keys = []string{"a", "b", "c", "key", "", "é", "z", "\uff5a", "\U0001f600", "a\"\\\n", "long key with many letters"}

// put writes an op to a random key of a map object.
func (w *world) put(obj *object, o crdt.Op) {
	o.Key = crdt.MapKey(keys[min(w.rng.IntN(len(keys)), w.rng.IntN(len(keys)))])
	o.Preds = w.preds(obj, o.Key)
	w.write(obj, o)
}

// preds are the visible ops of a place, oddly some others.
func (w *world) preds(obj *object, key crdt.Key) []crdt.OpID {
	all := w.at(obj, key)
	if w.odd(OddPreds) {
		all = slices.DeleteFunc(all, func(o *op) bool {
			return o.Action == crdt.ActionIncrement || o.Action == crdt.ActionMark || w.rng.IntN(2) == 0
		})
		return ids(all)
	}
	return ids(slices.DeleteFunc(all, func(o *op) bool { return !w.visible(o) }))
}

func (w *world) editMap(obj *object) {
	switch w.rng.IntN(8) {
	case 0, 1:
		w.deleteAt(obj, crdt.MapKey(w.usedKey(obj)))
	case 2:
		w.increment(obj, crdt.MapKey(w.usedKey(obj)))
	case 3:
		w.put(obj, crdt.Op{Action: pick(w.rng, makes)})
	case 4:
		w.put(obj, crdt.Op{Action: crdt.ActionSet, Value: crdt.CounterValue(int64(w.rng.IntN(100)))})
	default:
		w.put(obj, w.content())
	}
}

// usedKey prefers keys that have values.
func (w *world) usedKey(obj *object) string {
	if o := pick(w.rng, obj.ops); o != nil && w.knows(o.change) {
		return o.Key.Name
	}
	return pick(w.rng, keys)
}

func (w *world) deleteAt(obj *object, key crdt.Key) {
	if preds := w.preds(obj, key); len(preds) > 0 {
		w.write(obj, crdt.Op{Action: crdt.ActionDelete, Key: key, Preds: preds})
		return
	}
	w.fill(obj)
}

// fill writes something where a choice turned out to be impossible.
func (w *world) fill(obj *object) {
	if obj.kind == crdt.ActionMakeMap {
		w.put(obj, w.content())
		return
	}
	w.insert(obj, w.gap(obj), w.item(obj))
}

// increment adds to the visible counters of a place; oddly to whatever is
// there, or to nothing.
func (w *world) increment(obj *object, key crdt.Key) {
	all := w.at(obj, key)
	plain := !w.odd(OddIncrement)
	all = slices.DeleteFunc(all, func(o *op) bool {
		return !w.visible(o) || plain && o.Value.Code() != crdt.ValueCounter
	})
	if plain && len(all) == 0 {
		w.fill(obj)
		return
	}
	by := crdt.IntValue(int64(w.rng.IntN(200) - 100))
	if w.odd(OddOperand) {
		by = pick(w.rng, []crdt.Value{crdt.UintValue(7), crdt.IntValue(math.MaxInt64), crdt.IntValue(math.MinInt64)})
	}
	w.write(obj, crdt.Op{Action: crdt.ActionIncrement, Key: key, Value: by, Preds: ids(all)})
}

func (w *world) editList(obj *object) {
	elements := w.elements(obj)
	if !w.odd(OddPlace) {
		elements = slices.DeleteFunc(elements, func(e *op) bool { return !w.shown(obj, e) })
	}
	elements = slices.DeleteFunc(elements, func(e *op) bool { return e.Action == crdt.ActionMark })
	e := pick(w.rng, elements)
	switch n := w.rng.IntN(10); {
	case e == nil || n < 5:
		after := w.gap(obj)
		for range 1 + w.rng.IntN(3) {
			after = w.insert(obj, after, w.item(obj))
		}
	case n < 7:
		w.update(obj, place(e), w.item(obj))
	case n == 7:
		w.increment(obj, place(e))
	default:
		w.deleteAt(obj, place(e))
	}
}

func (w *world) update(obj *object, key crdt.Key, o crdt.Op) {
	o.Key, o.Preds = key, w.preds(obj, key)
	w.write(obj, o)
}

// insert writes an element and returns its id.
func (w *world) insert(obj *object, after crdt.OpID, o crdt.Op) crdt.OpID {
	o.Insert, o.Key, o.Preds = true, crdt.ElemKey(after), nil
	return w.write(obj, o).ID
}

// gap returns the element after which to insert: one that is shown, oddly one
// that isn't, or the head. Places near the last edit are likelier, as in typing.
func (w *world) gap(obj *object) crdt.OpID {
	elements := w.elements(obj)
	if !w.odd(OddPlace) {
		elements = slices.DeleteFunc(elements, func(e *op) bool { return !w.shown(obj, e) })
	}
	switch n := len(elements); {
	case n == 0 || w.rng.IntN(6) == 0:
		return crdt.OpID{}
	case w.rng.IntN(3) == 0:
		return elements[n-1].ID
	default:
		return elements[w.rng.IntN(n)].ID
	}
}

// item is something for a list; for a text a character, a block or an oddity.
func (w *world) item(obj *object) crdt.Op {
	if obj.kind == crdt.ActionMakeList {
		switch w.rng.IntN(6) {
		case 0:
			return crdt.Op{Action: pick(w.rng, makes)}
		case 1:
			return crdt.Op{Action: crdt.ActionSet, Value: crdt.CounterValue(int64(w.rng.IntN(50)))}
		}
		return w.content()
	}
	switch {
	case w.odd(OddScalarInText):
		return w.content()
	case w.odd(OddObjectInText):
		return crdt.Op{Action: pick(w.rng, makes)}
	case w.rng.IntN(12) == 0:
		return crdt.Op{Action: crdt.ActionMakeMap}
	}
	return crdt.Op{Action: crdt.ActionSet, Value: w.char()}
}

func (w *world) editText(obj *object) {
	elements := w.elements(obj)
	shown := slices.DeleteFunc(slices.Clone(elements), func(e *op) bool {
		return !w.shown(obj, e) && !w.odd(OddPlace) || e.Action == crdt.ActionMark
	})
	e := pick(w.rng, shown)
	switch n := w.rng.IntN(12); {
	case e == nil || n < 5:
		after := w.gap(obj)
		for range 1 + w.rng.IntN(8) {
			after = w.insert(obj, after, w.item(obj))
		}
	case n < 8:
		at := slices.Index(shown, e)
		for _, e := range shown[at:min(len(shown), at+1+w.rng.IntN(4))] {
			w.deleteAt(obj, place(e))
		}
	case n < 11:
		w.mark(obj, elements)
	default:
		w.update(obj, place(e), w.item(obj))
	}
}

// mark writes the begin and the end of a mark around a stretch of elements; the
// begin can stand alone, but the end never comes first.
func (w *world) mark(obj *object, elements []*op) {
	from := w.rng.IntN(len(elements)+1) - 1
	to := from + w.rng.IntN(len(elements)-from)
	before := crdt.OpID{}
	if from >= 0 {
		before = elements[from].ID
	}
	value := pick(w.rng, []crdt.Value{
		crdt.BoolValue(true), crdt.BoolValue(true), crdt.NullValue(), crdt.StringValue("red"), crdt.IntValue(7),
	})
	begin := w.insert(obj, before, crdt.Op{
		Action: crdt.ActionMark, HasMarkName: true, MarkName: pick(w.rng, []string{"bold", "bold", "it", "color", "é", ""}),
		Value: value, Expand: w.rng.IntN(2) == 0,
	})
	if w.odd(OddMark) {
		return
	}
	after := begin
	if to > from {
		after = elements[to].ID
	}
	w.insert(obj, after, crdt.Op{Action: crdt.ActionMark, Expand: w.rng.IntN(2) == 0})
}

// char is a string as texts hold it, oddly an empty or a longer one.
func (w *world) char() crdt.Value {
	if w.odd(OddChar) {
		return crdt.StringValue(w.string())
	}
	return crdt.StringValue(pick(w.rng, []string{"a", "b", "c", "d", "e", " ", "é", "\u0301", "\u20ac", "\U0001f600", "\n", "\""}))
}

func (w *world) string() string {
	return pick(w.rng, []string{"", "x", "hello", "\U0001f468\u200d\U0001f469", "\u2028\x00\x7f", "gr\u00fc\u00df dich", "a longer string that says nothing at all"})
}

// content is a set op with any scalar.
func (w *world) content() crdt.Op {
	values := []crdt.Value{
		crdt.NullValue(), crdt.BoolValue(true), crdt.BoolValue(false),
		crdt.IntValue(int64(w.rng.IntN(1000) - 500)), crdt.IntValue(int64(w.rng.Uint64())),
		crdt.UintValue(uint64(w.rng.IntN(300))), crdt.UintValue(w.rng.Uint64()),
		crdt.Float64Value(w.rng.Float64()), crdt.Float64Value(math.Copysign(0, -1)),
		crdt.Float64Value(math.Inf(1)), crdt.Float64Value(math.NaN()),
		crdt.StringValue(w.string()), crdt.StringValue(w.string()),
		crdt.BytesValue([]byte(w.string())),
		crdt.TimestampValue(int64(w.rng.Uint64()) >> 12), crdt.CounterValue(int64(w.rng.IntN(10))),
	}
	if w.odd(OddValue) {
		values = []crdt.Value{
			crdt.UnknownValue(crdt.ValueCode(10+w.rng.IntN(6)), []byte(w.string())),
			crdt.CounterValue(math.MaxInt64), crdt.CounterValue(math.MinInt64),
		}
	}
	return crdt.Op{Action: crdt.ActionSet, Value: pick(w.rng, values)}
}
