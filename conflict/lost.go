package conflict

import (
	"cmp"
	"fmt"
	"slices"

	"concord/crdt"
)

// editing gathers, while the ops of a change are looked at, the objects that were
// removed by one side and edited by the other.
type editing struct {
	removed map[crdt.OpID][]removedObject // by object: what around it, and it itself, was removed by others
	lost    []*lostObject                 // in the order of discovery
	byID    map[crdt.OpID]*lostObject
	within  map[crdt.OpID]bool // objects that were searched for concurrent edits, and whether there are any
	looks   int                // at what was found in them
}

const (
	// maxAround is up to how many levels around an edit an object counts as one
	// whose removal loses it: else the records of deeply nested objects would grow
	// with the square of what was written.
	maxAround = 16
	// maxLooks is how many ops are looked at for one change that removes objects.
	maxLooks = 200_000
)

// removedObject is an object with the removals that are concurrent to the change.
type removedObject struct {
	id crdt.OpID
	by []crdt.OpID
}

// lostObject is an object with pairs of a removal and an edit.
type lostObject struct {
	id       crdt.OpID
	removals map[crdt.OpID]struct{}
	edits    map[editKey]lastEdit
}

// editKey is what one change edits at one place; all places of a text count as
// one, which has no key.
type editKey struct {
	change int
	at     crdt.PlaceKey
}

type lastEdit struct {
	crdt.Write
	key crdt.Key // in the object at.Object
}

func (d *editing) of(obj crdt.OpID) *lostObject {
	l := d.byID[obj]
	if l == nil {
		l = &lostObject{id: obj, removals: map[crdt.OpID]struct{}{}, edits: map[editKey]lastEdit{}}
		if d.byID == nil {
			d.byID = make(map[crdt.OpID]*lostObject)
		}
		d.byID[obj] = l
		d.lost = append(d.lost, l)
	}
	return l
}

func (l *lostObject) edit(change int, at crdt.PlaceKey, kind crdt.Kind, w crdt.Write) {
	e := lastEdit{w, at.Key}
	if kind == crdt.KindText {
		at.Key = crdt.Key{}
	}
	k := editKey{change, at}
	if before, ok := l.edits[k]; !ok || before.ID.Compare(w.ID) < 0 {
		l.edits[k] = e
	}
}

// edit looks whether an op edits something that others removed.
func (c *run) edit(op *crdt.Op, kind crdt.Kind) {
	if op.Obj.IsZero() {
		return
	}
	for _, x := range c.removedAround(op.Obj) {
		lost := c.edits.of(x.id)
		for _, r := range x.by {
			lost.removals[r] = struct{}{}
		}
		key := op.Key
		if op.Insert {
			key = crdt.ElemKey(op.ID)
		}
		lost.edit(c.a.Index, crdt.PlaceKey{Object: op.Obj, Key: key}, kind, write(op))
	}
}

// removedAround returns which of an object and those around it were removed by
// changes that are concurrent to this one.
func (c *run) removedAround(obj crdt.OpID) []removedObject {
	if removed, ok := c.edits.removed[obj]; ok {
		return removed
	}
	var removed []removedObject
	content := c.a.Content
	for x, level := obj, 0; !x.IsZero() && level < maxAround; level++ {
		parent, _, ok := content.Place(x)
		if !ok {
			break
		}
		if kind, _ := content.KindOf(parent); kind != crdt.KindText {
			var by []crdt.OpID
			for r := range content.Removals(x) {
				if c.concurrent.has(r) {
					by = append(by, r)
				}
			}
			if len(by) > 0 {
				removed = append(removed, removedObject{x, by})
			}
		}
		x = parent
	}
	if c.edits.removed == nil {
		c.edits.removed = make(map[crdt.OpID][]removedObject)
	}
	c.edits.removed[obj] = removed
	return removed
}

// removes looks whether an op, which isn't in a text, removes objects that others
// edited.
func (c *run) removes(op *crdt.Op) {
	if op.Action == crdt.ActionIncrement || op.Action == crdt.ActionMark {
		return
	}
	for _, x := range op.Preds {
		kind, ok := c.a.Content.KindOf(x)
		if !ok || kind == crdt.KindTable {
			continue
		}
		c.editsWithin(x, op.ID)
	}
}

// editsWithin gathers the edits of an object that are concurrent to its removal.
func (c *run) editsWithin(x, removal crdt.OpID) {
	if found, searched := c.edits.within[x]; searched {
		if found {
			c.edits.of(x).removals[removal] = struct{}{}
		}
		return
	}
	if c.edits.within == nil {
		c.edits.within = make(map[crdt.OpID]bool)
	}
	c.edits.within[x] = false
	var last crdt.OpID // object that was looked up last, and whether it is near
	near := false
	for at, w := range c.a.Content.Within(x, c.concurrent.lowest) {
		if c.edits.looks++; c.edits.looks > maxLooks {
			return
		}
		if !c.concurrent.has(w.ID) {
			continue
		}
		if at.Object != last || last.IsZero() {
			last, near = at.Object, c.near(at.Object, x)
		}
		if !near {
			continue
		}
		change, ok := c.a.Graph.ChangeOf(w.ID)
		if !ok {
			continue
		}
		kind, _ := c.a.Content.KindOf(at.Object)
		c.edits.within[x] = true
		lost := c.edits.of(x)
		lost.removals[removal] = struct{}{}
		if lost.edit(change, at, kind, w); len(lost.edits) >= MaxValues {
			return
		}
	}
}

