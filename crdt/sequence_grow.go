package crdt

// place puts a span into a slot of a leaf. The caller has accounted for its
// elements above the leaf, if they are new there.
func (q *sequence) place(t *actorTable, leaf, slot, h uint32) {
	l := q.leaves.at(leaf)
	if l.n < leafSlots {
		q.seatSpan(leaf, slot, h)
		return
	}
	right := q.splitLeaf(leaf)
	if slot > leafSlots/2 {
		q.seatSpan(right, slot-leafSlots/2, h)
	} else {
		q.seatSpan(leaf, slot, h)
	}
	q.adopt(t, leaf, right, true)
}

func (q *sequence) seatSpan(leaf, slot, h uint32) {
	l := q.leaves.at(leaf)
	copy(l.spans[slot+1:l.n+1], l.spans[slot:l.n])
	l.spans[slot] = h
	l.n++
	q.spans.at(h).leaf = leaf
}

// displace takes a span out of its leaf, and leaves all tallies alone.
func (q *sequence) displace(h uint32) {
	slot := q.slot(h)
	l := q.leaves.at(q.spans.at(h).leaf)
	copy(l.spans[slot:], l.spans[slot+1:l.n])
	l.n--
}

func (q *sequence) newLeaf() uint32 {
	h := q.unusedLeaf
	if h == 0 {
		return q.leaves.add()
	}
	l := q.leaves.at(h)
	q.unusedLeaf = l.next
	*l = seqLeaf{}
	return h
}

func (q *sequence) newNode(leaves bool) uint32 {
	h := q.unusedNode
	if h == 0 {
		h = q.nodes.add()
	} else {
		q.unusedNode = q.nodes.at(h).parent
	}
	*q.nodes.at(h) = seqNode{leaves: leaves}
	return h
}

// splitLeaf moves half of the spans of a full leaf to one behind it.
func (q *sequence) splitLeaf(leaf uint32) (right uint32) {
	const half = leafSlots / 2
	right = q.newLeaf()
	l, r := q.leaves.at(leaf), q.leaves.at(right)
	r.n = uint32(copy(r.spans[:], l.spans[half:l.n]))
	l.n = half
	for _, h := range r.spans[:r.n] {
		q.spans.at(h).leaf = right
	}
	r.before, r.next = leaf, l.next
	if l.next != 0 {
		q.leaves.at(l.next).before = right
	} else {
		q.tail = right
	}
	l.next = right
	return right
}

// splitNode moves half of the children of a full node to a new one.
func (q *sequence) splitNode(node uint32) (right uint32) {
	const half = nodeSlots / 2
	right = q.newNode(q.nodes.at(node).leaves)
	n, r := q.nodes.at(node), q.nodes.at(right)
	r.n = uint32(copy(r.children[:], n.children[half:n.n]))
	copy(r.tallies[:], n.tallies[half:n.n])
	n.n = half
	for _, child := range r.children[:r.n] {
		q.setParent(child, right, r.leaves)
	}
	return right
}

// adopt puts a leaf or node that was split from left behind it, and updates the
// tally of left.
func (q *sequence) adopt(t *actorTable, left, right uint32, leaves bool) {
	node := q.parent(left, leaves)
	if node == 0 {
		node = q.newNode(leaves)
		q.seatChild(t, node, 0, left)
		q.root, q.height = node, q.height+1
	}
	n := q.nodes.at(node)
	slot := n.slot(left) + 1
	n.tallies[slot-1] = q.tally(t, left, leaves)
	if n.n < nodeSlots {
		q.seatChild(t, node, slot, right)
		return
	}
	other := q.splitNode(node)
	if slot > nodeSlots/2 {
		q.seatChild(t, other, slot-nodeSlots/2, right)
	} else {
		q.seatChild(t, node, slot, right)
	}
	q.adopt(t, node, other, false)
}

func (q *sequence) seatChild(t *actorTable, node, slot, child uint32) {
	n := q.nodes.at(node)
	copy(n.children[slot+1:n.n+1], n.children[slot:n.n])
	copy(n.tallies[slot+1:n.n+1], n.tallies[slot:n.n])
	n.children[slot] = child
	n.tallies[slot] = q.tally(t, child, n.leaves)
	n.n++
	q.setParent(child, node, n.leaves)
}

// parent returns the node above a leaf or node, 0 for none.
func (q *sequence) parent(child uint32, isLeaf bool) uint32 {
	if isLeaf {
		return q.leaves.at(child).parent
	}
	return q.nodes.at(child).parent
}

func (q *sequence) setParent(child, node uint32, isLeaf bool) {
	if isLeaf {
		q.leaves.at(child).parent = node
	} else {
		q.nodes.at(child).parent = node
	}
}

// dropLeaf removes an empty leaf, and the nodes that it was the last child of.
func (q *sequence) dropLeaf(t *actorTable, leaf uint32) {
	l := q.leaves.at(leaf)
	if l.before != 0 {
		q.leaves.at(l.before).next = l.next
	} else {
		q.head = l.next
	}
	if l.next != 0 {
		q.leaves.at(l.next).before = l.before
	} else {
		q.tail = l.before
	}
	node := l.parent
	l.next, q.unusedLeaf = q.unusedLeaf, leaf
	for child := leaf; ; {
		n := q.nodes.at(node)
		slot := n.slot(child)
		copy(n.children[slot:], n.children[slot+1:n.n])
		copy(n.tallies[slot:], n.tallies[slot+1:n.n])
		n.n--
		if n.n > 0 {
			q.setTallies(t, node, n.parent, n.tally(t))
			break
		}
		child, node = node, n.parent
		n.parent, q.unusedNode = q.unusedNode, child
	}
	q.lowerRoot()
}

// lowerRoot removes roots with a single child.
func (q *sequence) lowerRoot() {
	for q.height > 0 {
		n := q.nodes.at(q.root)
		if n.n > 1 {
			return
		}
		child := n.children[0]
		n.parent, q.unusedNode = q.unusedNode, q.root
		q.root, q.height = child, q.height-1
		q.setParent(child, 0, q.height == 0)
	}
}
