package crdt

// The order of a sequence is a B+tree: leaves hold handles of spans, nodes hold
// leaves or nodes and what is below each of them.

const (
	leafSlots = 32
	nodeSlots = 16
)

type seqLeaf struct {
	spans        [leafSlots]uint32
	n            uint32
	parent       uint32 // node, 0 = the leaf is the root
	before, next uint32 // leaves in list order; of unused leaves: next unused
}

type seqNode struct {
	children [nodeSlots]uint32
	tallies  [nodeSlots]tally
	n        uint32
	parent   uint32 // node, 0 = the root; of unused nodes: next unused
	leaves   bool   // the children are leaves
}

func (n *seqNode) slot(child uint32) uint32 {
	i := uint32(0)
	for n.children[i] != child {
		i++
	}
	return i
}

// slot returns the position of a span in its leaf.
func (q *sequence) slot(h uint32) uint32 {
	l := q.leaves.at(q.spans.at(h).leaf)
	i := uint32(0)
	for l.spans[i] != h {
		i++
	}
	return i
}

// spanFrom returns the span in a slot of a leaf, or the first one of the next
// leaf if there is none; 0 at the end.
func (q *sequence) spanFrom(leaf, slot uint32) uint32 {
	l := q.leaves.at(leaf)
	if slot < l.n {
		return l.spans[slot]
	}
	if l.next == 0 {
		return 0
	}
	return q.leaves.at(l.next).spans[0]
}

// after returns the span that follows h, 0 for none.
func (q *sequence) after(h uint32) uint32 { return q.spanFrom(q.spans.at(h).leaf, q.slot(h)+1) }

// before returns the span in front of h, 0 for none.
func (q *sequence) before(h uint32) uint32 {
	l := q.leaves.at(q.spans.at(h).leaf)
	if i := q.slot(h); i > 0 {
		return l.spans[i-1]
	}
	if l.before == 0 {
		return 0
	}
	l = q.leaves.at(l.before)
	return l.spans[l.n-1]
}

// start returns how many elements stand before span h, and their visible width.
func (q *sequence) start(h uint32) (count, width int) {
	leaf := q.spans.at(h).leaf
	l := q.leaves.at(leaf)
	for i := 0; l.spans[i] != h; i++ {
		p := q.spans.at(l.spans[i])
		count += int(p.count)
		width += int(p.width)
	}
	for child, node := leaf, l.parent; node != 0; {
		n := q.nodes.at(node)
		for i := 0; n.children[i] != child; i++ {
			count += int(n.tallies[i].count)
			width += int(n.tallies[i].width)
		}
		child, node = node, n.parent
	}
	return count, width
}

// covering returns the span with the element that covers a visible index, which
// must be less than the width of all, and the span's own start.
func (q *sequence) covering(index int) (h uint32, start int) {
	at := q.root
	for level := q.height; level > 0; level-- {
		n := q.nodes.at(at)
		i := 0
		for ; start+int(n.tallies[i].width) <= index; i++ {
			start += int(n.tallies[i].width)
		}
		at = n.children[i]
	}
	l := q.leaves.at(at)
	i := 0
	for ; start+int(q.spans.at(l.spans[i]).width) <= index; i++ {
		start += int(q.spans.at(l.spans[i]).width)
	}
	return l.spans[i], start
}

// firstBelow returns the first span from a slot of a leaf on whose first id is
// less than id, 0 for none.
func (q *sequence) firstBelow(t *actorTable, leaf, slot uint32, id lamport) uint32 {
	if h := q.firstInLeaf(t, leaf, slot, id); h != 0 {
		return h
	}
	child, level := leaf, 0
	for node := q.leaves.at(leaf).parent; node != 0; level++ {
		n := q.nodes.at(node)
		if i := q.firstInNode(t, n, n.slot(child)+1, id); i < n.n {
			return q.descendBelow(t, n.children[i], level, id)
		}
		child, node = node, n.parent
	}
	return 0
}

// descendBelow is firstBelow under a child on a level, which holds such a span.
func (q *sequence) descendBelow(t *actorTable, child uint32, level int, id lamport) uint32 {
	for ; level > 0; level-- {
		n := q.nodes.at(child)
		child = n.children[q.firstInNode(t, n, 0, id)]
	}
	return q.firstInLeaf(t, child, 0, id)
}

func (q *sequence) firstInLeaf(t *actorTable, leaf, slot uint32, id lamport) uint32 {
	l := q.leaves.at(leaf)
	for ; slot < l.n; slot++ {
		q.visits++
		if t.less(q.spans.at(l.spans[slot]).first, id) {
			return l.spans[slot]
		}
	}
	return 0
}

func (q *sequence) firstInNode(t *actorTable, n *seqNode, slot uint32, id lamport) uint32 {
	for ; slot < n.n; slot++ {
		q.visits++
		if t.less(n.tallies[slot].least, id) {
			break
		}
	}
	return slot
}
