package crdt

// tally sums up what is below a child.
type tally struct {
	count, width uint32  // elements, and their visible width
	least        lamport // the least first id of the spans, which is the least id of all
}

func (a *tally) add(t *actorTable, b tally) {
	if a.count == 0 || t.less(b.least, a.least) {
		a.least = b.least
	}
	a.count += b.count
	a.width += b.width
}

// grow adds to what a leaf holds, everywhere above it.
func (q *sequence) grow(leaf uint32, count, width int) {
	q.elements += count
	q.shown += width
	for child, node := leaf, q.leaves.at(leaf).parent; node != 0; {
		n := q.nodes.at(node)
		sum := &n.tallies[n.slot(child)]
		sum.count += uint32(count)
		sum.width += uint32(width)
		child, node = node, n.parent
	}
}

// lower notes that a leaf holds a span with the given first id.
func (q *sequence) lower(t *actorTable, leaf uint32, first lamport) {
	for child, node := leaf, q.leaves.at(leaf).parent; node != 0; {
		n := q.nodes.at(node)
		sum := &n.tallies[n.slot(child)]
		if !t.less(first, sum.least) {
			return
		}
		sum.least = first
		child, node = node, n.parent
	}
}

// retally computes anew what a leaf holds, everywhere above it, after elements
// have moved between leaves. An empty leaf is removed. The sums of all stay.
func (q *sequence) retally(t *actorTable, leaf uint32) {
	if q.leaves.at(leaf).n == 0 {
		q.dropLeaf(t, leaf)
		return
	}
	q.setTallies(t, leaf, q.leaves.at(leaf).parent, q.tally(t, leaf, true))
}

// setTallies stores the tally of a child in its node, and those that follow
// from it above.
func (q *sequence) setTallies(t *actorTable, child, node uint32, sum tally) {
	for node != 0 {
		n := q.nodes.at(node)
		n.tallies[n.slot(child)] = sum
		sum = n.tally(t)
		child, node = node, n.parent
	}
}

// tally sums up a leaf or node.
func (q *sequence) tally(t *actorTable, child uint32, isLeaf bool) (sum tally) {
	if !isLeaf {
		return q.nodes.at(child).tally(t)
	}
	l := q.leaves.at(child)
	for _, h := range l.spans[:l.n] {
		p := q.spans.at(h)
		sum.add(t, tally{uint32(p.count), p.width, p.first})
	}
	return sum
}

func (n *seqNode) tally(t *actorTable) (sum tally) {
	for i := range n.tallies[:n.n] {
		sum.add(t, n.tallies[i])
	}
	return sum
}
