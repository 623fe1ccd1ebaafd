package crdt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomHistory is a document that some authors edit concurrently. Each change
// builds on a random part of those before it, which its author sees in an op
// set of its own.
type randomHistory struct {
	*testDoc
	rng    *rand.Rand
	actors []ActorID
	last   map[ActorID]int // change of each actor
	seqs   map[ActorID]uint32
}

func newRandomHistory(tb testing.TB, rng *rand.Rand) *randomHistory {
	h := &randomHistory{testDoc: newTestDoc(tb), rng: rng, last: make(map[ActorID]int), seqs: make(map[ActorID]uint32)}
	for i := range 2 + rng.IntN(4) {
		h.actors = append(h.actors, ActorID([]byte{byte(rng.IntN(256)), byte(i)}))
	}
	return h
}

// ancestors returns the changes that heads are or build on, in order.
func (h *randomHistory) ancestors(heads []Hash) []*Change {
	all := make([]int, len(h.changes))
	for i := range all {
		all[i] = i
	}
	var changes []*Change
	for _, i := range h.graph.AncestorsAmong(heads, all) {
		changes = append(changes, h.changes[i])
	}
	return changes
}

// randomHeads returns some changes, none or the present heads.
func (h *randomHistory) randomHeads() []Hash {
	if h.rng.IntN(3) == 0 {
		return h.graph.Heads()
	}
	var heads []Hash
	for range h.rng.IntN(4) {
		if n := len(h.changes); n > 0 {
			heads = append(heads, h.changes[h.rng.IntN(n)].Hash)
		}
	}
	return heads
}

// next writes a change that has not been applied.
func (h *randomHistory) next(tb testing.TB) *Change {
	tb.Helper()
	actor := h.actors[h.rng.IntN(len(h.actors))]
	heads := h.randomHeads()
	if last, ok := h.last[actor]; ok {
		heads = append(slices.Clone(heads), h.changes[last].Hash)
	}
	heads = distinct(slices.Clone(heads))
	SortHashes(heads)
	h.seqs[actor]++
	w := opMaker{rng: h.rng, actor: actor, seen: NewOpSet(), next: 1}
	for _, c := range h.ancestors(heads) {
		if err := w.seen.Apply(c, nil); err != nil {
			tb.Fatal(err)
		}
		w.next = max(w.next, c.MaxOp()+1)
	}
	start := w.next
	for range 1 + h.rng.IntN(5) {
		w.edit()
	}
	c, err := EncodeChange(ChangeMeta{Deps: heads, Actor: actor, Seq: h.seqs[actor], StartOp: start}, w.ops)
	if err != nil {
		tb.Fatal(err)
	}
	h.last[actor] = len(h.changes)
	return c
}

// opMaker writes ops on what an author sees.
type opMaker struct {
	rng   *rand.Rand
	actor ActorID
	seen  *OpSet
	next  uint32
	ops   []Op
}

func (w *opMaker) add(op Op) OpID {
	op.ID = OpID{w.next, w.actor}
	w.next++
	w.ops = append(w.ops, op)
	return op.ID
}

func (w *opMaker) edit() {
	obj := &w.seen.objects[w.rng.IntN(len(w.seen.objects))]
	switch id := w.seen.actors.opID(obj.id); obj.kind {
	case ActionMakeMap:
		w.place(id, MapKey(string(rune('a'+w.rng.IntN(4)))), false)
	case ActionMakeList, ActionMakeText:
		w.list(id, obj)
	}
}

func (w *opMaker) value(text bool) Value {
	if text && w.rng.IntN(4) > 0 {
		return StringValue([]string{"a", "é", "😀", "xyz", ""}[w.rng.IntN(5)])
	}
	switch w.rng.IntN(6) {
	case 0:
		return NullValue()
	case 1:
		return StringValue(fmt.Sprint("s", w.next))
	case 2, 3:
		return CounterValue(int64(w.rng.IntN(10)))
	case 4:
		return BytesValue([]byte{byte(w.next)})
	}
	return IntValue(int64(w.next))
}

// make makes an object, sometimes with something inside.
func (w *opMaker) make(op Op) {
	op.Action = []Action{ActionMakeMap, ActionMakeMap, ActionMakeList, ActionMakeText, ActionMakeText}[w.rng.IntN(5)]
	id := w.add(op)
	ref := OpID{}
	for range w.rng.IntN(4) {
		if op.Action == ActionMakeMap {
			w.add(Op{Action: ActionSet, Obj: id, Key: MapKey(string(rune('a' + w.rng.IntN(3)))), Value: w.value(false)})
		} else {
			ref = w.add(Op{Action: ActionSet, Obj: id, Key: ElemKey(ref), Insert: true, Value: w.value(op.Action == ActionMakeText)})
		}
	}
}

// place sets, makes, deletes or increments at a key or an element.
func (w *opMaker) place(obj OpID, key Key, text bool) {
	var preds []OpID
	for _, item := range w.seen.View().Conflicts(obj, key) {
		preds = append(preds, item.ID)
	}
	switch n := w.rng.IntN(10); {
	case n < 2 && len(preds) > 0:
		w.add(Op{Action: ActionDelete, Obj: obj, Key: key, Preds: preds})
	case n < 4 && len(preds) > 0 && !text:
		w.add(Op{Action: ActionIncrement, Obj: obj, Key: key, Preds: preds[w.rng.IntN(len(preds)):], Value: IntValue(int64(w.rng.IntN(20) - 10))})
	case n < 6:
		w.make(Op{Obj: obj, Key: key, Preds: preds})
	default:
		w.add(Op{Action: ActionSet, Obj: obj, Key: key, Preds: preds, Value: w.value(text)})
	}
}

