package crdt

import "slices"

// leaveObject ends the edits of an object with the marks that it got.
func (d *Diff) leaveObject(obj uint32) {
	d.flushText(obj)
	slices.Sort(d.marks)
	for _, begin := range slices.Compact(d.marks) {
		d.addMark(obj, begin)
	}
	d.marks = d.marks[:0]
}

// addMark adds a mark as it is afterwards; nothing if it has no begin here.
func (d *Diff) addMark(obj uint32, begin lamport) {
	s := d.after.s
	o := &s.objects[obj]
	first, ok := d.after.elementOf(o.list, begin)
	r := (*row)(nil)
	if ok {
		r = d.after.markRow(&first)
	}
	if r == nil || !r.has(rowNamed) {
		return
	}
	m := Mark{Name: s.marks[begin], Value: s.valueOf(r)}
	m.Start, _ = d.indexOf(o, begin)
	if last, ok := d.after.elementOf(o.list, begin.plus(1)); ok && d.after.isMarkEnd(&last) {
		m.End, _ = d.indexOf(o, last.id)
	} else {
		m.End = d.width(o)
	}
	d.Edits = append(d.Edits, Edit{
		Action: EditMark, Object: s.actors.opID(o.id), Kind: o.kind.kind(),
		Key: ElemKey(s.actors.opID(begin)), Index: m.Start, Mark: m,
	})
}

func (v View) isMarkEnd(e *element) bool {
	r := v.markRow(e)
	return r != nil && !r.has(rowNamed)
}