// near reports whether an object is another one, or so near in it that its edits
// are lost with it.
func (c *run) near(obj, around crdt.OpID) bool {
	for range maxAround {
		if obj == around {
			return true
		}
		obj, _, _ = c.a.Content.Place(obj)
	}
	return false
}

// lostEdits records what was gathered.
func (c *run) lostEdits() error {
	for _, l := range c.edits.lost {
		if err := c.lostEdit(l); err != nil {
			return err
		}
	}
	return nil
}

// lostEntry returns the entry of a lost object.
func (c *run) lostEntry(l *lostObject, obj crdt.OpID, key crdt.Key) *entry {
	e := c.watcher.lost[l.id]
	if e != nil {
		return e
	}
	e = &entry{
		state: state{flags: flagLost, at: placeOf(obj, key), made: l.id},
		id:    conflictID("lost-edit", c.key.Document, obj, key, []crdt.OpID{l.id}),
		body:  &body{values: map[crdt.OpID]struct{}{}},
	}
	c.describe(e, obj, key, []crdt.OpID{l.id})
	c.size += bodySize
	at := c.add(e)
	at.lost = at.lost[:len(at.lost)-1] // add put it at the end
	at.putLost(e)
	return e
}

func (c *run) lostEdit(l *lostObject) error {
	obj, key, ok := c.a.Content.Place(l.id)
	if !ok {
		return fmt.Errorf("object %s hangs nowhere", l.id)
	}
	e := c.lostEntry(l, obj, key)
	values, err := c.values(e)
	if err != nil {
		return err
	}
	if item, ok := c.view.Object(l.id); ok {
		e.body.Before = shownItem(c.view, item)
	}
	for removal := range l.removals {
		if _, ok := values[removal]; ok || len(values) >= MaxValues {
			continue
		}
		if err := c.removal(e, obj, key, removal); err != nil {
			return err
		}
	}
	for k, edit := range l.edits {
		if _, ok := values[edit.ID]; ok || len(values) >= MaxValues {
			continue
		}
		field, _ := c.view.FieldPath(k.at.Object, edit.key)
		if err := c.value(e, edit.Write, clip(field, maxPath), false); err != nil {
			return err
		}
	}
	// One of the values is the change's: what was to close the record hasn't seen it.
	at := c.places[e.at]
	at.takeLost(e)
	e.next, e.body.Next, e.body.By = crdt.OpID{}, nil, nil
	at.putLost(e)
	c.touch(e)
	return nil
}

func (c *run) removal(e *entry, obj crdt.OpID, key crdt.Key, op crdt.OpID) error {
	for w := range c.a.Content.Writes(obj, key, op.Counter) {
		c.steps++
		if w.ID == op {
			return c.value(e, w, "", true)
		}
	}
	return fmt.Errorf("op %s isn't where it removed an object", op)
}

// maxLost is how many lost edits of its place a write can close: those that are
// open, of the objects made last, and those that a later write closes.
const maxLost = 1000

// closeLost closes the lost edits of a place if an op follows all their values,
// and nothing before it does.
func (c *run) closeLost(at *conflicts, op crdt.OpID) error {
	var covered []*entry
	for i := len(at.lost) - 1; i >= max(0, len(at.lost)-maxLost); i-- {
		e := at.lost[i]
		if !e.next.IsZero() && e.next.Compare(op) < 0 {
			break
		}
		c.steps++
		covers, err := c.covers(e)
		if err != nil {
			return err
		}
		if covers {
			covered = append(covered, e)
		}
	}
	for _, e := range covered {
		at.takeLost(e)
		if err := c.closeBy(e, op); err != nil {
			return err
		}
		at.putLost(e)
	}
	return nil
}

// byNext is the order of the lost edits of a place: those that were closed come
// first, in the order of the ops that closed them.
func byNext(a, b *entry) int {
	if open := a.next.IsZero(); open != b.next.IsZero() {
		if open {
			return 1
		}
		return -1
	}
	return cmp.Or(a.next.Compare(b.next), a.made.Compare(b.made))
}

// takeLost takes an entry out of the order, before its next op changes.
func (at *conflicts) takeLost(e *entry) {
	if i, ok := slices.BinarySearchFunc(at.lost, e, byNext); ok {
		at.lost = slices.Delete(at.lost, i, i+1)
	}
}

func (at *conflicts) putLost(e *entry) {
	i, _ := slices.BinarySearchFunc(at.lost, e, byNext)
	at.lost = slices.Insert(at.lost, i, e)
}
