package crdt

import "testing"

// checkSequence checks every invariant of the structure.
func checkSequence(t *testing.T, s *OpSet, q *sequence) {
	t.Helper()
	spans := checkTree(t, s, q)
	bytes, shown, elements := 0, 0, 0
	for _, h := range spans {
		p := q.spans.at(h)
		checkSpan(t, s, q, p)
		bytes += cap(p.data)
		shown += int(p.width)
		elements += int(p.count)
	}
	if bytes != q.bytes || shown != q.width() || elements != q.length() {
		t.Fatalf("counted %d bytes, width %d, %d elements; the sequence says %d, %d, %d",
			bytes, shown, elements, q.bytes, q.width(), q.length())
	}
	checkChains(t, q, spans)
}

func checkSpan(t *testing.T, s *OpSet, q *sequence, p *span) {
	t.Helper()
	if p.count == 0 || blockOf(p.first) != blockOf(p.last()) || p.count > 1 && len(p.data) > maxSpanData {
		t.Fatalf("span of %d elements from %x, %d bytes", p.count, p.first, len(p.data))
	}
	if p.complex {
		if width := s.width(q.cells.at(uint32(p.succ)), q.text); p.count != 1 || p.data != nil || int(p.width) != width {
			t.Fatalf("complex span %x of %d elements, width %d; width of its cell %d", p.first, p.count, p.width, width)
		}
		return
	}
	at, width := p.skip(int(p.count), q.text)
	if p.succ != 0 {
		width = 0
	}
	if at != len(p.data) || width != int(p.width) {
		t.Fatalf("span %x has %d bytes of data, width %d, but elements of %d, %d", p.first, len(p.data), p.width, at, width)
	}
}

// checkChains checks that the index finds the spans in place, and no others.
func checkChains(t *testing.T, q *sequence, spans []uint32) {
	t.Helper()
	placed := make(map[uint32]bool)
	for _, h := range spans {
		placed[h] = true
		p := q.spans.at(h)
		for i := range int(p.count) {
			if found, at := q.find(p.id(i)); found != h || at != i {
				t.Fatalf("element %x is %d of span %d, found as %d of %d", p.id(i), i, h, at, found)
			}
		}
	}
	linked, used := 0, 0
	for _, h := range q.blocks.slots {
		if h == 0 {
			continue
		}
		used++
		for ; h != 0; h = q.spans.at(h).next {
			if linked++; !placed[h] {
				t.Fatalf("span %d is in a chain but not in the tree", h)
			}
		}
	}
	if linked != len(spans) || used != q.blocks.used {
		t.Fatalf("%d spans, %d in chains; %d slots used, the index says %d", len(spans), linked, used, q.blocks.used)
	}
	all := len(spans)
	for h := q.unused; h != 0; h = q.spans.at(h).next {
		if all++; placed[h] || q.spans.at(h).count != 0 {
			t.Fatalf("span %d is in use and unused", h)
		}
	}
	if len(q.spans.chunks) > 0 {
		last := len(q.spans.chunks) - 1
		if have := last*slabChunk + len(q.spans.chunks[last]); have != all {
			t.Fatalf("%d spans allocated, %d known", have, all)
		}
	}
}

// checkTree checks links and tallies and returns the spans in list order.
func checkTree(t *testing.T, s *OpSet, q *sequence) (spans []uint32) {
	t.Helper()
	if q.root == 0 {
		return nil
	}
	if q.height > 0 && q.nodes.at(q.root).n < 2 {
		t.Fatal("the root has a single child")
	}
	before := uint32(0)
	var walk func(child, parent uint32, level int)
	walk = func(child, parent uint32, level int) {
		if got := q.parent(child, level == 0); got != parent {
			t.Fatalf("child %d on level %d has parent %d, want %d", child, level, got, parent)
		}
		if level > 0 {
			n := q.nodes.at(child)
			if n.n == 0 || n.leaves != (level == 1) {
				t.Fatalf("node %d on level %d: %d children, leaves %v", child, level, n.n, n.leaves)
			}
			for i, c := range n.children[:n.n] {
				if want := q.tally(&s.actors, c, n.leaves); n.tallies[i] != want {
					t.Fatalf("tally %v on level %d, want %v", n.tallies[i], level, want)
				}
				walk(c, child, level-1)
			}
			return
		}
		l := q.leaves.at(child)
		if l.n == 0 || l.before != before || before == 0 && q.head != child || before != 0 && q.leaves.at(before).next != child {
			t.Fatalf("leaf %d has %d spans, stands behind %d, want %d", child, l.n, l.before, before)
		}
		before = child
		for _, h := range l.spans[:l.n] {
			if q.spans.at(h).leaf != child {
				t.Fatalf("span %d doesn't know its leaf", h)
			}
			spans = append(spans, h)
		}
	}
	walk(q.root, 0, q.height)
	if q.tail != before || q.leaves.at(before).next != 0 {
		t.Fatal("tail isn't the last leaf")
	}
	return spans
}
