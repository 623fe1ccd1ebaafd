package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/wire"
)

// hookedStore is a real store whose calls a test can hold up or make fail. A
// nil hook lets the call through.
type hookedStore struct {
	*store.Store

	mu       sync.Mutex // guards the following fields; the hooks get the first Append of a write
	onAppend func(a store.Append, through func() error, done func(error)) error
	onDone   func(a store.Append)
	onRead   func(store.DocKey) error

	chunks atomic.Uint64 // snapshots read
}

func (s *hookedStore) ViewChunk(key store.DocKey, fn func(store.Snapshot) error) error {
	s.chunks.Add(1)
	return s.Store.ViewChunk(key, fn)
}

func (s *hookedStore) set(change func(*hookedStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *hookedStore) AppendAll(ctx context.Context, list []store.Append, done func(error)) error {
	a := list[0]
	s.mu.Lock()
	onAppend, onDone := s.onAppend, s.onDone
	s.mu.Unlock()
	if onDone != nil {
		inner := done
		done = func(err error) {
			onDone(a)
			inner(err)
		}
	}
	through := func() error { return s.Store.AppendAll(ctx, list, done) }
	if onAppend != nil {
		return onAppend(a, through, done)
	}
	return through()
}

func (s *hookedStore) Document(key store.DocKey) (store.Info, bool, error) {
	s.mu.Lock()
	onRead := s.onRead
	s.mu.Unlock()
	if onRead != nil {
		if err := onRead(key); err != nil {
			return store.Info{}, false, err
		}
	}
	return s.Store.Document(key)
}

// failAppends makes every write fail that is still to be submitted.
func failAppends(s *hookedStore) {
	s.onAppend = func(store.Append, func() error, func(error)) error { return store.ErrFailed }
}

// newHookedRig is newRig over a hookedStore.
func newHookedRig(tb testing.TB, o Options) (*rig, *hookedStore) {
	tb.Helper()
	r := &rig{tb: tb, dir: tb.TempDir()}
	s, err := store.Open(r.dir, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	hooked := &hookedStore{Store: s}
	h, err := New(hooked, o)
	if err != nil {
		tb.Fatal(err)
	}
	r.store, r.hub = s, h
	tb.Cleanup(r.stop)
	return r, hooked
}

// push sends a change unasked, whatever the state machine would say.
func (c *client) push(doc id.DocumentID, ch *crdt.Change) {
	c.send(wire.Sync{SenderID: c.id, Document: doc, Data: rawSync([]crdt.Hash{ch.Hash}, ch.Bytes())})
}

// countingPipe counts the frames whose memory the hub has given back.
type countingPipe struct {
	*pipe
	released *atomic.Int32
}

func (p countingPipe) Read(limit int) (Frame, error) {
	f, err := p.pipe.Read(limit)
	f.Release = func() { p.released.Add(1) }
	return f, err
}

// connectCounting joins a client over a countingPipe.
func (r *rig) connectCounting(s Session, peerID string) (*client, *atomic.Int32) {
	r.tb.Helper()
	p := countingPipe{newPipe(), new(atomic.Int32)}
	return r.over(p, p.pipe, s, peerID), p.released
}
