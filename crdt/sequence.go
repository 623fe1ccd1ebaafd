package crdt

import (
	"unsafe"
)

// sequence is the content of a list or text: all elements that were ever
// inserted, in list order. Elements are named by the ids of their insert ops.
// Every operation takes logarithmic time, whatever the order of the ids, and a
// character that was typed in sequence takes about 4 bytes.
//
// Several goroutines may read at the same time; insertRank counts as a change.
type sequence struct {
	text bool

	spans  slab[span]
	cells  slab[cell] // of complex elements
	blocks blockIndex
	bytes  int    // capacity of the data of all spans
	recent uint32 // span that was changed last, where the next insert's reference probably is

	leaves     slab[seqLeaf]
	nodes      slab[seqNode]
	root       uint32 // a leaf if height is 0; 0 while there is none
	height     int    // levels of nodes
	head, tail uint32 // first and last leaf
	elements   int    // deleted ones included
	shown      int    // visible width of all elements

	unused, unusedLeaf, unusedNode uint32 // heads of the chains of unused spans, leaves and nodes

	scratch []byte
	visits  int // steps of searches for places, which tests bound
}

// newSequence returns an empty list or text.
func newSequence(text bool) *sequence { return &sequence{text: text} }

// length returns the number of elements, deleted ones included.
func (q *sequence) length() int { return q.elements }

// width returns the width of all visible elements: of a list their number, of
// a text UTF-16 code units.
func (q *sequence) width() int { return q.shown }

// size returns the bytes of memory that the sequence holds, but for what cells
// with several rows hold besides themselves.
func (q *sequence) size() int {
	return int(unsafe.Sizeof(*q)) + q.bytes + cap(q.scratch) + 4*cap(q.blocks.slots) +
		q.spans.size() + q.cells.size() + q.leaves.size() + q.nodes.size()
}

// gap is a place between elements: before element i of span next, or at the
// end if there is no such span.
type gap struct {
	next uint32
	i    int
	ref  uint32 // the span in front, if the reference is its last element
}

// gapFor returns the place at which element id belongs that is inserted after
// ref: behind the elements there with greater ids and all that was inserted
// after those, which has greater ids too.
func (q *sequence) gapFor(t *actorTable, ref, id lamport) (g gap) {
	leaf, slot := q.head, uint32(0)
	if ref != 0 {
		h, i := q.findRecent(ref)
		p := q.spans.at(h)
		if i+1 < int(p.count) {
			if t.less(p.id(i+1), id) {
				return gap{next: h, i: i + 1}
			}
		} else {
			g.ref = h
		}
		leaf, slot = p.leaf, q.slot(h)+1
	}
	if leaf == 0 {
		return g
	}
	next := q.spanFrom(leaf, slot)
	if next != 0 && !t.less(q.spans.at(next).first, id) {
		next, g.ref = q.firstBelow(t, leaf, slot, id), 0
	}
	g.next = next
	return g
}

func (q *sequence) findRecent(id lamport) (h uint32, i int) {
	if q.recent != 0 {
		if i := q.spans.at(q.recent).find(id); i >= 0 {
			return q.recent, i
		}
	}
	return q.find(id)
}

// insert adds an element whose insert op sets a scalar value, whose bytes are
// copied. ref must be an element, or 0 for the head, id new and greater than ref.
func (q *sequence) insert(s *OpSet, ref, id lamport, v Value) {
	q.scratch = appendItem(q.scratch[:0], v)
	width := itemAt(q.scratch, 0).width(q.scratch, q.text)
	q.put(&s.actors, span{first: id, ref: ref, data: q.scratch, width: uint32(width), count: 1})
	if cap(q.scratch) > maxSpanData {
		q.scratch = nil
	}
}

// insertCell adds an element with any other insert op, of which r is the row.
func (q *sequence) insertCell(s *OpSet, ref, id lamport, r row) {
	h := q.cells.add()
	c := q.cells.at(h)
	s.addRow(c, r)
	q.put(&s.actors, span{
		first: id, ref: ref, succ: lamport(h), width: uint32(s.width(c, q.text)), count: 1, complex: true,
	})
}

