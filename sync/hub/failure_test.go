package hub

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

func TestFailedAppendGivesItsBudgetBackOnce(t *testing.T) {
	r, s := newHookedRig(t, Options{})
	s.set(func(s *hookedStore) {
		s.onAppend = func(store.Append, func() error, func(error)) error { return store.ErrFailed }
	})
	for range 3 {
		a := r.connect(alice(), "a", "")
		a.push(docA, a.edit(docA, "x"))
		if code, reason := a.closed(); code != wire.CloseTryLater || reason == "" {
			t.Errorf("closed with %d %q", code, reason)
		}
	}
	if !r.hub.staged.TryAcquire(r.hub.opts.StagedBytes) {
		t.Fatal("the budget wasn't given back")
	}
	r.hub.staged.Release(r.hub.opts.StagedBytes)
}

// One peer's write is refused while another's is under way: the document's
// staged changes are void, and nobody may go on as if nothing had happened.
func TestFailedAppendLeavesNobodyWaiting(t *testing.T) {
	r, s := newHookedRig(t, Options{})
	a, released := r.connectCounting(alice(), "a")
	b := r.connect(bob(), "b", "")
	waitFor(t, "join handled", func() bool { return released.Load() == 1 })
	var submit func() error
	submitted, calls := make(chan struct{}), atomic.Int32{}
	s.set(func(s *hookedStore) {
		s.onAppend = func(_ store.Append, through func() error, _ func(error)) error {
			if calls.Add(1) == 1 {
				submit = through
				close(submitted)
				return nil
			}
			return store.ErrInvalid
		}
	})
	first, second := a.edit(docA, "x"), b.edit(docA, "y")
	a.push(docA, first)
	<-submitted
	b.push(docA, second)
	for _, c := range []*client{a, b} {
		if code, _ := c.closed(); code != wire.CloseTryLater {
			t.Errorf("closed with %d", code)
		}
	}

	if n := released.Load(); n != 1 {
		t.Fatal("the store still needs the frame, and it was given back")
	}

	// While it is unknown how the document ends up on disk, nobody gets to see it.
	early := r.connect(alice(), "early", "")
	early.request(docA)
	if code, _ := early.closed(); code != wire.CloseTryLater {
		t.Errorf("closed with %d", code)
	}

	if err := r.hub.Purge(t.Context(), keyOf(docA), purgeNow()); !errors.Is(err, ErrBusy) {
		t.Errorf("purge: %v, want ErrBusy", err)
	}

	s.set(func(s *hookedStore) { s.onAppend = nil })
	if err := submit(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "commit", func() bool {
		info, _, err := r.store.Document(store.DocKey{Company: "acme", Document: docA})
		return err == nil && info.Changes == 1
	})
	waitFor(t, "end of the write", func() bool {
		d := r.hub.acquire(alice().docKey(docA))
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.appends == 0
	})
	if n := released.Load(); n != 2 {
		t.Errorf("%d frames were given back, want 2", n)
	}
	a2, b2 := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	for old, again := range map[*client]*client{a: a2, b: b2} {
		again.docs = old.docs
		reload(t, again.doc(docA), again.doc(docA).state.Save())
		again.speak(docA)
	}
	a2.acked(docA, first.Hash)
	b2.acked(docA, second.Hash)
	a2.has(docA, second.Hash)
	b2.has(docA, first.Hash)
}

// The store calls back one document after the other; a document that is busy
// must not hold up the others' acknowledgements.
func TestBusyDocumentDoesntHoldUpOthers(t *testing.T) {
	r, s := newHookedRig(t, Options{})
	a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	a.save(docA, "w")
	a.quiet()

	reached, free := make(chan struct{}), make(chan struct{})
	s.set(func(s *hookedStore) {
		s.onDone = func(w store.Append) {
			if w.Doc.Document == docA {
				close(reached)
				<-free
			}
		}
	})
	slow := a.edit(docA, "x")
	a.push(docA, slow)
	<-reached
	d := r.hub.acquire(alice().docKey(docA))
	d.mu.Lock()
	unlock := sync.OnceFunc(d.mu.Unlock)
	defer unlock()
	close(free)
	b.save(docB, "y")
	unlock()
	a.acked(docA, slow.Hash)
}

func TestPanicCostsOneDocument(t *testing.T) {
	r, hooked := newHookedRig(t, Options{DocumentCache: 1, SaveInterval: 5 * time.Millisecond})
	a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	first, other := a.edit(docA, "x"), b.edit(docB, "x")
	a.speak(docA)
	a.acked(docA, first.Hash)
	b.speak(docB)
	b.acked(docB, other.Hash)
	waitFor(t, "eviction", func() bool { return r.hub.Stats().CacheBytes == 0 })

	hooked.set(func(s *hookedStore) {
		s.onRead = func(key store.DocKey) error {
			if key.Document == docA {
				panic("a fault of ours")
			}
			return nil
		}
	})
	a.edit(docA, "y")
	a.speak(docA)
	if code, reason := a.closed(); code != wire.CloseTryLater || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
	other = b.edit(docB, "y")
	b.speak(docB)
	b.acked(docB, other.Hash)

	hooked.set(func(s *hookedStore) { s.onRead = nil })
	again := r.connect(alice(), "a", "")
	again.docs = a.docs
	again.doc(docA).state = protocol.New(protocol.Options{})
	last := again.edit(docA, "z")
	again.speak(docA)
	again.acked(docA, last.Hash)
	if !r.hub.staged.TryAcquire(r.hub.opts.StagedBytes) {
		t.Error("the message that failed holds its budget for ever")
	} else {
		r.hub.staged.Release(r.hub.opts.StagedBytes)
	}
}
