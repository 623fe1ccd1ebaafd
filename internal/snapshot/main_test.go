package snapshot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// history makes changes of a few actors, who mostly build on all that there is and sometimes on a part of it.
type history struct {
	rng     *rand.Rand
	graph   *crdt.Graph
	keys    map[string]crdt.OpID
	seqs    map[crdt.ActorID]uint32
	maxOps  map[crdt.Hash]uint32
	changes []*crdt.Change
}

func newHistory(seed uint64) *history {
	return &history{
		rng: rand.New(rand.NewPCG(seed, seed)), graph: crdt.NewGraph(), keys: make(map[string]crdt.OpID),
		seqs: make(map[crdt.ActorID]uint32), maxOps: make(map[crdt.Hash]uint32),
	}
}

// grow makes n more changes, each of which sets two fields.
func (h *history) grow(t testing.TB, n int) []*crdt.Change {
	t.Helper()
	first := len(h.changes)
	for len(h.changes) < first+n {
		deps := slices.Clone(h.graph.Heads())
		h.edit(t, 0, deps)
		if h.rng.IntN(4) == 0 && len(h.changes) < first+n {
			h.edit(t, 1, deps)
		}
	}
	return h.changes[first:]
}

// edit makes a change of an actor, which has fields of its own.
func (h *history) edit(t testing.TB, actor int, deps []crdt.Hash) {
	t.Helper()
	meta := crdt.ChangeMeta{Deps: deps, Actor: crdt.ActorID(fmt.Sprint("actor ", actor)), StartOp: 1, Time: 1_700_000_000}
	h.seqs[meta.Actor]++
	meta.Seq = h.seqs[meta.Actor]
	for _, d := range deps {
		meta.StartOp = max(meta.StartOp, h.maxOps[d]+1)
	}
	if len(h.changes)%5 == 0 {
		meta.Message = fmt.Sprint("change ", len(h.changes))
	}
	var ops []crdt.Op
	for range 2 {
		key := fmt.Sprint(meta.Actor, " field ", h.rng.IntN(6))
		op := crdt.Op{Action: crdt.ActionSet, Key: crdt.MapKey(key), Value: crdt.IntValue(h.rng.Int64N(1000))}
		if old, ok := h.keys[key]; ok {
			op.Preds = []crdt.OpID{old}
		}
		h.keys[key] = crdt.OpID{Counter: meta.StartOp + uint32(len(ops)), Actor: meta.Actor}
		ops = append(ops, op)
	}
	c, err := crdt.EncodeChange(meta, ops)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.graph.Append(c.Header()); err != nil {
		t.Fatal(err)
	}
	h.graph.Publish(h.graph.Staged())
	h.maxOps[c.Hash] = c.MaxOp()
	h.changes = append(h.changes, c)
}

// bench is a store with a pool.
type bench struct {
	t     testing.TB
	dir   string
	store *store.Store
	pool  *Pool
}

// newBench checks the store when the test ends.
func newBench(t testing.TB, o Options) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	s, err := store.Open(b.dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.store = s
	if b.pool, err = NewPool(s, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.end)
	return b
}

func (b *bench) end() {
	b.pool.Close()
	if err := b.store.Close(); err != nil {
		b.t.Error(err)
	}
	r, err := store.Check(context.Background(), b.dir, store.CheckOptions{NewDocument: func() store.DocumentVerifier { return NewVerifier() }})
	if err != nil {
		b.t.Error(err)
	}
	for _, f := range r.Faults {
		b.t.Errorf("fault: %v", f)
	}
}

func key(n byte) store.DocKey {
	return store.DocKey{Company: "acme", Document: id.DocumentID{n, 15: n}}
}

// append stores all of a history's changes that aren't stored.
func (b *bench) append(k store.DocKey, h *history) {
	b.t.Helper()
	info := b.info(k)
	a := store.Append{Doc: k, First: info.Changes, By: store.Attribution{User: "alice", Received: time.UnixMilli(0)}}
	for _, c := range h.changes[info.Changes:] {
		a.Changes = append(a.Changes, store.Change{Hash: store.Hash(c.Hash), Bytes: c.Bytes()})
	}
	for _, head := range h.graph.Heads() {
		a.Heads = append(a.Heads, store.Hash(head))
	}
	done := make(chan error, 1)
	if err := b.store.Append(b.t.Context(), a, func(err error) { done <- err }); err != nil {
		b.t.Fatal(err)
	}
	if err := <-done; err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) info(k store.DocKey) store.Info {
	b.t.Helper()
	info, _, err := b.store.Document(k)
	if err != nil {
		b.t.Fatal(err)
	}
	return info
}

// idle waits until the pool has nothing to do.
func (b *bench) idle() {
	b.t.Helper()
	for range 10_000 {
		if b.pool.Stats().Backlog == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	b.t.Fatalf("the pool doesn't come to rest: %+v", b.pool.Stats())
}

// expectDocument compares the stored document, snapshot and tail, with a history.
func (b *bench) expectDocument(k store.DocKey, h *history, covered int) {
	b.t.Helper()
	snap, _, err := b.store.Snapshot(k)
	if err != nil {
		b.t.Fatal(err)
	}
	if int(snap.Changes) != covered {
		b.t.Fatalf("snapshot covers %d changes, want %d", snap.Changes, covered)
	}
	var got []string
	if covered > 0 {
		c, _, err := crdt.NextChunk(snap.Chunk)
		if err == nil {
			_, err = c.ParseDocument(crdt.Limits{}, func(d crdt.DocumentChange) error { got = append(got, string(d.Raw)); return nil })
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	err = b.store.Changes(k, snap.Changes, uint64(len(h.changes)), func(_ uint64, c store.Change) error {
		got = append(got, string(c.Bytes))
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(got) != len(h.changes) {
		b.t.Fatalf("%d changes, want %d", len(got), len(h.changes))
	}
	for i, c := range h.changes {
		if got[i] != string(c.Bytes()) {
			b.t.Fatalf("change %d differs", i)
		}
	}
}
