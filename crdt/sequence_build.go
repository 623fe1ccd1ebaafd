package crdt

import "slices"

// sequenceBuilder builds a sequence from its elements in list order, in linear
// time.
type sequenceBuilder struct {
	s    *OpSet
	q    *sequence
	span span // the span that grows; its data is scratch
	next span // element that is added; its data is scratch
}

func newSequenceBuilder(s *OpSet, text bool) *sequenceBuilder {
	return &sequenceBuilder{s: s, q: newSequence(text)}
}

// add appends an element that is simple, see sequence.insert, and the deletion
// that succeeds it, 0 for none.
func (b *sequenceBuilder) add(ref, id lamport, v Value, succ lamport) {
	n := span{first: id, ref: ref, succ: succ, data: appendItem(b.next.data[:0], v), count: 1}
	if succ == 0 {
		n.width = uint32(itemAt(n.data, 0).width(n.data, b.q.text))
	}
	b.next.data = n.data
	if b.span.count > 0 {
		if step, ok := b.span.joins(&n); ok {
			b.span.data = append(b.span.data, n.data...)
			b.span.count++
			b.span.width += n.width
			b.span.step = step
			return
		}
	}
	b.flush()
	n.data = append(b.span.data[:0], n.data...)
	b.span = n
}

// addCell appends any other element; c has all its rows.
func (b *sequenceBuilder) addCell(ref, id lamport, c cell) {
	b.flush()
	h := b.q.cells.add()
	*b.q.cells.at(h) = c
	b.append(span{
		first: id, ref: ref, succ: lamport(h), width: uint32(b.s.width(&c, b.q.text)), count: 1, complex: true,
	})
}

// flush stores the span that grew.
func (b *sequenceBuilder) flush() {
	if b.span.count > 0 {
		b.append(b.span)
		b.span = span{data: b.span.data[:0]}
	}
}

// append stores a span in the last leaf.
func (b *sequenceBuilder) append(n span) {
	q := b.q
	h := q.newSpan(n)
	if q.tail == 0 || q.leaves.at(q.tail).n == leafSlots {
		leaf := q.newLeaf()
		if q.tail == 0 {
			q.head = leaf
		} else {
			q.leaves.at(q.tail).next = leaf
		}
		q.leaves.at(leaf).before = q.tail
		q.tail = leaf
	}
	q.seatSpan(q.tail, q.leaves.at(q.tail).n, h)
	q.elements += int(n.count)
	q.shown += int(n.width)
}

// finish returns the sequence.
func (b *sequenceBuilder) finish() *sequence {
	b.flush()
	q := b.q
	var level []uint32
	for leaf := q.head; leaf != 0; leaf = q.leaves.at(leaf).next {
		level = append(level, leaf)
	}
	for isLeaf := true; len(level) > 1; isLeaf = false {
		above := level[:0]
		for children := range slices.Chunk(level, nodeSlots) {
			node := q.newNode(isLeaf)
			for i, child := range children {
				q.seatChild(&b.s.actors, node, uint32(i), child)
			}
			above = append(above, node)
		}
		level = above
		q.height++
	}
	if len(level) == 1 {
		q.root = level[0]
	}
	return q
}
