package crdt

import "bytes"

// check holds the gate rules that need the document: the objects, elements and
// preds of each op must exist where it says. Nothing has been changed before.
func (s *OpSet) check() error {
	p := &s.pending
	ends := false
	for i := range p.ops {
		op := &p.ops[i]
		if err := s.checkPlace(i, op); err != nil {
			return err
		}
		for _, pred := range p.preds[op.from:op.to] {
			if !s.hasRow(i, op, pred) {
				return refuse(ReasonBadPred, "op %d overwrites op %d, which isn't a value of the same key or element", op.id.counter(), pred.counter())
			}
		}
		ends = ends || op.action == ActionMark && !op.hasMark
	}
	if ends {
		return s.checkMarkEnds()
	}
	return nil
}

func (s *OpSet) kindOf(obj uint32) Action {
	if obj < uint32(len(s.objects)) {
		return s.objects[obj].kind
	}
	p := &s.pending
	return p.ops[p.makes[int(obj)-p.objects]].action
}

// checkPlace checks that an op's key fits its object and that its element exists.
func (s *OpSet) checkPlace(i int, op *pendingOp) error {
	counter := op.id.counter()
	switch kind := s.kindOf(op.obj); kind {
	case ActionMakeTable:
		return refuse(ReasonBadOp, "op %d is inside a table", counter)
	case ActionMakeMap:
		if op.isElem {
			return refuse(ReasonBadOp, "op %d has an element as its key in a map", counter)
		}
		if op.obj < uint32(len(s.objects)) {
			if e, ok := s.entryOf(op.obj, op.key); ok {
				op.entry = e + 1
			}
		}
		return nil
	default:
		if !op.isElem {
			return refuse(ReasonBadOp, "op %d has a string as its key in a list or text", counter)
		}
		if op.action == ActionMark && kind != ActionMakeText { // automerge-js shows it as an element
			return refuse(ReasonBadOp, "mark %d is in a list", counter)
		}
		if op.action == ActionIncrement && kind == ActionMakeText { // automerge-js panics where it shows the element
			return refuse(ReasonBadOp, "op %d increments an element of a text", counter)
		}
	}
	if op.elem == 0 {
		return nil // an insert: the rules for single ops hold
	}
	if own, ok := s.pending.own(op.elem); ok {
		if ref := &s.pending.ops[own]; own < i && ref.insert && ref.obj == op.obj {
			return checkTarget(op, ref.action)
		}
	} else if op.obj < uint32(len(s.objects)) && s.objects[op.obj].list.has(op.elem) {
		if c := s.objects[op.obj].list.cellAt(op.elem); c != nil {
			return checkTarget(op, c.find(&s.actors, op.elem).action)
		}
		return nil
	}
	return refuse(ReasonBadOp, "op %d refers to element %d, which isn't in its list", counter, op.elem.counter())
}

// checkTarget refuses values that are given to a mark: automerge-js puts them
// on the other side of it. by is the action that made the element.
func checkTarget(op *pendingOp, by Action) error {
	if by == ActionMark && !op.insert && op.action != ActionDelete {
		return refuse(ReasonBadOp, "op %d gives a value to element %d, which is a mark", op.id.counter(), op.elem.counter())
	}
	return nil
}

// hasRow reports whether op pred is a row of the key or element that an op is about.
func (s *OpSet) hasRow(i int, op *pendingOp, pred lamport) bool {
	if own, ok := s.pending.own(pred); ok {
		other := &s.pending.ops[own]
		return own < i && other.action != ActionDelete && other.obj == op.obj && other.isElem == op.isElem &&
			other.target() == op.elem && bytes.Equal(other.key, op.key)
	}
	switch {
	case !op.isElem && op.entry > 0:
		return s.entries[op.entry-1].cell.find(&s.actors, pred) != nil
	case !op.isElem || op.obj >= uint32(len(s.objects)):
		return false
	}
	list := s.objects[op.obj].list
	if c := list.cellAt(op.elem); c != nil {
		return c.find(&s.actors, pred) != nil
	}
	return pred == op.elem && list.has(pred)
}
