package crdt

import "slices"

// Apply adds a change, whose dependencies must have been applied. The whole
// gate stands before it: when the error is a *RefusalError, nothing has
// changed. Whether a change's dependencies are known, its seq is next and its
// ops are newer than theirs is the Graph's business.
//
// d, if not nil, gets what the change did to the document.
func (s *OpSet) Apply(c *Change, d *Diff) error {
	defer s.pending.release()
	actors := len(s.actors.ids)
	err := s.read(c)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		s.actors.truncate(actors)
		return refusalOf(err, c.Hash)
	}
	s.commit(d)
	return nil
}

// refusalOf names the refused change.
func refusalOf(err error, hash Hash) error {
	if r, ok := err.(*RefusalError); ok {
		r.Hash = hash
	}
	return err
}

// commit applies the checked ops of the pending change.
func (s *OpSet) commit(d *Diff) {
	p := &s.pending
	for _, i := range p.makes {
		op := &p.ops[i]
		s.addObject(op.id, op.action, op.obj, op.target())
	}
	for i := range p.ops {
		op := &p.ops[i]
		if op.isElem {
			s.applyElement(op, d)
		} else {
			s.applyKey(op, d)
		}
	}
	slices.SortFunc(p.touched, touched.compare)
	for _, t := range slices.Compact(p.touched) {
		s.objects[t.obj].list.refresh(s, t.elem)
	}
	if d != nil {
		d.finish(s)
	}
}

func (s *OpSet) applyKey(op *pendingOp, d *Diff) {
	e := op.entry - 1
	if op.entry == 0 {
		e = s.addEntry(op.obj, op.key)
	}
	if d != nil {
		d.touchKey(s, op.obj, e)
	}
	if op.action.makesObject() {
		made, _ := s.object(op.id)
		s.objects[made].entry = e
	}
	s.applyToCell(&s.entries[e].cell, op)
}

// applyToCell overwrites the op's preds and adds its row.
func (s *OpSet) applyToCell(c *cell, op *pendingOp) {
	increment := op.action == ActionIncrement
	for _, pred := range s.pending.preds[op.from:op.to] {
		s.addSucc(c, pred, op.id, increment, int64(op.value.num))
	}
	if op.action != ActionDelete {
		s.addRow(c, s.newRow(op.id, op.action, op.value))
	}
}

func (s *OpSet) applyElement(op *pendingOp, d *Diff) {
	if d != nil {
		d.touchElement(s, op.obj, op.target())
	}
	list := s.objects[op.obj].list
	before := list.size()
	s.changeElement(list, op)
	s.grown += list.size() - before
}

func (s *OpSet) changeElement(list *sequence, op *pendingOp) {
	switch {
	case op.insert && op.action == ActionSet:
		list.insert(s, op.elem, op.id, op.value)
	case op.insert && op.action == ActionMark:
		list.insertCell(s, op.elem, op.id, s.newMarkRow(op.id, op.value, op.expand, op.hasMark, op.mark))
	case op.insert:
		list.insertCell(s, op.elem, op.id, s.newRow(op.id, op.action, op.value))
	case op.action == ActionDelete && op.to == op.from+1 && list.delete(s, op.elem, op.id):
	default:
		s.applyToCell(list.cell(s, op.elem), op)
		s.pending.touched = append(s.pending.touched, touched{op.obj, op.elem})
	}
}
