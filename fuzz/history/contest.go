package history

import (
	"slices"

	"concord/crdt"
)

// Histories with Shape.Contested are about few places, which everybody writes
// to: the same values, different ones, objects, counters, deletions, and edits
// inside objects that others remove. Authors rarely meet, and some come back
// from long ago.

// contest writes one op, or a few in a text.
func (w *world) contest() {
	var known []*object
	for _, o := range w.objects {
		if w.knows(o.change) && w.made(o) {
			known = append(known, o)
		}
	}
	obj := known[min(w.rng.IntN(len(known)), w.rng.IntN(len(known)))]
	switch {
	case obj.kind == crdt.ActionMakeText:
		w.editText(obj)
	case obj.kind == crdt.ActionMakeMap:
		w.contestPlace(obj, crdt.MapKey([]string{"a", "b", "c/~", "d"}[w.rng.IntN(1+w.rng.IntN(4))]))
	default:
		w.contestList(obj)
	}
}

func (w *world) contestList(obj *object) {
	elements := w.elements(obj)
	if len(elements) < 2 || w.rng.IntN(6) == 0 {
		w.insert(obj, w.gap(obj), w.claim())
		return
	}
	e := elements[min(w.rng.IntN(len(elements)), w.rng.IntN(len(elements)))]
	if !w.shown(obj, e) && !w.odd(OddPlace) {
		w.insert(obj, e.ID, w.claim())
		return
	}
	w.contestPlace(obj, place(e))
}

func (w *world) contestPlace(obj *object, key crdt.Key) {
	preds := w.preds(obj, key)
	switch n := w.rng.IntN(10); {
	case n < 3 && len(preds) > 0:
		w.write(obj, crdt.Op{Action: crdt.ActionDelete, Key: key, Preds: preds})
	case n < 5 && w.countsAt(obj, key):
		w.increment(obj, key)
	default:
		w.update(obj, key, w.claim())
	}
}

func (w *world) countsAt(obj *object, key crdt.Key) bool {
	return slices.ContainsFunc(w.at(obj, key), func(o *op) bool { return w.visible(o) && o.Value.Code() == crdt.ValueCounter })
}

// claim is one of few values, of which some are equal in spite of their types.
func (w *world) claim() crdt.Op {
	switch w.rng.IntN(8) {
	case 0, 1:
		return crdt.Op{Action: pick(w.rng, makes)}
	case 2:
		return crdt.Op{Action: crdt.ActionSet, Value: crdt.CounterValue(int64(w.rng.IntN(2)))}
	case 3:
		return w.content()
	}
	return crdt.Op{Action: crdt.ActionSet, Value: pick(w.rng, []crdt.Value{
		crdt.IntValue(1), crdt.UintValue(1), crdt.Float64Value(1), crdt.StringValue("1"), crdt.StringValue("two"), crdt.BoolValue(true), crdt.NullValue(),
	})}
}

// drift is meet among authors who rarely do.
func (w *world) drift() {
	switch w.rng.IntN(4 + 3*w.shape.Contested) {
	case 0, 1, 2:
		w.knowAll()
	case 3, 4:
		for i, known := range w.actors[w.rng.IntN(len(w.actors))].known {
			w.me.known[i] = w.me.known[i] || known
		}
	case 5: // a device that was off for long, or never knew anything
		if len(w.encoded) > 0 && len(w.actors) < 2*w.shape.Actors {
			w.me = &actor{id: w.newActorID(), known: make([]bool, len(w.encoded))}
			w.actors = append(w.actors, w.me)
			if w.rng.IntN(4) > 0 {
				w.know(w.rng.IntN(len(w.encoded)))
			}
		}
	}
}

func (w *world) knowAll() {
	for i := range w.me.known {
		w.me.known[i] = true
	}
}

// know has the author learn of a change and all before it.
func (w *world) know(change int) {
	w.me.known[change] = true
	for i := change; i >= 0; i-- {
		if !w.me.known[i] {
			continue
		}
		for _, d := range w.encoded[i].Deps {
			w.me.known[slices.IndexFunc(w.encoded, func(c *crdt.Change) bool { return c.Hash == d })] = true
		}
	}
}

func (w *world) newActorID() crdt.ActorID {
	for {
		if id := w.actorID(); !slices.ContainsFunc(w.actors, func(a *actor) bool { return a.id == id }) {
			return id
		}
	}
}

// say writes a change with a message; every other one has an op at a place, if
// the author knows it.
func (w *world) say(message string, obj crdt.OpID, key crdt.Key) error {
	w.begin()
	w.message = message
	at := slices.IndexFunc(w.objects, func(o *object) bool { return o.id == obj })
	if w.rng.IntN(2) == 0 && at >= 0 && w.knows(w.objects[at].change) && (!key.IsElem || w.knows(w.ops[key.Elem].change)) {
		w.update(w.objects[at], key, w.claim())
	}
	err := w.commit()
	w.message = ""
	return err
}
