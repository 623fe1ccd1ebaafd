package hub

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"concord/sync/wire"
)

// slowPipe is a client that takes nothing while it is stuck.
type slowPipe struct {
	*pipe
	mu    sync.Mutex // guards the following field
	stuck chan struct{}
}

// stick makes the client take nothing until the returned function is called.
func (p *slowPipe) stick() (free func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stuck := make(chan struct{})
	p.stuck = stuck
	return sync.OnceFunc(func() { close(stuck) })
}

func (p *slowPipe) Write(ctx context.Context, head, tail []byte) error {
	p.mu.Lock()
	stuck := p.stuck
	p.mu.Unlock()
	if stuck != nil {
		select {
		case <-stuck:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return io.ErrClosedPipe
		}
	}
	return p.pipe.Write(ctx, head, tail)
}

func (r *rig) connectSlow(s Session, peerID string) (*client, *slowPipe) {
	r.tb.Helper()
	p := &slowPipe{pipe: newPipe()}
	return r.over(p, p.pipe, s, peerID), p
}

func TestClientThatTakesNothingIsClosed(t *testing.T) {
	r := newRig(t, Options{WriteTimeout: 20 * time.Millisecond})
	a := r.connect(alice(), "a", "")
	b, slow := r.connectSlow(bob(), "b")
	ch := a.save(docA, "x")
	b.request(docA)
	b.has(docA, ch.Hash)
	defer slow.stick()()
	a.save(docA, "y")
	if code, reason := b.closed(); code != wire.CloseTryLater || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
	a.save(docA, "z") // the others go on
}

// What a slow client misses is put into one message when it can take one.
func TestSlowClientCoalesces(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	b, slow := r.connectSlow(bob(), "b")
	first := a.save(docA, "x")
	b.request(docA)
	b.has(docA, first.Hash)
	b.quiet()
	free := slow.stick()
	defer free()
	last := a.save(docA, "y") // is on its way to the slow client
	for range 50 {
		last = a.save(docA, "z")
	}
	before := r.hub.Stats().FramesOut
	free()
	waitFor(t, "messages", func() bool { return len(b.pipe.fromHub) == 2 })
	b.has(docA, last.Hash)
	b.quiet()
	a.quiet()
	if n := r.hub.Stats().FramesOut - before; n > 6 {
		t.Errorf("%d frames for 51 changes", n)
	}
}

func TestSlowClientLosesTheOldestPresence(t *testing.T) {
	const more = 10
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	b, slow := r.connectSlow(bob(), "b")
	ch := a.save(docA, "x")
	b.request(docA)
	b.has(docA, ch.Hash)
	b.quiet()
	a.quiet()
	free := slow.stick()
	defer free()
	const sent = maxPresence + more + 1 // one is being written
	for i := range sent {
		a.send(wire.Ephemeral{SenderID: "a", Document: docA, SessionID: "s", Count: uint64(i + 1), Data: []byte{1}})
		if i == 0 { // it may wait beside the others if they come before the writer has taken it
			waitFor(t, "writer", func() bool {
				p := r.peer(bob(), "b")
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.writing && len(p.presence) == 0
			})
		}
	}
	waitFor(t, "relay", func() bool { return r.hub.Stats().Ephemerals == sent })
	if n := r.hub.Stats().PresenceDropped; n != more {
		t.Errorf("%d were dropped, want %d", n, more)
	}
	free()
	counts := []uint64{1}
	for n := more + 2; n <= sent; n++ {
		counts = append(counts, uint64(n))
	}
	for _, want := range counts {
		if m, ok := b.next().(wire.Ephemeral); !ok || m.Count != want {
			t.Fatalf("got %#v, want number %d", m, want)
		}
	}
}

func TestTooManyDocumentsOnAConnection(t *testing.T) {
	r := newRig(t, Options{MaxDocuments: 1})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	a.request(docB)
	if code, reason := a.closed(); code != wire.CloseTooMany || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

func TestTooMuchSyncStateOnAConnection(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	r.peer(alice(), "a").stateBytes.Store(maxStateBytes)
	a.edit(docB, "y")
	a.speak(docB)
	if code, reason := a.closed(); code != wire.CloseTooMany || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

// peer returns a joined peer.
func (r *rig) peer(s Session, peerID string) *peer {
	r.tb.Helper()
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	p := r.hub.peers[peerKey{s.Company, peerID}]
	if p == nil {
		r.tb.Fatalf("peer %s isn't joined", peerID)
	}
	return p
}
