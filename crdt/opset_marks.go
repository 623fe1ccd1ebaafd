package crdt

// Current automerge-js can't load a document in which the end of a mark stands
// before its begin, or in another text. The place of an element that a change
// inserts is known before it is applied: directly after its reference, behind
// the elements there with greater ids and what follows them. Elements inserted
// after new elements share the gap of the first of them.

// climb links a new element with those that it was inserted after, up to the
// first that isn't part of the change.
type climb struct {
	top   int32 // the op whose reference is not of this change
	depth int32 // 0 for the top itself
	up    int32 // the op that it was inserted after; itself for a top
	jump  int32 // an op further up, so that a climb takes logarithmic time
}

// checkMarkEnds refuses ends of marks without a begin before them.
func (s *OpSet) checkMarkEnds() error {
	p := &s.pending
	p.climbs = p.climbs[:0]
	for i := range p.ops {
		op := &p.ops[i]
		p.addClimb(i, op)
		if op.action == ActionMark && !op.hasMark && !s.beginsBefore(op, op.id.plus(-1)) {
			return refuse(ReasonBadOp, "op %d ends a mark that doesn't begin before it in the same text", op.id.counter())
		}
	}
	return nil
}

func (p *pendingChange) addClimb(i int, op *pendingOp) {
	c := climb{top: int32(i), up: int32(i), jump: int32(i)}
	if up, ok := p.own(op.elem); ok && op.insert {
		above := p.climbs[up]
		c = climb{top: above.top, depth: above.depth + 1, up: int32(up), jump: int32(up)}
		if further := p.climbs[above.jump]; above.depth-further.depth == further.depth-p.climbs[further.jump].depth {
			c.jump = further.jump
		}
	}
	p.climbs = append(p.climbs, c)
}

// beginsBefore reports whether op begin opens a mark in the text of an end and
// will stand before it.
func (s *OpSet) beginsBefore(end *pendingOp, begin lamport) bool {
	p := &s.pending
	after := end.elem
	own, isOwn := p.own(begin)
	switch {
	case after == 0:
		return false
	case isOwn:
		b := &p.ops[own]
		if b.action != ActionMark || !b.hasMark || b.obj != end.obj {
			return false
		}
		if ref, ok := p.own(after); ok {
			return s.ownBefore(own, ref)
		}
		return s.gapOf(own) <= s.objects[end.obj].list.rank(after)
	case end.obj >= uint32(len(s.objects)):
		return false
	}
	list := s.objects[end.obj].list
	c := list.cellAt(begin)
	if c == nil {
		return false
	}
	if r := c.find(&s.actors, begin); r == nil || r.action != ActionMark || !r.has(rowNamed) {
		return false
	}
	return list.rank(begin) <= list.rank(after) // the end is the first op of its change
}

// gapOf returns how many of the list's present elements will stand before the
// new element of op i.
func (s *OpSet) gapOf(i int) int {
	p := &s.pending
	top := &p.ops[p.climbs[i].top]
	if top.obj >= uint32(len(s.objects)) {
		return 0
	}
	return s.objects[top.obj].list.insertRank(s, top.elem, top.id)
}

// ownBefore reports whether the new element of op a will be that of op b or
// stand before it.
func (s *OpSet) ownBefore(a, b int) bool {
	p := &s.pending
	topA, topB := int(p.climbs[a].top), int(p.climbs[b].top)
	if topA == topB {
		return p.treeBefore(a, b)
	}
	if gapA, gapB := s.gapOf(a), s.gapOf(b); gapA != gapB {
		return gapA < gapB
	}
	// Both were inserted after the same element: all that a change refers to is
	// older than its first op, so no reference is among the newer elements that
	// an insert goes behind. Of siblings the greater id stands first.
	return topA > topB
}

// treeBefore is ownBefore for two elements below one top.
func (p *pendingChange) treeBefore(a, b int) bool {
	upA, upB := p.climbTo(a, p.climbs[b].depth), p.climbTo(b, p.climbs[a].depth)
	switch {
	case upB == a:
		return true
	case upA == b:
		return false
	}
	for p.climbs[upA].up != p.climbs[upB].up {
		if p.climbs[upA].jump != p.climbs[upB].jump {
			upA, upB = int(p.climbs[upA].jump), int(p.climbs[upB].jump)
		} else {
			upA, upB = int(p.climbs[upA].up), int(p.climbs[upB].up)
		}
	}
	return upA > upB
}

// climbTo returns the op of the given depth on the way up from op i, or i when
// it isn't deeper.
func (p *pendingChange) climbTo(i int, depth int32) int {
	for p.climbs[i].depth > depth {
		if jump := p.climbs[i].jump; p.climbs[jump].depth >= depth {
			i = int(jump)
		} else {
			i = int(p.climbs[i].up)
		}
	}
	return i
}
