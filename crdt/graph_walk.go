package crdt

import "slices"

// Walks go back from the newest index with a max-heap: since a change's index
// is above those of its ancestors, every change is met once, after all its
// descendants, and a walk can stop as soon as nothing below can matter.
//
// A change is total when all changes with a lower index are its ancestors: it
// was the only head when it was appended. A walk that meets a total ancestor of
// its heads is finished, so walks are short even over branches that share only
// old history.

// walk is a max-heap of change indexes, each shifted left by one; bit 0 marks
// the ancestors of the walk's heads.
type walk []uint64

const seen = 1

func (w *walk) push(i uint32, mark uint64) {
	h := append(*w, uint64(i)<<1|mark)
	at := len(h) - 1
	for at > 0 {
		up := (at - 1) / 2
		if h[up] >= h[at] {
			break
		}
		h[up], h[at] = h[at], h[up]
		at = up
	}
	*w = h
}

func (w *walk) pop() (i uint32, mark uint64) {
	h := *w
	top := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h = h[:last]
	for at := 0; ; {
		child := 2*at + 1
		if child >= last {
			break
		}
		if right := child + 1; right < last && h[right] > h[child] {
			child = right
		}
		if h[at] >= h[child] {
			break
		}
		h[at], h[child] = h[child], h[at]
		at = child
	}
	*w = h
	return uint32(top >> 1), top & seen
}

// next pops the highest index with all its repeats. A marked entry sorts above
// an unmarked one of the same index; unmarked counts the unmarked ones.
func (w *walk) next() (i uint32, mark uint64, unmarked int) {
	i, mark = w.pop()
	unmarked = 1 - int(mark)
	for len(*w) > 0 && uint32((*w)[0]>>1) == i {
		_, m := w.pop()
		unmarked += 1 - int(m)
	}
	return i, mark, unmarked
}

// startWalk returns an empty heap; endWalk takes it back.
func (g *Graph) startWalk() walk { return walk(g.scratch[:0]) }

func (g *Graph) endWalk(w walk) {
	const kept = 1024 // entries
	if cap(w) <= kept {
		g.scratch = w[:0]
	}
}

func (g *Graph) total(i uint32) bool { return g.authors[i]&totalBit != 0 }

// pushKnown pushes the published ones of heads and returns how many they are.
func (g *Graph) pushKnown(w *walk, heads []Hash) (known int) {
	for _, h := range heads {
		if i, ok := g.Index(h); ok {
			w.push(uint32(i), seen)
			known++
		}
	}
	return known
}

// Since returns the indexes of the published changes that are neither in heads
// nor ancestors of them, ascending. Unknown heads are ignored. The work grows
// with the answer and with the part of the graph that is concurrent to it.
func (g *Graph) Since(heads []Hash) []int {
	w := g.startWalk()
	defer func() { g.endWalk(w) }()
	if g.pushKnown(&w, heads) == 0 {
		return g.all()
	}
	return g.outside(&w, g.heads, -1)
}

// outside returns the indexes of the changes that are tips or ancestors of them
// but not reached from the marked heads in w, ascending and without except.
func (g *Graph) outside(w *walk, tips []uint32, except int) []int {
	pending := len(tips)
	for _, i := range tips {
		w.push(i, 0)
	}
	var outside []int
	for pending > 0 {
		i, mark, unmarked := w.next()
		pending -= unmarked
		if mark == seen && g.total(i) {
			break
		}
		if mark == 0 && int(i) != except {
			outside = append(outside, int(i))
		}
		for _, d := range g.Dependencies(int(i)) {
			w.push(d, mark)
			pending += 1 - int(mark)
		}
	}
	slices.Reverse(outside)
	return outside
}

func (g *Graph) all() []int {
	if g.published == 0 {
		return nil
	}
	all := make([]int, g.published)
	for i := range all {
		all[i] = i
	}
	return all
}

// AncestorsAmong returns those of candidates, ascending indexes below Len, that
// are in heads or ancestors of them. Unknown heads are ignored. The walk doesn't
// go below the lowest candidate.
func (g *Graph) AncestorsAmong(heads []Hash, candidates []int) []int {
	if len(candidates) == 0 {
		return nil
	}
	w := g.startWalk()
	defer func() { g.endWalk(w) }()
	g.pushKnown(&w, heads)
	lowest, rest := uint32(candidates[0]), candidates
	var found []int
	for len(w) > 0 && len(rest) > 0 {
		i, _, _ := w.next()
		if g.total(i) {
			n, ok := slices.BinarySearch(rest, int(i))
			if ok {
				n++
			}
			slices.Reverse(found)
			return append(slices.Clone(rest[:n]), found...)
		}
		for len(rest) > 0 && rest[len(rest)-1] > int(i) {
			rest = rest[:len(rest)-1]
		}
		if len(rest) > 0 && rest[len(rest)-1] == int(i) {
			found = append(found, int(i))
			rest = rest[:len(rest)-1]
		}
		for _, d := range g.Dependencies(int(i)) {
			if d >= lowest {
				w.push(d, seen)
			}
		}
	}
	slices.Reverse(found)
	return found
}

// reaches reports whether change i, staged or published, is one of from or an
// ancestor of one of them. from is ascending.
func (g *Graph) reaches(from []uint32, i uint32) bool {
	if _, ok := slices.BinarySearch(from, i); ok {
		return true
	}
	w := g.startWalk()
	defer func() { g.endWalk(w) }()
	for _, d := range from {
		if d > i {
			w.push(d, seen)
		}
	}
	for len(w) > 0 {
		at, _, _ := w.next()
		if at == i || g.total(at) {
			return true
		}
		for _, d := range g.Dependencies(int(at)) {
			if d >= i {
				w.push(d, seen)
			}
		}
	}
	return false
}
