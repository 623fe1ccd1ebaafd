package crdt

import (
	"bytes"
	"slices"
)

// Between returns what lies between two views of one document, which may be of
// the past and concurrent to each other: the edits that lead from one to the
// other. What only the view before has, insides of objects and marks, is left
// out. The work grows with the document.
func Between(before, after View) *Diff {
	d := &Diff{before: before, after: after, between: true, finished: true}
	s := after.s
	for i := range s.objects {
		o := &s.objects[i]
		switch {
		case i != rootObject && !after.covers(o.id):
		case o.list == nil:
			d.compareMap(uint32(i))
		default:
			d.compareList(uint32(i))
		}
	}
	return d
}

func (d *Diff) compareMap(obj uint32) {
	s := d.after.s
	var changed []uint32
	for _, i := range s.objects[obj].entries {
		if d.changesCell(&s.entries[i].cell) {
			changed = append(changed, i)
		}
	}
	slices.SortFunc(changed, func(a, b uint32) int {
		return bytes.Compare(s.keyOf(&s.entries[a]), s.keyOf(&s.entries[b]))
	})
	for _, i := range changed {
		t := touch{place: place{obj: obj, entry: i}}
		t.before, t.beforeCount = d.keyValues(d.before, i)
		t.after, t.afterCount = d.keyValues(d.after, i)
		d.addKey(&t)
	}
}

func (d *Diff) compareList(obj uint32) {
	r := d.after.reader(&d.after.s.objects[obj])
	for r.step() {
		e := &r.cursor.element
		if !d.changes(e.id) && (e.simple && (e.succ == 0 || !d.changes(e.succ)) || !e.simple && !d.changesCell(e.cell)) {
			continue
		}
		t := touch{place: place{obj: obj, elem: e.id}, existed: d.before.covers(e.id), index: r.start}
		t.before, t.beforeCount = d.elementValues(d.before, e)
		t.after, t.afterCount = d.elementValues(d.after, e)
		d.addElement(&t, e)
	}
	d.leaveObject(obj)
}

// changes reports whether an op belongs to one of the views only.
func (d *Diff) changes(id lamport) bool { return d.before.covers(id) != d.after.covers(id) }

func (d *Diff) changesCell(c *cell) bool {
	for r := range c.all {
		if d.changes(r.id) || slices.ContainsFunc(d.after.s.successors(r), d.changes) {
			return true
		}
	}
	return false
}
