package crdt

import (
	"iter"
	"slices"
)

// Write is one op that was ever made at a place: at a map key or an element of a
// list or text.
type Write struct {
	ID     OpID
	Action Action // set, one that makes an object, delete, increment; mark from Within
	Value  Value  // of a set, an increment or the begin of a mark; valid until the next Apply
}

// PlaceKey names a place in a document: an object, and a key or element in it.
type PlaceKey struct {
	Object OpID
	Key    Key
}

// Writes yields the ops that were ever made at a place and whose counters are
// not below from, ascending, whether they show or not. The first of an element is
// the op that inserted it; marks are left out. Nothing is yielded for an unknown
// place. The work grows with the writes at the place, of which those that are
// older than from, and were overwritten before it, come in blocks.
func (s *OpSet) Writes(obj OpID, key Key, from uint32) iter.Seq[Write] {
	return func(yield func(Write) bool) {
		p, ok := s.View().place(obj, key)
		if !ok {
			return
		}
		w := writeReader{s: s, from: from}
		if list := s.objects[p.obj].list; list != nil {
			e, _ := s.View().elementOf(list, p.elem)
			w.element(&e)
		} else {
			w.cell(&s.entries[p.entry].cell)
		}
		for _, found := range w.ordered() {
			if found.action != ActionMark && !yield(found.write(s)) {
				return
			}
		}
	}
}

// writeReader collects the ops of cells.
type writeReader struct {
	s     *OpSet
	from  uint32 // counter
	found []writeFound
}

// writeFound is an op at a place.
type writeFound struct {
	id     lamport
	action Action
	value  Value
}

func (f *writeFound) write(s *OpSet) Write { return Write{s.actors.opID(f.id), f.action, f.value} }

// ordered sorts what was found and drops repeats: a deletion is met once for
// each value that it deleted.
func (w *writeReader) ordered() []writeFound {
	if len(w.found) > 1 {
		slices.SortFunc(w.found, func(a, b writeFound) int { return w.s.actors.compare(a.id, b.id) })
		w.found = slices.CompactFunc(w.found, func(a, b writeFound) bool { return a.id == b.id })
	}
	return w.found
}

func (w *writeReader) element(e *element) {
	if !e.simple {
		w.cell(e.cell)
		return
	}
	if e.id.counter() >= w.from {
		w.found = append(w.found, writeFound{e.id, ActionSet, e.value})
	}
	if e.succ.counter() >= w.from && e.succ != 0 {
		w.found = append(w.found, writeFound{id: e.succ, action: ActionDelete})
	}
}

func (w *writeReader) cell(c *cell) {
	if c.many == nil {
		if c.one.id != 0 {
			w.row(c, &c.one)
		}
		return
	}
	for i := range c.many.blocks {
		b := &c.many.blocks[i]
		if b.newest < w.from {
			continue
		}
		for j := range b.rows {
			w.row(c, &b.rows[j])
		}
	}
}

func (w *writeReader) row(c *cell, r *row) {
	if r.id.counter() >= w.from {
		w.found = append(w.found, writeFound{r.id, r.action, w.s.valueOf(r)})
	}
	for _, succ := range w.s.successors(r) {
		if succ.counter() >= w.from && c.find(&w.s.actors, succ) == nil {
			w.found = append(w.found, writeFound{id: succ, action: ActionDelete})
		}
	}
}

// Removals yields the ops, ascending, that overwrote or deleted the op that made
// an object; increments are left out.
func (s *OpSet) Removals(obj OpID) iter.Seq[OpID] {
	return func(yield func(OpID) bool) {
		o, ok := s.View().object(obj)
		if !ok || o == rootObject {
			return
		}
		c := s.cellOf(s.placeOf(o))
		removals := slices.Clone(s.successors(c.find(&s.actors, s.objects[o].id)))
		slices.SortFunc(removals, s.actors.compare)
		for _, id := range removals {
			if !increments(&s.actors, c, id) && !yield(s.actors.opID(id)) {
				return
			}
		}
	}
}

