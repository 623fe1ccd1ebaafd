package protocol

import (
	"slices"
	"sort"
)

// span is the change indexes from lo to hi-1.
type span struct{ lo, hi uint32 }

// spans is a set of change indexes: ascending, neither touching nor
// overlapping. nil is the empty set.
type spans []span

func (s spans) contains(i int) bool {
	n := sort.Search(len(s), func(n int) bool { return s[n].hi > uint32(i) })
	return n < len(s) && s[n].lo <= uint32(i)
}

// spansOf returns the set of the given indexes, which it sorts in place.
func spansOf(indexes []int) (s spans) {
	slices.Sort(indexes)
	for _, i := range indexes {
		if n := len(s); n > 0 && s[n-1].hi >= uint32(i) {
			s[n-1].hi = uint32(i) + 1
			continue
		}
		s = append(s, span{uint32(i), uint32(i) + 1})
	}
	return s
}

// union returns a set of its own, or one of the two when the other is empty.
func (s spans) union(t spans) spans {
	if len(s) == 0 {
		return t
	}
	if len(t) == 0 {
		return s
	}
	u := make(spans, 0, len(s)+len(t))
	for len(s) > 0 || len(t) > 0 {
		var next span
		if len(t) == 0 || len(s) > 0 && s[0].lo <= t[0].lo {
			next, s = s[0], s[1:]
		} else {
			next, t = t[0], t[1:]
		}
		if n := len(u); n > 0 && u[n-1].hi >= next.lo {
			u[n-1].hi = max(u[n-1].hi, next.hi)
			continue
		}
		u = append(u, next)
	}
	return u
}

// indexes lists the set, ascending.
func (s spans) indexes() []int {
	n := 0
	for _, p := range s {
		n += int(p.hi - p.lo)
	}
	all := make([]int, 0, n)
	for _, p := range s {
		for i := p.lo; i < p.hi; i++ {
			all = append(all, int(i))
		}
	}
	return all
}

// minus returns the set without the given ascending indexes.
func (s spans) minus(indexes []int) spans {
	if len(indexes) == 0 {
		return s
	}
	left := make([]int, 0, 16)
	for _, i := range s.indexes() {
		if _, ok := slices.BinarySearch(indexes, i); !ok {
			left = append(left, i)
		}
	}
	return spansOf(left)
}
