package crdt

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestStagedIsInvisible(t *testing.T) {
	g := gateGraph(t)
	if g.Len() != 0 || g.Staged() != 3 || g.Has(numbered(1)) || !g.HasStaged(numbered(1)) || len(g.Heads()) != 0 || g.MaxOp() != 0 {
		t.Fatal("staged changes are visible")
	}
	if since := g.Since(nil); len(since) != 0 {
		t.Fatal(since)
	}
	g.Publish(2)
	first := g.Heads()
	if g.Len() != 2 || !slices.Equal(first, []Hash{numbered(2)}) || g.Has(numbered(3)) || g.MaxOp() != 2 {
		t.Fatal("two changes should be visible")
	}
	g.Publish(1)
	g.Publish(100)
	if g.Len() != 3 || len(g.Heads()) != 2 || g.MaxOp() != 5 {
		t.Fatal("all changes should be visible")
	}
	if !slices.Equal(first, []Hash{numbered(2)}) {
		t.Fatal("an old list of heads was modified")
	}
	if actor, seq := g.Author(1); actor != "a" || seq != 2 {
		t.Fatal(actor, seq)
	}
}

func TestRestore(t *testing.T) {
	g := NewGraph()
	var missing *MissingDepsError
	if err := g.Restore(step(2, "a", 2, 2, 1)); !errors.As(err, &missing) {
		t.Fatal(err)
	}
	for _, h := range []Header{step(1, "a", 1, 1), step(2, "a", 2, 2, 1), step(3, "b", 7, 1, 1)} { // no gate
		if err := g.Restore(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Restore(step(2, "a", 2, 2, 1)); !errors.Is(err, ErrKnown) {
		t.Fatal(err)
	}
	if g.Len() != 3 || len(g.Heads()) != 2 {
		t.Fatal(g.Len(), g.Heads())
	}
	mustAppend(t, g, step(4, "a", 3, 3, 2))
	if err := g.Restore(step(5, "a", 4, 4, 4)); err == nil {
		t.Fatal("restored while a change is staged")
	}
}

// naive is the graph as sets.
type naive struct {
	headers   []Header
	index     map[Hash]int
	ancestors []map[int]bool // or self
}

func (n *naive) add(h Header) {
	i := len(n.headers)
	above := map[int]bool{i: true}
	for _, d := range h.Deps {
		for a := range n.ancestors[n.index[d]] {
			above[a] = true
		}
	}
	n.headers, n.index[h.Hash], n.ancestors = append(n.headers, h), i, append(n.ancestors, above)
}

// verdict is what Append must say, by the letter of the rules.
func (n *naive) verdict(h Header) Reason {
	last, authors := -1, map[ActorID]bool{}
	for i, o := range n.headers {
		authors[o.Actor] = true
		if o.Actor == h.Actor {
			last = i
			if o.Seq == h.Seq {
				return ReasonDuplicateSeq
			}
		}
	}
	below := map[int]bool{}
	for _, d := range h.Deps {
		i, ok := n.index[d]
		if !ok {
			return "missing"
		}
		for a := range n.ancestors[i] {
			below[a] = true
		}
	}
	want := uint32(1)
	if last >= 0 {
		want = n.headers[last].Seq + 1
	}
	if h.Seq != want {
		return ReasonSeqGap
	}
	if last >= 0 && !below[last] {
		return ReasonNotLinear
	}
	for a := range below {
		if h.StartOp <= n.headers[a].MaxOp() {
			return ReasonStartOp
		}
	}
	for _, o := range h.OtherActors {
		if !authors[o] {
			return ReasonUnknownActor
		}
	}
	return ""
}

func (n *naive) reached(heads []Hash, published int) map[int]bool {
	all := map[int]bool{}
	for _, h := range heads {
		if i, ok := n.index[h]; ok && i < published {
			for a := range n.ancestors[i] {
				all[a] = true
			}
		}
	}
	return all
}

func (n *naive) heads(published int) (heads []Hash) {
	covered := map[int]bool{}
	for i := range published {
		for a := range n.ancestors[i] {
			if a != i {
				covered[a] = true
			}
		}
	}
	for i := range published {
		if !covered[i] {
			heads = append(heads, n.headers[i].Hash)
		}
	}
	SortHashes(heads)
	return heads
}

// draw makes a change that mostly, but not always, passes the gate.
func (n *naive) draw(t *rapid.T, label int) Header {
	h := Header{Hash: numbered(label), Actor: ActorID(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "actor"))}
	chance := func(percent int) bool { return rapid.IntRange(0, 99).Draw(t, "chance") < percent }
	if chance(50) {
		h.Deps = n.heads(len(n.headers))
	}
	for range rapid.IntRange(0, 3).Draw(t, "deps") {
		if len(n.headers) > 0 {
			low := 0
			if chance(70) {
				low = max(0, len(n.headers)-5)
			}
			h.Deps = append(h.Deps, n.headers[rapid.IntRange(low, len(n.headers)-1).Draw(t, "dep")].Hash)
		}
	}
	if chance(3) {
		h.Deps = append(h.Deps, numbered(1<<40+label))
	}
	for i, o := range n.headers {
		if o.Actor == h.Actor {
			h.Seq = o.Seq
			if chance(60) {
				h.Deps = append(h.Deps, n.headers[i].Hash)
			}
		}
	}
	h.Seq++
	h.NumOps = rapid.IntRange(0, 3).Draw(t, "ops")
	h.StartOp = 1
	for _, d := range h.Deps {
		if i, ok := n.index[d]; ok {
			h.StartOp = max(h.StartOp, n.headers[i].MaxOp()+1)
		}
	}
	if chance(5) {
		h.StartOp = max(1, h.StartOp-1)
	}
	if chance(5) {
		h.Seq += uint32(rapid.IntRange(0, 2).Draw(t, "skip"))
	}
	if chance(20) {
		h.OtherActors = []ActorID{ActorID(rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "other"))}
	}
	return h
}

func TestGraphAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, n := NewGraph(), &naive{index: map[Hash]int{}}
		for label := range rapid.IntRange(1, 60).Draw(t, "changes") {
			h := n.draw(t, label)
			want := n.verdict(h)
			_, err := g.Append(h)
			if got := verdictOf(err); got != want {
				t.Fatalf("verdict %q (%v), want %q", got, err, want)
			}
			if want == "" {
				n.add(h)
			}
			if rapid.Bool().Draw(t, "publish") {
				g.Publish(rapid.IntRange(0, g.Staged()).Draw(t, "published"))
			}
		}
		compareGraphs(t, g, n)
	})
}

func verdictOf(err error) Reason {
	var missing *MissingDepsError
	var refusal *RefusalError
	switch {
	case errors.As(err, &missing):
		return "missing"
	case errors.As(err, &refusal):
		return refusal.Reason
	case err != nil:
		return Reason(err.Error())
	}
	return ""
}

func compareGraphs(t *rapid.T, g *Graph, n *naive) {
	published := g.Len()
	if got, want := g.Heads(), n.heads(published); !slices.Equal(got, want) {
		t.Fatalf("heads %v, want %v", got, want)
	}
	for i, h := range n.headers {
		at, ok := g.Index(h.Hash)
		if ok != (i < published) || ok && (at != i || g.HashAt(at) != h.Hash) || !g.HasStaged(h.Hash) {
			t.Fatalf("index of change %d: %d, %v", i, at, ok)
		}
	}
	for range 6 {
		heads := []Hash{numbered(1 << 41)}
		for range rapid.IntRange(0, 4).Draw(t, "heads") {
			heads = append(heads, n.anyHash(t))
		}
		reached := n.reached(heads, published)
		var since, candidates, found []int
		for i := range published {
			if !reached[i] {
				since = append(since, i)
			}
			if rapid.Bool().Draw(t, "candidate") {
				candidates = append(candidates, i)
				if reached[i] {
					found = append(found, i)
				}
			}
		}
		if got := g.Since(heads); !slices.Equal(got, since) {
			t.Fatalf("since %v, want %v", got, since)
		}
		if got := g.AncestorsAmong(heads, candidates); !slices.Equal(got, found) {
			t.Fatalf("ancestors among %v: %v, want %v", candidates, got, found)
		}
	}
}

