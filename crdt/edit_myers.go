package crdt

// An edit replaces a[aFrom:aTo] by b[bFrom:bTo]. The edits of a comparison are
// in order and don't touch each other: what stands between two of them is equal
// on both sides.
type edit struct {
	aFrom, aTo int
	bFrom, bTo int
}

// myersCost bounds the work of one comparison to about myersCost times the
// length of both sides. Below it, differences are shortest.
const myersCost = 256

// myers compares two sequences after E. W. Myers, "An O(ND) Difference Algorithm and
// Its Variations" (1986), in linear space. Where a part differs in more than
// myersCost places, the split is the furthest point reached instead of the best
// one, so that the edits stay right but may be longer than needed.
type myers struct {
	a, b  []uint32
	fwd   []int // by diagonal: the furthest x of the search from the start
	bwd   []int // the same from the end
	boxes []edit
	out   []edit
}

// compareTokens returns the edits that turn a into b.
func compareTokens(a, b []uint32) []edit {
	m := myers{a: a, b: b, boxes: []edit{{0, len(a), 0, len(b)}}}
	for len(m.boxes) > 0 {
		box := m.boxes[len(m.boxes)-1]
		m.boxes = m.boxes[:len(m.boxes)-1]
		m.solve(box)
	}
	return m.out
}

// solve trims what is equal at both ends of a box and splits the rest. The part
// that is solved next is pushed last.
func (m *myers) solve(box edit) {
	for box.aFrom < box.aTo && box.bFrom < box.bTo && m.a[box.aFrom] == m.b[box.bFrom] {
		box.aFrom++
		box.bFrom++
	}
	for box.aFrom < box.aTo && box.bFrom < box.bTo && m.a[box.aTo-1] == m.b[box.bTo-1] {
		box.aTo--
		box.bTo--
	}
	if box.aFrom == box.aTo || box.bFrom == box.bTo {
		m.emit(box)
		return
	}
	x, y := m.split(box)
	if x == box.aFrom && y == box.bFrom || x == box.aTo && y == box.bTo {
		m.emit(box)
		return
	}
	m.boxes = append(m.boxes, edit{x, box.aTo, y, box.bTo}, edit{box.aFrom, x, box.bFrom, y})
}

// emit adds an edit, which joins the one before when they touch.
func (m *myers) emit(e edit) {
	if e.aFrom == e.aTo && e.bFrom == e.bTo {
		return
	}
	if n := len(m.out); n > 0 && m.out[n-1].aTo == e.aFrom && m.out[n-1].bTo == e.bFrom {
		m.out[n-1].aTo, m.out[n-1].bTo = e.aTo, e.bTo
		return
	}
	m.out = append(m.out, e)
}

// split returns a point on a shortest path through the box, or, when that would
// cost too much, the furthest point that either search reached. Coordinates
// inside are relative to the box: x in a, y in b, diagonal k = x-y.
func (m *myers) split(box edit) (x, y int) {
	n, k := box.aTo-box.aFrom, box.bTo-box.bFrom
	limit := min((n+k+1)/2, myersCost)
	off := limit + 1
	if size := 2*off + 1; cap(m.fwd) < size {
		m.fwd, m.bwd = make([]int, size), make([]int, size)
	}
	fwd, bwd := m.fwd[:2*off+1], m.bwd[:2*off+1]
	fwd[off+1], bwd[off+1] = 0, 0
	for d := 0; d <= limit; d++ {
		if x, y, ok := m.forward(box, fwd, bwd, off, d); ok {
			return box.aFrom + x, box.bFrom + y
		}
		if x, y, ok := m.backward(box, fwd, bwd, off, d); ok {
			return box.aFrom + x, box.bFrom + y
		}
	}
	return m.furthest(box, fwd, bwd, off, limit)
}

// forward extends the search from the start by one difference. It succeeds when
// it meets the search from the end, whose diagonals are counted from the box's
// last corner and whose x is counted from there.
func (m *myers) forward(box edit, fwd, bwd []int, off, d int) (x, y int, met bool) {
	n, h := box.aTo-box.aFrom, box.bTo-box.bFrom
	delta := n - h
	for k := -d; k <= d; k += 2 {
		if k < -h || k > n {
			continue
		}
		x := myersStep(fwd, off, k, d, n, h)
		y := x - k
		for x >= 0 && x < n && y < h && m.a[box.aFrom+x] == m.b[box.bFrom+y] {
			x, y = x+1, y+1
		}
		fwd[off+k] = x
		back := delta - k // the same diagonal, seen from the end
		if delta&1 != 0 && back >= -(d-1) && back <= d-1 && inBox(back, n, h) && x+bwd[off+back] >= n {
			return x, y, true
		}
	}
	return 0, 0, false
}

// backward is forward from the other end.
func (m *myers) backward(box edit, fwd, bwd []int, off, d int) (x, y int, met bool) {
	n, h := box.aTo-box.aFrom, box.bTo-box.bFrom
	delta := n - h
	for k := -d; k <= d; k += 2 {
		if k < -h || k > n {
			continue
		}
		x := myersStep(bwd, off, k, d, n, h)
		y := x - k
		for x >= 0 && x < n && y < h && m.a[box.aTo-1-x] == m.b[box.bTo-1-y] {
			x, y = x+1, y+1
		}
		bwd[off+k] = x
		front := delta - k
		if delta&1 == 0 && front >= -d && front <= d && inBox(front, n, h) && x+fwd[off+front] >= n {
			return n - x, h - y, true
		}
	}
	return 0, 0, false
}

func inBox(k, n, h int) bool { return k >= -h && k <= n }

// unreached is the x of a diagonal that the search can't be on; it stays
// negative whatever is added.
const unreached = -1 << 40

// myersStep returns the best x on diagonal k after one more difference: down from
// the diagonal above, or right from the one below.
func myersStep(v []int, off, k, d, n, h int) int {
	if d == 0 {
		return 0
	}
	x := unreached
	if down := k + 1; down < d && inBox(down, n, h) {
		if from := v[off+down]; from-down < h {
			x = from
		}
	}
	if right := k - 1; right > -d && inBox(right, n, h) {
		if from := v[off+right]; from < n {
			x = max(x, from+1)
		}
	}
	return x
}

// furthest returns the point with the most progress after the last round.
func (m *myers) furthest(box edit, fwd, bwd []int, off, d int) (x, y int) {
	n, h := box.aTo-box.aFrom, box.bTo-box.bFrom
	best := -1
	for k := -d; k <= d; k += 2 {
		if !inBox(k, n, h) {
			continue
		}
		if fx := fwd[off+k]; fx >= 0 && 2*fx-k > best {
			best = 2*fx - k
			x, y = fx, fx-k
		}
		if bx := bwd[off+k]; bx >= 0 && 2*bx-k > best {
			best = 2*bx - k
			x, y = n-bx, h-(bx-k)
		}
	}
	return box.aFrom + x, box.bFrom + y
}