func (w *opMaker) list(id OpID, obj *object) {
	text := obj.kind == ActionMakeText
	elems, marks := []OpID{{}}, map[int]bool{0: true}
	for c := obj.list.cursor(); c.next(); {
		if !c.simple && c.cell.find(&w.seen.actors, c.id).action == ActionMark {
			marks[len(elems)] = true
		}
		elems = append(elems, w.seen.actors.opID(c.id))
	}
	at := w.rng.IntN(len(elems))
	switch n := w.rng.IntN(12); {
	case n < 3 && !marks[at]:
		w.place(id, ElemKey(elems[at]), text)
	case n < 5:
		for ; at < len(elems) && w.rng.IntN(4) > 0; at++ {
			if at > 0 {
				w.remove(id, elems[at])
			}
		}
	case n < 6:
		w.make(Op{Obj: id, Key: ElemKey(elems[at]), Insert: true})
	case n < 9 && text:
		name := []string{"bold", "link"}[w.rng.IntN(2)]
		value := []Value{BoolValue(true), NullValue(), StringValue("x")}[w.rng.IntN(3)]
		begin := w.add(Op{Action: ActionMark, Obj: id, Key: ElemKey(elems[at]), Insert: true, HasMarkName: true, MarkName: name, Value: value})
		end := at + w.rng.IntN(len(elems)-at)
		if end > at {
			w.add(Op{Action: ActionMark, Obj: id, Key: ElemKey(elems[end]), Insert: true})
		} else {
			w.add(Op{Action: ActionMark, Obj: id, Key: ElemKey(begin), Insert: true})
		}
	default:
		ref := elems[at]
		for range 1 + w.rng.IntN(6) {
			ref = w.add(Op{Action: ActionSet, Obj: id, Key: ElemKey(ref), Insert: true, Value: w.value(text)})
		}
	}
}

// remove deletes a visible element.
func (w *opMaker) remove(obj, elem OpID) {
	var preds []OpID
	for _, item := range w.seen.View().Conflicts(obj, ElemKey(elem)) {
		preds = append(preds, item.ID)
	}
	if len(preds) > 0 {
		w.add(Op{Action: ActionDelete, Obj: obj, Key: ElemKey(elem), Preds: preds})
	}
}

// TestViewOfThePast compares each view of the past with an op set that never
// saw what came later.
func TestViewOfThePast(t *testing.T) {
	rng := newRand(t)
	for range 60 {
		h := newRandomHistory(t, rng)
		for range 25 {
			h.add(t, h.next(t), nil)
		}
		for range 15 {
			heads := h.randomHeads()
			fresh := applyAll(t, h.ancestors(heads)).View()
			past := h.at(t, heads)
			if want, got := describe(t, fresh), describe(t, past); want != got {
				t.Fatalf("at %v\nwant %s\ngot  %s", heads, want, got)
			}
		}
	}
}

// describe writes down all that a view tells, object by object. Values and
// places that belong together are read in different ways, which must agree.
func describe(t *testing.T, v View) string {
	t.Helper()
	b := append(v.AppendTypedJSON(nil, OpID{}), '\n')
	for i := range v.s.objects {
		item, ok := v.Object(v.s.actors.opID(v.s.objects[i].id))
		if !ok {
			continue
		}
		path, _ := v.PathOf(item.ID)
		b = fmt.Appendf(b, "%s %s at %s %s, %d long\n", item.Kind, item.ID, path, v.Reach(item.ID), v.Len(item.ID))
		if found, err := v.Lookup(path); v.Reach(item.ID) == Shown && (err != nil || found.ID != item.ID) {
			t.Fatalf("%s leads to %v, %v, want %v", path, found, err, item)
		}
		n := 0
		for key, field := range v.Fields(item.ID) {
			n++
			b = fmt.Appendf(b, "\t%q %v of %v\n", key, field, v.Conflicts(item.ID, MapKey(key)))
			if got, ok := v.Get(); !ok || item.ID.IsZero() && got.ID != item.ID {
				t.Fatalf("root is %v", got)
			}
		}
		for e := range v.Elements(item.ID, 0) {
			n = e.Index + e.Width
			b = fmt.Appendf(b, "\t%v of %v\n", e, v.Conflicts(item.ID, ElemKey(e.ID)))
			if at, visible, ok := v.IndexOf(item.ID, e.ID); at != e.Index || !visible || !ok {
				t.Fatalf("element %v is at %d, %t, %t", e, at, visible, ok)
			}
			if got, ok := v.Element(item.ID, e.Index); e.Width > 0 && (!ok || got.ID != e.ID || got.Index != e.Index) {
				t.Fatalf("at %d is %v, want %v", e.Index, got, e)
			}
		}
		if n != v.Len(item.ID) {
			t.Fatalf("%s has %d, not %d", item.ID, n, v.Len(item.ID))
		}
		text := ""
		for s := range v.Spans(item.ID) {
			b = fmt.Appendf(b, "\tspan %v\n", s)
			if text += s.Text; !s.Block.IsZero() {
				text += "\ufffc"
			}
		}
		if text != v.Text(item.ID) {
			t.Fatalf("spans have %q, the text %q", text, v.Text(item.ID))
		}
		b = fmt.Appendf(b, "\tmarks %v\n", v.Marks(item.ID))
	}
	return string(b)
}