// put gives a single new element its place.
func (q *sequence) put(t *actorTable, n span) {
	g := q.gapFor(t, n.ref, n.first)
	if g.ref != 0 {
		p := q.spans.at(g.ref)
		if step, ok := p.joins(&n); ok {
			q.extend(g.ref, &n, step)
			q.grow(p.leaf, 1, int(n.width))
			q.recent = g.ref
			return
		}
	}
	if g.i > 0 {
		g.next = q.split(t, g.next, g.i)
	}
	h := q.newSpan(n)
	leaf, slot := q.tail, uint32(0)
	switch {
	case g.next != 0:
		leaf, slot = q.spans.at(g.next).leaf, q.slot(g.next)
	case leaf == 0:
		leaf = q.newLeaf()
		q.root, q.head, q.tail = leaf, leaf, leaf
	default:
		slot = q.leaves.at(leaf).n
	}
	q.grow(leaf, 1, int(n.width))
	q.lower(t, leaf, n.first)
	q.place(t, leaf, slot, h)
	q.recent = h
}

// has reports whether an element exists.
func (q *sequence) has(id lamport) bool {
	h, _ := q.find(id)
	return h != 0
}

// cell returns the cell of an element, which becomes a complex one if it is
// simple; nil if there is no such element. The pointer is valid until the next
// change of q. After changes of the cell the caller calls refresh.
func (q *sequence) cell(s *OpSet, id lamport) *cell {
	h, i := q.find(id)
	if h == 0 {
		return nil
	}
	if p := q.spans.at(h); p.complex {
		return q.cells.at(uint32(p.succ))
	}
	h = q.isolate(&s.actors, h, i)
	p := q.spans.at(h)
	at := q.cells.add()
	c := q.cells.at(at)
	s.addRow(c, s.newRow(id, ActionSet, itemAt(p.data, 0).value(p.data)))
	if p.succ != 0 {
		s.addSucc(c, id, p.succ, false, 0)
	}
	q.setData(p, nil)
	p.succ, p.step, p.complex = lamport(at), 0, true
	return c
}

// cellAt returns the cell of a complex element, nil if there is none. The
// pointer is valid until the next change of q.
func (q *sequence) cellAt(id lamport) *cell {
	h, _ := q.find(id)
	if h == 0 || !q.spans.at(h).complex {
		return nil
	}
	return q.cells.at(uint32(q.spans.at(h).succ))
}

// delete makes op del the successor of a simple element that has none. For
// other elements it changes nothing and returns false.
func (q *sequence) delete(s *OpSet, id, del lamport) bool {
	h, i := q.find(id)
	if h == 0 {
		return false
	}
	if p := q.spans.at(h); p.complex || p.succ != 0 {
		return false
	}
	h = q.isolate(&s.actors, h, i)
	p := q.spans.at(h)
	q.grow(p.leaf, 0, -int(p.width))
	p.succ, p.step, p.width = del, 0, 0
	q.rejoin(&s.actors, h)
	return true
}

// refresh reads the width of a complex element anew, after its cell has changed.
func (q *sequence) refresh(s *OpSet, id lamport) {
	h, _ := q.find(id)
	if h == 0 || !q.spans.at(h).complex {
		return
	}
	p := q.spans.at(h)
	width := s.width(q.cells.at(uint32(p.succ)), q.text)
	q.grow(p.leaf, 0, width-int(p.width))
	p.width = uint32(width)
}

// rank returns the number of elements before an element, which must exist,
// deleted ones included.
func (q *sequence) rank(id lamport) int {
	h, i := q.find(id)
	count, _ := q.start(h)
	return count + i
}

// insertRank returns the rank that insert would give to a new element.
func (q *sequence) insertRank(s *OpSet, ref, id lamport) int {
	g := q.gapFor(&s.actors, ref, id)
	if g.next == 0 {
		return q.elements
	}
	count, _ := q.start(g.next)
	return count + g.i
}

// index returns the visible width before an element, which must exist, and its
// own: 0 if it isn't visible.
func (q *sequence) index(id lamport) (at, width int) {
	h, i := q.find(id)
	p := q.spans.at(h)
	_, at = q.start(h)
	if p.count == 1 || p.succ != 0 {
		return at, int(p.width)
	}
	offset, before := p.skip(i, q.text)
	return at + before, itemAt(p.data, offset).width(p.data, q.text)
}
