package crdt

// spanAtRank returns the span with the element that rank others stand before,
// which must be less than the length, and how many stand before the span.
func (q *sequence) spanAtRank(rank int) (h uint32, start int) {
	at := q.root
	for level := q.height; level > 0; level-- {
		n := q.nodes.at(at)
		i := 0
		for ; start+int(n.tallies[i].count) <= rank; i++ {
			start += int(n.tallies[i].count)
		}
		at = n.children[i]
	}
	l := q.leaves.at(at)
	i := 0
	for ; start+int(q.spans.at(l.spans[i]).count) <= rank; i++ {
		start += int(q.spans.at(l.spans[i]).count)
	}
	return l.spans[i], start
}

// widthBefore returns the visible width of the first rank elements.
func (q *sequence) widthBefore(rank int) int {
	if rank >= q.elements {
		return q.shown
	}
	h, count := q.spanAtRank(rank)
	_, width := q.start(h)
	p := q.spans.at(h)
	if p.width == 0 || p.complex {
		return width // a complex span is one element, which isn't before
	}
	_, skipped := p.skip(rank-count, q.text)
	return width + skipped
}

// walkBase is walkPiece in the op set's list. Marks are spans of their own.
func (l *txList) walkBase(w *markWalk, at position, p *piece) bool {
	rank := p.from + at.off
	if rank >= p.to {
		return true
	}
	h, start := l.base.spanAtRank(rank)
	for ; h != 0 && start < p.to; h = l.base.after(h) {
		span := l.base.spans.at(h)
		if span.width > 0 && p.width > 0 {
			return false
		}
		if span.complex {
			id := l.tx.s.actors.opID(span.first)
			if r := firstRow(l.base.cellAt(span.first)); r.action == ActionMark {
				after := anchor{position{at.block, at.piece, start + 1 - p.from}, id}
				w.visit(after, r.has(rowNamed), r.has(rowExpand))
			}
		}
		start += int(span.count)
	}
	return true
}
