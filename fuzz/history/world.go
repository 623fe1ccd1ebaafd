package history

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"concord/crdt"
)

// world is everything that has been written, as a plain list of ops: slow and
// obvious, which is enough for histories of some hundred ops.
type world struct {
	rng      *rand.Rand
	shape    Shape
	odds     int // one in odds choices is an oddity; 0 = none
	oddities Oddity
	themes   []theme
	actors   []*actor
	objects  []*object
	ops      map[crdt.OpID]*op
	encoded  []*crdt.Change
	maxOps   []uint32 // of changes

	// The change that is being written.
	me      *actor
	startOp uint32
	writing []crdt.Op
	message string
}

type actor struct {
	id    crdt.ActorID
	seq   uint32
	known []bool // by change
}

// op is an op and those that name it as pred.
type op struct {
	crdt.Op
	change int
	succs  []*op
}

type object struct {
	id     crdt.OpID
	kind   crdt.Action // makeMap for the root
	change int         // -1 for the root
	ops    []*op
}

func newWorld(rng *rand.Rand, s Shape) *world {
	w := &world{rng: rng, shape: s, ops: map[crdt.OpID]*op{}}
	if rng.IntN(3) > 0 {
		w.odds = 3 + rng.IntN(20)
	}
	w.themes = themesOf(rng)
	w.objects = []*object{{kind: crdt.ActionMakeMap, change: -1}}
	used := map[crdt.ActorID]bool{}
	for len(w.actors) < s.Actors {
		if id := w.actorID(); !used[id] {
			used[id] = true
			w.actors = append(w.actors, &actor{id: id})
		}
	}
	return w
}

// actorID is mostly 16 bytes; short ones are often prefixes of each other.
func (w *world) actorID() crdt.ActorID {
	n := 16
	if w.rng.IntN(2) == 0 {
		n = 1 + w.rng.IntN(3)
	}
	b := make([]byte, n)
	for i := range b {
		if b[i] = byte(w.rng.Uint32()); n < 16 {
			b[i] = "\x00\x01\xaa\xff"[w.rng.IntN(4)]
		}
	}
	return crdt.ActorID(b)
}

// odd decides whether to do something that clients don't write, but that is legal.
func (w *world) odd(o Oddity) bool {
	if w.odds == 0 || w.rng.IntN(w.odds) > 0 || w.shape.Without&o != 0 {
		return false
	}
	w.oddities |= o
	return true
}

// knows reports whether the author has seen an op or an object of a change.
func (w *world) knows(change int) bool {
	return change < 0 || change == len(w.encoded) || w.me.known[change]
}

// change has a random actor look at others' work and write a change. It returns
// how many ops that has.
func (w *world) change() (int, error) {
	w.me = w.actors[w.rng.IntN(len(w.actors))]
	w.meet()
	w.begin()
	n := []int{1, 1, 1, 2, 2, 3, 5, 8}[w.rng.IntN(8)]
	if w.odd(OddEmpty) {
		n = 0
	}
	if n > 0 && w.odd(OddGap) { // a gap before an empty change can't be saved
		w.startOp += uint32(1 + w.rng.IntN(40))
	}
	if n > 0 && w.odd(OddChildFirst) {
		w.childBeforeMake()
	}
	for len(w.writing) < n {
		if w.shape.Contested > 0 {
			w.contest()
		} else {
			w.edit()
		}
	}
	return len(w.writing), w.commit()
}

// begin starts a change by an author who knows what he is to know.
func (w *world) begin() {
	w.startOp = 1
	for i, known := range w.me.known {
		if known {
			w.startOp = max(w.startOp, w.maxOps[i]+1)
		}
	}
	w.writing = w.writing[:0]
}

// meet has the author learn what some other actor knows, or everything.
func (w *world) meet() {
	if w.shape.Contested > 0 {
		w.drift()
		return
	}
	switch w.rng.IntN(8) {
	case 0:
		for i := range w.me.known {
			w.me.known[i] = true
		}
	case 1, 2, 3:
		for i, known := range w.actors[w.rng.IntN(len(w.actors))].known {
			w.me.known[i] = w.me.known[i] || known
		}
	}
}

// deps returns the changes that the author knows and that nothing else he knows
// depends on; oddly some others too, and in another order.
func (w *world) deps() []crdt.Hash {
	inner := map[crdt.Hash]bool{}
	for i, known := range w.me.known {
		if known {
			for _, d := range w.encoded[i].Deps {
				inner[d] = true
			}
		}
	}
	var deps []crdt.Hash
	for i, known := range w.me.known {
		if h := w.encoded[i].Hash; known && (!inner[h] || w.odd(OddDeps)) {
			deps = append(deps, h)
		}
	}
	crdt.SortHashes(deps)
	if w.odd(OddDepsOrder) {
		w.rng.Shuffle(len(deps), func(i, j int) { deps[i], deps[j] = deps[j], deps[i] })
	}
	return deps
}