// cellOf returns the cell of a place that an object hangs from: such an element
// is a complex one.
func (s *OpSet) cellOf(p place) *cell {
	if list := s.objects[p.obj].list; list != nil {
		return list.cellAt(p.elem)
	}
	return &s.entries[p.entry].cell
}

// Place returns where an object hangs: the object around it and its key there.
// It is false for the root and for unknown objects.
func (s *OpSet) Place(obj OpID) (parent OpID, key Key, ok bool) {
	o, ok := s.View().object(obj)
	if !ok || o == rootObject {
		return OpID{}, Key{}, false
	}
	p := s.placeOf(o)
	return s.actors.opID(s.objects[p.obj].id), s.keyAt(p), true
}

func (s *OpSet) keyAt(p place) Key {
	if s.objects[p.obj].list != nil {
		return ElemKey(s.actors.opID(p.elem))
	}
	return MapKey(string(s.keyOf(&s.entries[p.entry])))
}

// KindOf returns what an object is; false for an unknown one.
func (s *OpSet) KindOf(obj OpID) (Kind, bool) {
	item, ok := s.View().Object(obj)
	return item.Kind, ok
}

// Within yields the ops that were ever made inside an object, and inside the
// objects in it at any depth, and whose counters are not below from: whether they
// show or not, marks and elements of texts included. The ops of one place come
// together, ascending. The work grows with what was ever in the object; runs of
// simple elements that are older than from are skipped.
func (s *OpSet) Within(obj OpID, from uint32) iter.Seq2[PlaceKey, Write] {
	return func(yield func(PlaceKey, Write) bool) {
		o, ok := s.View().object(obj)
		if !ok {
			return
		}
		w := withinReader{writeReader: writeReader{s: s, from: from}, open: []uint32{o}, yield: yield}
		for len(w.open) > 0 {
			next := w.open[len(w.open)-1]
			w.open = w.open[:len(w.open)-1]
			if !w.object(next) {
				return
			}
		}
	}
}

// withinReader goes through an object and what is in it.
type withinReader struct {
	writeReader
	open  []uint32 // objects to be read
	yield func(PlaceKey, Write) bool
}

func (w *withinReader) object(obj uint32) bool {
	o := &w.s.objects[obj]
	if o.list != nil {
		return w.list(obj, o.list)
	}
	for _, i := range o.entries {
		c := &w.s.entries[i].cell
		w.inside(c)
		w.cell(c)
		if !w.flush(place{obj: obj, entry: i}) {
			return false
		}
	}
	return true
}

func (w *withinReader) list(obj uint32, q *sequence) bool {
	c := q.cursor()
	for ok := c.l != nil; ok; ok = c.nextSpan() {
		if !c.p.complex && !c.p.reaches(w.from) {
			continue
		}
		for c.i < int(c.p.count) {
			c.next()
			if !c.simple {
				w.inside(c.cell)
			}
			w.element(&c.element)
			if !w.flush(place{obj: obj, elem: c.id}) {
				return false
			}
		}
	}
	return true
}

// reaches reports whether an op of a span of simple elements, or a deletion in
// it, has a counter that isn't below from.
func (p *span) reaches(from uint32) bool {
	last := int(p.count) - 1
	return p.last().counter() >= from ||
		p.succ != 0 && max(p.succ.counter(), p.succOf(last).counter()) >= from
}

// inside notes the objects that were ever made in a cell.
func (w *withinReader) inside(c *cell) {
	for r := range c.all {
		if r.action.makesObject() {
			made, _ := w.s.object(r.id)
			w.open = append(w.open, made)
		}
	}
}

// flush yields what was found at a place.
func (w *withinReader) flush(p place) bool {
	if len(w.found) == 0 {
		return true
	}
	key := PlaceKey{w.s.actors.opID(w.s.objects[p.obj].id), w.s.keyAt(p)}
	for _, found := range w.ordered() {
		if !w.yield(key, found.write(w.s)) {
			return false
		}
	}
	w.found = w.found[:0]
	return true
}