// anyHash draws the hash of any appended change.
func (n *naive) anyHash(t *rapid.T) Hash {
	if len(n.headers) == 0 {
		return Hash{}
	}
	return n.headers[rapid.IntRange(0, len(n.headers)-1).Draw(t, "head")].Hash
}

// typing returns a graph of n changes by a few actors, one change after the
// other, with a short concurrent branch now and then.
func typing(tb testing.TB, n int) *Graph {
	g := NewGraph()
	last := [3]int{-1, -1, -1}
	seqs := [3]uint32{}
	for i := range n {
		who := i / 50 % 3
		deps := []int{i - 1}
		switch {
		case i == 0:
			deps = nil
		case i%10 == 8 && i > 10: // beside the change before it
			deps = []int{i - 2}
		case i%10 == 9 && i > 10: // merges the two
			deps = []int{i - 2, i - 1}
		}
		if last[who] >= 0 && i%50 == 0 {
			deps = append(deps, last[who])
		}
		if i%10 == 8 {
			who = (who + 1) % 3
			if last[who] < 0 {
				who = (who + 2) % 3
				deps = []int{i - 1}
			}
		}
		seqs[who]++
		h := step(i, ActorID(fmt.Sprintf("actor-%011d", who)), seqs[who], uint32(i+1), deps...)
		if err := g.Restore(h); err != nil {
			tb.Fatal(err)
		}
		last[who] = i
	}
	return g
}

// At most 120 bytes for each change, at sizes just after and just before the
// table grows, measured and by Size.
func TestGraphMemory(t *testing.T) {
	for _, n := range []int{10_000, 50_000, 100_000} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		g := typing(t, n)
		if i, ok := g.ChangeOf(OpID{1, "actor-00000000000"}); !ok || i != 0 { // lists the changes of each actor
			t.Fatal(i, ok)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		measured := int(after.HeapAlloc-before.HeapAlloc) / n
		size := g.Size() / n
		if measured > 120 || size > 120 {
			t.Errorf("%d changes: %d bytes each measured, %d by Size", n, measured, size)
		}
		if size < measured*9/10 {
			t.Errorf("%d changes: Size says %d bytes each, measured %d", n, size, measured)
		}
		runtime.KeepAlive(g)
	}
}

// Asking for what is new costs the same however long the history is.
func BenchmarkGraphEdit(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("history=%d", n), func(b *testing.B) {
			g := typing(b, n)
			seq, at := uint32(0), n
			b.ReportAllocs()
			for b.Loop() {
				shared := g.Heads()
				seq++
				h := step(at, "somebody", seq, uint32(at+1), at-1)
				if _, err := g.Append(h); err != nil {
					b.Fatal(err)
				}
				at++
				g.Publish(at)
				if since := g.Since(shared); len(since) != 1 {
					b.Fatal(since)
				}
				if found := g.AncestorsAmong(shared, []int{at - 3, at - 2, at - 1}); len(found) != 2 {
					b.Fatal(found)
				}
			}
		})
	}
}

func BenchmarkGraphRestore(b *testing.B) {
	const n = 100_000
	b.ReportAllocs()
	for b.Loop() {
		typing(b, n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/change")
}

func TestStagedHeads(t *testing.T) {
	g := NewGraph()
	first := Header{Hash: Hash{2}, Actor: "a", Seq: 1, StartOp: 1, NumOps: 1}
	other := Header{Hash: Hash{1}, Actor: "b", Seq: 1, StartOp: 1, NumOps: 1}
	merge := Header{Hash: Hash{3}, Deps: []Hash{{2}, {1}}, Actor: "a", Seq: 2, StartOp: 2, NumOps: 1}
	for _, c := range []struct {
		h    Header
		want []Hash
	}{{first, []Hash{{2}}}, {other, []Hash{{1}, {2}}}, {merge, []Hash{{3}}}} {
		if _, err := g.Append(c.h); err != nil {
			t.Fatal(err)
		}
		if got := g.StagedHeads(); !slices.Equal(got, c.want) {
			t.Errorf("after %x: %x, want %x", c.h.Hash[0], got, c.want)
		}
	}
	if len(g.Heads()) != 0 {
		t.Error("staged changes are among the published heads")
	}
}