func (w *world) commit() error {
	w.me.seq++
	meta := crdt.ChangeMeta{Deps: w.deps(), Actor: w.me.id, Seq: w.me.seq, StartOp: w.startOp, Time: 1_760_000_000, Message: w.message}
	if w.message == "" && w.odd(OddMeta) {
		meta.Message = w.string()
		meta.Time = int64(w.rng.Uint64()) >> (11 + w.rng.IntN(50))
	}
	if w.odd(OddExtra) {
		meta.Extra = []byte(w.string())
	}
	c, err := crdt.EncodeChange(meta, w.writing)
	if err != nil {
		return fmt.Errorf("change %d: %w", len(w.encoded), err)
	}
	w.encoded = append(w.encoded, c)
	w.maxOps = append(w.maxOps, max(c.MaxOp(), w.startOp-1))
	for _, a := range w.actors {
		a.known = append(a.known, a == w.me)
	}
	return nil
}

// write adds an op to the change. Its id is the next one.
func (w *world) write(obj *object, o crdt.Op) *op {
	o.Obj = obj.id
	o.ID = w.nextID()
	slices.SortFunc(o.Preds, crdt.OpID.Compare)
	w.writing = append(w.writing, o)
	entry := &op{Op: o, change: len(w.encoded)}
	w.ops[o.ID] = entry
	obj.ops = append(obj.ops, entry)
	for _, p := range o.Preds {
		w.ops[p].succs = append(w.ops[p].succs, entry)
	}
	switch o.Action {
	case crdt.ActionMakeMap, crdt.ActionMakeList, crdt.ActionMakeText:
		if !slices.ContainsFunc(w.objects, func(x *object) bool { return x.id == o.ID }) {
			w.objects = append(w.objects, &object{id: o.ID, kind: o.Action, change: entry.change})
		}
	}
	return entry
}

func (w *world) nextID() crdt.OpID {
	return crdt.OpID{Counter: w.startOp + uint32(len(w.writing)), Actor: w.me.id}
}

// visible reports whether the author sees the op's value.
func (w *world) visible(o *op) bool {
	switch o.Action {
	case crdt.ActionDelete, crdt.ActionIncrement, crdt.ActionMark:
		return false
	}
	counter := o.Action == crdt.ActionSet && o.Value.Code() == crdt.ValueCounter
	for _, s := range o.succs {
		if w.knows(s.change) && !(counter && s.Action == crdt.ActionIncrement) {
			return false
		}
	}
	return true
}

// at returns the ops on a key or an element that the author knows and that
// have rows, ascending.
func (w *world) at(obj *object, key crdt.Key) []*op {
	var found []*op
	for _, o := range obj.ops {
		if place(o) == key && w.knows(o.change) && o.Action != crdt.ActionDelete {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b *op) int { return a.ID.Compare(b.ID) })
	return found
}

// place is what an op is about: for an insert the element that it makes.
func place(o *op) crdt.Key {
	if o.Insert {
		return crdt.ElemKey(o.ID)
	}
	return o.Key
}

// elements returns the insert ops of a list that the author knows, in list order.
func (w *world) elements(obj *object) []*op {
	children := map[crdt.OpID][]*op{}
	for _, o := range obj.ops {
		if o.Insert && w.knows(o.change) {
			children[o.Key.Elem] = append(children[o.Key.Elem], o)
		}
	}
	for _, c := range children {
		slices.SortFunc(c, func(a, b *op) int { return a.ID.Compare(b.ID) })
	}
	var order []*op
	stack := children[crdt.OpID{}]
	for len(stack) > 0 {
		e := stack[len(stack)-1]
		order = append(order, e)
		stack = append(stack[:len(stack)-1:len(stack)-1], children[e.ID]...)
	}
	return order
}

// shown reports whether any value of an element is visible to the author.
func (w *world) shown(obj *object, e *op) bool {
	return slices.ContainsFunc(w.at(obj, place(e)), w.visible)
}

// pick returns a random one, or the zero value of none.
func pick[T any](rng *rand.Rand, from []T) (none T) {
	if len(from) == 0 {
		return none
	}
	return from[rng.IntN(len(from))]
}

func ids(ops []*op) []crdt.OpID {
	var list []crdt.OpID
	for _, o := range ops {
		list = append(list, o.ID)
	}
	slices.SortFunc(list, func(a, b crdt.OpID) int { return a.Compare(b) })
	return list
}
