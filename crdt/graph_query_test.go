package crdt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomGraph makes changes with several ops, without ops, and after gaps, of
// which the last few are staged.
func randomGraph(t *testing.T, rng *rand.Rand) (*Graph, []Header) {
	t.Helper()
	g := NewGraph()
	var all []Header
	last := make(map[ActorID]Hash)
	seqs := make(map[ActorID]uint32)
	for n := range 1 + rng.IntN(60) {
		h := Header{Hash: numbered(n + 1), Actor: ActorID([]byte{byte('a' + rng.IntN(5))}), NumOps: rng.IntN(4)}
		for range rng.IntN(4) {
			if n > 0 {
				h.Deps = append(h.Deps, all[n-1-rng.IntN(min(n, 6))].Hash)
			}
		}
		if before, ok := last[h.Actor]; ok {
			h.Deps = append(h.Deps, before)
		}
		h.StartOp = 1
		for _, other := range all {
			if slices.Contains(h.Deps, other.Hash) {
				h.StartOp = max(h.StartOp, other.MaxOp()+1)
			}
		}
		if h.NumOps > 0 && rng.IntN(4) == 0 {
			h.StartOp += uint32(rng.IntN(5))
		}
		seqs[h.Actor]++
		h.Seq = seqs[h.Actor]
		if _, err := g.Append(h); err != nil {
			t.Fatal(err)
		}
		last[h.Actor], all = h.Hash, append(all, h)
		if rng.IntN(20) == 0 {
			g.ChangeOf(OpID{1, h.Actor}) // so that the index has to follow
		}
	}
	g.Publish(g.Staged() - rng.IntN(min(5, g.Staged())))
	return g, all
}

// ancestry returns, for each change, the changes that it is or builds on.
func ancestry(all []Header) [][]bool {
	ancestors := make([][]bool, len(all))
	for i, h := range all {
		ancestors[i] = make([]bool, len(all))
		ancestors[i][i] = true
		for j := range i {
			if slices.Contains(h.Deps, all[j].Hash) {
				for k := range all {
					ancestors[i][k] = ancestors[i][k] || ancestors[j][k]
				}
			}
		}
	}
	return ancestors
}

func TestConcurrentAgainstSearch(t *testing.T) {
	rng := newRand(t)
	for range 500 {
		g, all := randomGraph(t, rng)
		ancestors := ancestry(all)
		for i, h := range all {
			deps, except := h.Deps, i
			if rng.IntN(3) == 0 {
				deps, except = []Hash{all[rng.IntN(len(all))].Hash, all[rng.IntN(len(all))].Hash, numbered(999)}, -1
			}
			var want []int
			for j := range all {
				known := false
				for k := range all {
					known = known || slices.Contains(deps, all[k].Hash) && ancestors[k][j]
				}
				if !known && j != except {
					want = append(want, j)
				}
			}
			if got := g.Concurrent(deps, except); !slices.Equal(got, want) {
				t.Fatalf("concurrent to %d: %v, want %v", except, got, want)
			}
		}
	}
}

func TestChangeOfAgainstSearch(t *testing.T) {
	rng := newRand(t)
	for range 500 {
		g, all := randomGraph(t, rng)
		graphs := []*Graph{g}
		if g.Len() == g.Staged() {
			graphs = append(graphs, restored(t, g))
		}
		for _, g := range graphs {
			checkChangeOf(t, g, all)
		}
	}
}

func checkChangeOf(t *testing.T, g *Graph, all []Header) {
	t.Helper()
	for i, h := range all {
		if got := g.StartOp(i); got != h.StartOp {
			t.Fatalf("change %d starts at %d, want %d", i, got, h.StartOp)
		}
	}
	for actor := byte('a'); actor < 'g'; actor++ {
		last := uint32(0)
		for n := range len(all) + 1 {
			if got := g.LastOp(ActorID([]byte{actor}), n); got != last {
				t.Fatalf("the last op of %c below %d is %d, want %d", actor, n, got, last)
			}
			if n < len(all) && all[n].Actor == ActorID([]byte{actor}) {
				last = all[n].MaxOp()
			}
		}
		for counter := range g.MaxOp() + 10 {
			want := -1
			for i, h := range all {
				if h.Actor == ActorID([]byte{actor}) && counter >= h.StartOp && counter <= h.MaxOp() {
					want = i
				}
			}
			got, ok := g.ChangeOf(OpID{counter, ActorID([]byte{actor})})
			if ok != (want >= 0) || ok && got != want {
				t.Fatalf("op %d of %c belongs to %d, %t, want %d", counter, actor, got, ok, want)
			}
		}
	}
}

// BenchmarkConcurrent asks what is concurrent to the newest of some changes
// beside each other.
func BenchmarkConcurrent(b *testing.B) {
	for _, history := range []int{1_000, 100_000} {
		for _, beside := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("history=%d/beside=%d", history, beside), func(b *testing.B) {
				g := typing(b, history)
				h := Header{}
				for i := range beside + 1 {
					h = step(history+i, ActorID(fmt.Sprint("device ", i)), 1, uint32(history+1), history-1)
					if _, err := g.Append(h); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					if got := g.Concurrent(h.Deps, g.Staged()-1); len(got) != beside {
						b.Fatal(len(got))
					}
				}
			})
		}
	}
}

func BenchmarkChangeOf(b *testing.B) {
	const history = 100_000
	g := typing(b, history)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		i := n * 7919 % history
		actor, _ := g.Author(i)
		if got, ok := g.ChangeOf(OpID{uint32(i + 1), actor}); !ok || got != i {
			b.Fatal(got, i)
		}
	}
}
