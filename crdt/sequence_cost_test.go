package crdt

import (
	"math/rand/v2"
	"runtime"
	"testing"
)

// typed returns a text of n characters that were typed in sequence.
func typed(s *OpSet, n int) *sequence {
	s.actors.add("typist")
	q := newSequence(true)
	v := StringValue("x")
	for i := range n {
		q.insert(s, newLamport(uint32(i), 0), newLamport(uint32(i+1), 0), v)
	}
	return q
}

// scattered returns a text of n characters that were inserted at random places.
func scattered(s *OpSet, n int) *sequence {
	s.actors.add("typist")
	q := newSequence(true)
	rng := rand.New(rand.NewPCG(1, 0))
	v := StringValue("x")
	for i := range n {
		q.insert(s, newLamport(rng.Uint32N(uint32(i+1)), 0), newLamport(uint32(i+1), 0), v)
	}
	return q
}

func TestSequenceMemory(t *testing.T) {
	const n = 40_000
	del := func(order func(i int) int) func(s *OpSet) *sequence {
		return func(s *OpSet) *sequence {
			q := typed(s, n)
			for i := range n {
				if !q.delete(s, newLamport(uint32(order(i)), 0), newLamport(uint32(n+1+i), 0)) {
					t.Fatalf("character %d couldn't be deleted", order(i))
				}
			}
			return q
		}
	}
	shuffled := rand.New(rand.NewPCG(1, 0)).Perm(n)
	for _, test := range []struct {
		name  string
		build func(s *OpSet) *sequence
		limit float64 // bytes per element
	}{
		{"typed", func(s *OpSet) *sequence { return typed(s, n) }, 4},
		{"typed, deleted forwards", del(func(i int) int { return i + 1 }), 4},
		{"typed, deleted backwards", del(func(i int) int { return n - i }), 4},
		{"typed, deleted at random", del(func(i int) int { return shuffled[i] + 1 }), 100},
		{"typed one at a time by many", func(s *OpSet) *sequence {
			q := newSequence(true)
			for i := range n {
				s.actors.add(ActorID([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))
				q.insert(s, 0, newLamport(1, uint32(i)), StringValue("x"))
			}
			return q
		}, 110},
		{"scattered", func(s *OpSet) *sequence { return scattered(s, n) }, 100},
		{"loaded", func(s *OpSet) *sequence {
			b := newSequenceBuilder(s, true)
			for i := range uint32(n) {
				b.add(newLamport(i, 0), newLamport(i+1, 0), StringValue("x"), 0)
			}
			return b.finish()
		}, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewOpSet()
			q := test.build(s)
			checkSequence(t, s, q)
			per := float64(q.size()) / n
			if t.Logf("%.1f bytes per element", per); per > test.limit {
				t.Errorf("%.1f bytes per element, want at most %v", per, test.limit)
			}
		})
	}
}

// TestSequenceSize compares what size says with what the runtime says.
func TestSequenceSize(t *testing.T) {
	for name, build := range map[string]func(*OpSet, int) *sequence{"typed": typed, "scattered": scattered} {
		t.Run(name, func(t *testing.T) {
			s := NewOpSet()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			q := build(s, 200_000)
			runtime.GC()
			runtime.ReadMemStats(&after)
			held, size := float64(after.HeapAlloc)-float64(before.HeapAlloc), float64(q.size())
			if size < 0.8*held || size > 1.25*held {
				t.Errorf("size is %.0f, the heap grew by %.0f", size, held)
			}
			runtime.KeepAlive(s)
		})
	}
}

// TestSequencePlaces bounds the search for the place of an insert, in orders of
// ids that make a search along the list long.
func TestSequencePlaces(t *testing.T) {
	const n = 40_000
	rng := rand.New(rand.NewPCG(1, 0))
	shuffled := rng.Perm(n)
	for _, test := range []struct {
		name string
		op   func(i int) (ref, counter uint32)
	}{
		{"descending at the head", func(i int) (uint32, uint32) { return 0, uint32(n - i) }},
		{"ascending at the head", func(i int) (uint32, uint32) { return 0, uint32(i + 1) }},
		{"shuffled at the head", func(i int) (uint32, uint32) { return 0, uint32(shuffled[i] + 1) }},
		{"descending behind the first of many", func(i int) (uint32, uint32) {
			if i < n/2 {
				return uint32(i), uint32(i + 1)
			}
			return 1, uint32(2*n - i)
		}},
		{"old ids in a text that was typed backwards", func(i int) (uint32, uint32) {
			if i < n/2 {
				return 0, uint32(n + i)
			}
			return 0, uint32(n - i)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewOpSet()
			s.actors.add("actor")
			q := newSequence(false)
			for i := range n {
				ref, counter := test.op(i)
				before := q.visits
				q.insert(s, newLamport(ref, 0), newLamport(counter, 0), NullValue())
				if steps := q.visits - before; steps > 2*leafSlots+2*nodeSlots*q.height {
					t.Fatalf("a search looked at %d spans and nodes in a tree of height %d", steps, q.height)
				}
			}
			checkSequence(t, s, q)
			if q.height > 5 {
				t.Errorf("height %d", q.height)
			}
		})
	}
}

// TestSequenceRejoins deletes every second character, which makes each a span of
// its own, and then the others.
func TestSequenceRejoins(t *testing.T) {
	const n = 50_000
	s := NewOpSet()
	q := typed(s, n)
	want := len(checkTree(t, s, q))
	for start := range 2 {
		for i := 1 + start; i <= n; i += 2 {
			q.delete(s, newLamport(uint32(i), 0), newLamport(uint32(n+i), 0))
		}
		checkSequence(t, s, q)
	}
	if got := len(checkTree(t, s, q)); got != want {
		t.Errorf("%d spans, want %d as before", got, want)
	}
}

// TestSequenceShrinks takes spans out of the tree until one is left.
func TestSequenceShrinks(t *testing.T) {
	s := NewOpSet()
	q := scattered(s, 5000)
	spans := checkTree(t, s, q)
	rng := rand.New(rand.NewPCG(1, 0))
	rng.Shuffle(len(spans)/2, func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
	for i, h := range spans[1:] {
		p := q.spans.at(h)
		q.grow(p.leaf, -int(p.count), -int(p.width))
		q.displace(h)
		q.retally(&s.actors, p.leaf)
		if i%100 == 0 && len(checkTree(t, s, q)) != len(spans)-i-1 {
			t.Fatalf("other than %d spans are left", len(spans)-i-1)
		}
	}
	if left := checkTree(t, s, q); len(left) != 1 || left[0] != spans[0] || q.height != 0 {
		t.Errorf("spans %v are left on %d levels of nodes, want %d on 0", left, q.height, spans[0])
	}
}
