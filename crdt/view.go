package crdt

import "sort"

// View reads a document as it is, or as it was at earlier heads. It is a small
// value, free to copy, and stays valid when changes are applied: a view of the
// present shows them, one of the past doesn't.
//
// Objects are named by the id of the op that made them, the zero OpID being the
// root. Indexes of lists count visible elements, those of texts UTF-16 code
// units, as JavaScript does. Methods that find nothing, because an object or
// key is unknown or of another kind, report false or yield nothing. Objects
// that are no longer part of the document can be read like others.
//
// Bytes of the values that a view returns belong to the document and are valid
// until the next change is applied; Value.Clone makes them last.
type View struct {
	s     *OpSet
	clock []uint32 // by actor: the highest covered counter; nil = everything
	top   uint32   // the highest counter in clock
}

// View returns the present content.
func (s *OpSet) View() View { return View{s: s} }

// At returns the content that a clock covers (see Graph.Clock).
func (s *OpSet) At(clock Clock) View {
	v := View{s: s, clock: make([]uint32, len(s.actors.ids))}
	for actor, counter := range clock {
		if i, ok := s.actors.find(actor); ok {
			v.clock[i] = counter
			v.top = max(v.top, counter)
		}
	}
	return v
}

// Kind is what an item is.
type Kind uint8

// Kinds of items. A table is a map of an old format that can't hold anything.
const (
	KindScalar Kind = iota
	KindMap
	KindList
	KindText
	KindTable
)

// String returns the kind in lower case.
func (k Kind) String() string {
	return [...]string{"scalar", "map", "list", "text", "table"}[k]
}

func (a Action) kind() Kind {
	switch a {
	case ActionMakeMap:
		return KindMap
	case ActionMakeList:
		return KindList
	case ActionMakeText:
		return KindText
	case ActionMakeTable:
		return KindTable
	}
	return KindScalar
}

// Item is a value in a document: a scalar or an object.
type Item struct {
	ID    OpID // of the op that wrote the scalar, or made the object
	Kind  Kind
	Value Value // of a scalar; counters include their increments
}

// Root returns the root map.
func (v View) Root() Item { return Item{Kind: KindMap} }

// Object returns the object with an id, visible or not.
func (v View) Object(id OpID) (Item, bool) {
	obj, ok := v.object(id)
	if !ok {
		return Item{}, false
	}
	return Item{ID: v.s.actors.opID(v.s.objects[obj].id), Kind: v.s.objects[obj].kind.kind()}, true
}

// Conflicts returns all values that a map key or list element has, ascending by
// id: the last one wins, the others were written concurrently. It is empty if
// the place has no value.
func (v View) Conflicts(obj OpID, key Key) []Item {
	p, ok := v.place(obj, key)
	if !ok {
		return nil
	}
	var items []Item
	for f := range v.valuesAt(p) {
		items = append(items, v.item(f))
	}
	return items
}

// object returns the index of an object that exists in the view.
func (v View) object(id OpID) (uint32, bool) {
	l, ok := v.s.actors.lamport(id)
	if !ok || l != 0 && !v.covers(l) {
		return 0, false
	}
	return v.s.object(l)
}

// found is a visible value.
type found struct {
	id     lamport
	action Action // set, or one that makes objects
	value  Value
}

func (v View) item(f found) Item {
	return Item{ID: v.s.actors.opID(f.id), Kind: f.action.kind(), Value: f.value}
}

// covers reports whether an op belongs to the view.
func (v View) covers(id lamport) bool {
	if v.clock == nil {
		return true
	}
	actor := id.actor()
	return actor < uint32(len(v.clock)) && id.counter() <= v.clock[actor]
}

// shows reports whether a row of a cell is a visible value.
func (v View) shows(c *cell, r *row) bool {
	if v.clock == nil {
		return r.shown()
	}
	if r.action == ActionIncrement || r.action == ActionMark || !v.covers(r.id) {
		return false
	}
	if !r.has(rowHidden) {
		return true
	}
	for _, succ := range v.s.successors(r) {
		if v.covers(succ) && !(r.isCounter() && increments(&v.s.actors, c, succ)) {
			return false
		}
	}
	return true
}

// increments reports whether an op on a cell is an increment.
func increments(t *actorTable, c *cell, id lamport) bool {
	r := c.find(t, id)
	return r != nil && r.action == ActionIncrement
}

// found returns the value of a visible row.
func (v View) found(c *cell, r *row) found {
	f := found{id: r.id, action: r.action}
	switch {
	case r.action != ActionSet:
	case v.clock == nil || !r.isCounter():
		f.value = v.s.currentValue(r)
	default:
		f.value = v.s.valueOf(r)
		for _, succ := range v.s.successors(r) {
			if inc := c.find(&v.s.actors, succ); v.covers(succ) && inc != nil && inc.action == ActionIncrement {
				f.value.num += inc.num
			}
		}
	}
	return f
}

// values yields the visible values of a cell in ascending order.
func (v View) values(c *cell, yield func(found) bool) {
	if v.clock == nil {
		c.shownRows(func(r *row) bool { return yield(v.found(c, r)) })
		return
	}
	c.all(func(r *row) bool {
		return r.id.counter() <= v.top && (!v.shows(c, r) || yield(v.found(c, r)))
	})
}

// winner returns the visible value of a cell with the greatest id.
func (v View) winner(c *cell) (found, bool) {
	r := v.winningRow(c)
	if r == nil {
		return found{}, false
	}
	return v.found(c, r), true
}

func (v View) winningRow(c *cell) *row {
	if v.clock == nil {
		return c.winner()
	}
	if c.many == nil {
		if c.one.id != 0 && v.shows(c, &c.one) {
			return &c.one
		}
		return nil
	}
	blocks := c.many.blocks
	above := sort.Search(len(blocks), func(i int) bool { return blocks[i].rows[0].id.counter() > v.top })
	for i := above - 1; i >= 0; i-- {
		for j := len(blocks[i].rows) - 1; j >= 0; j-- {
			if r := &blocks[i].rows[j]; v.shows(c, r) {
				return r
			}
		}
	}
	return nil
}
