package protocol

import (
	"slices"
	"testing"

	"concord/crdt"
)

// audience is a document with n peers in the same state.
func audience(t testing.TB, changes, n int) (*memory, []*State, *Cache) {
	t.Helper()
	d := history(t, changes)
	hello := mustGenerate(t, New(Options{Advertise: AdvertiseV2}), d, nil)
	cache := &Cache{}
	states := make([]*State, n)
	for i := range states {
		states[i] = New(Options{})
		d.receive(t, states[i], hello.Bytes)
		mustGenerate(t, states[i], d, cache)
		d.receive(t, states[i], hello.Bytes)
		states[i].Settle(d.graph)
	}
	return d, states, cache
}

func TestOneEncodingForAll(t *testing.T) {
	d, states, cache := audience(t, 200, 500)
	before := cache.Encodings()
	d.edit(t, 1000)
	var first *Encoded
	for _, s := range states {
		out := mustGenerate(t, s, d, cache)
		if out == nil || out.Changes != 1 {
			t.Fatal("want the new change")
		}
		if first == nil {
			first = out
		}
		if out != first {
			t.Fatal("a peer got a message of its own")
		}
	}
	if n := cache.Encodings() - before; n != 1 {
		t.Fatalf("%d encodings", n)
	}
	answer := Message{Version: V1, Heads: d.graph.Heads(), Have: []Have{{LastSync: d.graph.Heads()}}}
	for _, s := range states {
		s.Receive(d.document(), &answer, d.graph.Heads())
		if mustGenerate(t, s, d, cache) != nil {
			t.Fatal("still something to say")
		}
	}
	if n := cache.Encodings() - before; n != 1 {
		t.Fatalf("%d encodings", n)
	}
}

// A cached message must be what would be generated without a cache, for states
// that differ in one thing each.
func TestCacheKeepsStatesApart(t *testing.T) {
	d := history(t, 40)
	cache := &Cache{}
	last := d.graph.HashAt(20)
	for range 2 {
		for _, change := range []func(*State){
			func(*State) {},
			func(s *State) { s.set(theirV2, true) },
			func(s *State) { s.set(peerReadOnly, true) },
			func(s *State) { s.options.ReadOnlyPeer = true },
			func(s *State) { s.options.Advertise = AdvertiseV2 },
			func(s *State) { s.options.ChangeBytes = 500 },
			func(s *State) { s.RequestReset() },
			func(s *State) { s.RequestReset(); s.options.Advertise = AdvertiseV2; s.set(theirReset, true) },
			func(s *State) { s.sharedHeads = []crdt.Hash{last} },
			func(s *State) { s.theirHeads = nil },
			func(s *State) { s.theirHeads = nil; s.set(theirV2, true) },
			func(s *State) { s.theirHeads = []crdt.Hash{{1}} },
			func(s *State) { s.theirNeed = []crdt.Hash{last} },
			func(s *State) { s.theirHave = nil },
			func(s *State) { s.theirHave = []Have{{LastSync: []crdt.Hash{last}}, {}} },
			func(s *State) {
				s.theirHave = []Have{{Bloom: BuildBloom(30, d.graph.HashAt)}}
			},
			func(s *State) { s.sent = spans{{3, 9}} },
			func(s *State) { s.set(received, false) },
		} {
			state := func() *State {
				s := New(Options{})
				s.Receive(d.document(), &Message{Version: V1, Heads: []crdt.Hash{last}, Have: []Have{{LastSync: []crdt.Hash{last}}}}, d.graph.Heads())
				change(s)
				return s
			}
			a, b := state(), state()
			want, got := mustGenerate(t, a, d, nil), mustGenerate(t, b, d, cache)
			if !slices.Equal(want.Bytes, got.Bytes) || !slices.Equal(a.sent, b.sent) {
				t.Fatalf("cached\n%x\nwant\n%x", got.Bytes, want.Bytes)
			}
		}
	}
	if cache.Encodings() == 0 || cache.Encodings() > 18 {
		t.Fatalf("%d encodings", cache.Encodings())
	}
}

func TestCacheIsBounded(t *testing.T) {
	d := history(t, 3)
	cache := &Cache{}
	for i := range 2500 {
		mustGenerate(t, New(Options{ChangeBytes: i + 1}), d, cache)
	}
	if len(cache.entries) > maxCacheEntries {
		t.Fatalf("%d entries", len(cache.entries))
	}
	if cache.Encodings() != 2500 {
		t.Fatalf("%d encodings", cache.Encodings())
	}
}

func TestSpans(t *testing.T) {
	s := spansOf([]int{5, 1, 2, 9, 3})
	if !slices.Equal(s, spans{{1, 4}, {5, 6}, {9, 10}}) {
		t.Fatal(s)
	}
	u := s.union(spans{{0, 1}, {4, 5}, {7, 12}})
	if !slices.Equal(u, spans{{0, 6}, {7, 12}}) {
		t.Fatal(u)
	}
	for i, want := range []bool{true, true, true, true, true, true, false, true} {
		if u.contains(i) != want {
			t.Fatal(i)
		}
	}
	if got := u.minus([]int{0, 3, 11}); !slices.Equal(got, spans{{1, 3}, {4, 6}, {7, 11}}) {
		t.Fatal(got)
	}
}
