package crdt

// element is one element of a list or text.
type element struct {
	id, ref lamport
	width   int // visible width, 0 if the element isn't visible
	simple  bool
	value   Value   // of a simple element: what it was set to; bytes belong to the sequence
	succ    lamport // of a simple element: its deletion, 0 for none
	cell    *cell   // of a complex element
}

// cursor is a place between elements. It is valid until the next change of the
// sequence.
type cursor struct {
	element // that the last call of next or nextLive went over

	q    *sequence
	l    *seqLeaf // nil in an empty sequence
	slot int      // of the span in the leaf
	p    *span
	i    int // element of the span that next goes over, p.count at its end
	at   int // where the value of element i begins in the span's data
}

// cursor returns the place before the first element.
func (q *sequence) cursor() cursor {
	if q.head == 0 {
		return cursor{q: q}
	}
	return q.cursorIn(q.leaves.at(q.head).spans[0], 0)
}

// cursorAt returns the place before an element; that before the first one if
// there is no such element.
func (q *sequence) cursorAt(id lamport) cursor {
	h, i := q.find(id)
	if h == 0 {
		return q.cursor()
	}
	return q.cursorIn(h, i)
}

// cursorAtIndex returns the place before the visible element that covers an
// index, or at the end if there is none, and the width before the place.
func (q *sequence) cursorAtIndex(index int) (c cursor, start int) {
	switch {
	case index < 0:
		index = 0
	case q.head == 0:
		return q.cursor(), 0
	case index >= q.shown:
		l := q.leaves.at(q.tail)
		h := l.spans[l.n-1]
		return q.cursorIn(h, int(q.spans.at(h).count)), q.shown
	}
	h, start := q.covering(index)
	c = q.cursorIn(h, 0)
	if c.p.count == 1 {
		return c, start
	}
	for {
		m := itemAt(c.p.data, c.at)
		width := m.width(c.p.data, q.text)
		if start+width > index {
			return c, start
		}
		start += width
		c.i, c.at = c.i+1, m.to
	}
}

func (q *sequence) cursorIn(h uint32, i int) cursor {
	p := q.spans.at(h)
	c := cursor{q: q, l: q.leaves.at(p.leaf), slot: int(q.slot(h)), p: p}
	c.seek(i)
	return c
}

// seek goes before element i of the span.
func (c *cursor) seek(i int) {
	c.i, c.at = i, 0
	if !c.p.complex {
		c.at, _ = c.p.skip(i, false)
	}
}

// next goes over the element behind the place; false at the end.
func (c *cursor) next() bool {
	for c.l != nil {
		if c.i < int(c.p.count) {
			c.at = c.read()
			c.i++
			return true
		}
		if !c.nextSpan() {
			break
		}
	}
	return false
}

// nextLive is next without simple elements that are deleted.
func (c *cursor) nextLive() bool {
	for c.l != nil {
		if c.i < int(c.p.count) && (c.p.complex || c.p.succ == 0) {
			return c.next()
		}
		if !c.nextSpan() {
			break
		}
	}
	return false
}

func (c *cursor) nextSpan() bool {
	switch {
	case c.slot+1 < int(c.l.n):
		c.enter(c.l, c.slot+1)
	case c.l.next != 0:
		c.enter(c.q.leaves.at(c.l.next), 0)
	default:
		return false
	}
	return true
}

// enter goes before the first element of the span in a slot.
func (c *cursor) enter(l *seqLeaf, slot int) {
	c.l, c.slot, c.p, c.i, c.at = l, slot, c.q.spans.at(l.spans[slot]), 0, 0
}

// read fills in element i of the span and returns where its value ends.
func (c *cursor) read() int {
	p := c.p
	if p.complex {
		c.element = element{id: p.first, ref: p.ref, width: int(p.width), cell: c.q.cells.at(uint32(p.succ))}
		return 0
	}
	m := itemAt(p.data, c.at)
	c.id, c.ref, c.succ = p.id(c.i), p.refOf(c.i), p.succOf(c.i)
	c.simple, c.value, c.cell = true, m.value(p.data), nil
	c.width = int(p.width) // 0 if the span is deleted
	if p.succ == 0 && p.count > 1 {
		c.width = m.width(p.data, c.q.text)
	}
	return m.to
}

// at returns the visible element that covers an index and where it starts.
func (q *sequence) at(index int) (e element, start int, ok bool) {
	if index < 0 || index >= q.shown {
		return element{}, 0, false
	}
	c, start := q.cursorAtIndex(index)
	c.next()
	return c.element, start, true
}
