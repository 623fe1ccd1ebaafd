package hub

import (
	"sync"
	"testing"
	"time"

	"concord/store"
	"concord/sync/wire"
)

// deafPipe is a client that doesn't take part in the close handshake: Close
// hangs until the test lets it go, and frames are read all the while.
type deafPipe struct {
	*pipe
	closing chan struct{}
	free    chan struct{}
	begin   sync.Once
}

func (p *deafPipe) Close(code wire.CloseCode, reason string) {
	p.begin.Do(func() { close(p.closing) })
	<-p.free
	p.pipe.Close(code, reason)
}

func (r *rig) dialDeaf(s Session, peerID string) (*client, *deafPipe) {
	d := &deafPipe{pipe: newPipe(), closing: make(chan struct{}), free: make(chan struct{})}
	return r.over(d, d.pipe, s, peerID), d
}

// Revoking must reach all connections at once, and nothing that they send
// afterwards may count, however long they stay.
func TestDisconnectDoesntWaitForClients(t *testing.T) {
	r := newRig(t, Options{})
	first, hung1 := r.dialDeaf(alice(), "1")
	_, hung2 := r.dialDeaf(alice(), "2")
	free := sync.OnceFunc(func() { close(hung1.free); close(hung2.free) })
	defer free()
	done := make(chan int)
	go func() {
		done <- r.hub.Disconnect(func(s Session) bool { return s.User == "alice" }, wire.CloseUnauthenticated, "revoked")
	}()
	for what, c := range map[string]<-chan struct{}{"first": hung1.closing, "second": hung2.closing} {
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s connection isn't being closed", what)
		}
	}
	if n := <-done; n != 2 {
		t.Errorf("disconnected %d", n)
	}
	first.push(docA, first.edit(docA, "too late"))
	waitFor(t, "end of reading", func() bool { return len(hung1.toHub) == 0 || r.hub.Stats().Peers == 0 })
	free()
	first.closed()
	waitFor(t, "end", func() bool { return r.hub.Stats().Connections == 0 })
	if _, found, err := r.store.Document(store.DocKey{Company: "acme", Document: docA}); found || err != nil {
		t.Errorf("a revoked connection's change was stored (%v)", err)
	}
}

// A client that comes back after its network went away meets its own half-open
// connection.
func TestRejoinDoesntWaitForTheOldConnection(t *testing.T) {
	r := newRig(t, Options{})
	_, hung := r.dialDeaf(alice(), "p")
	defer close(hung.free)
	again := r.connect(alice(), "p", "")
	again.save(docA, "x")
}

// The token is revoked after it was verified and before the connection is known.
func TestRevokedBeforeItWasConnected(t *testing.T) {
	r := newRig(t, Options{Revoked: func(s Session) bool { return s.User == "alice" }})
	if code, reason := r.dial(alice()).closed(); code != wire.CloseUnauthenticated || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
	r.connect(bob(), "b", "")
}

func TestFramesAfterLeaveAreDropped(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.send(wire.Leave{SenderID: "a"})
	a.request(docA)
	a.send(wire.Ephemeral{SenderID: "a", Document: docA, SessionID: "s", Count: 1, Data: []byte{1}})
	a.send(wire.Join{SenderID: "a"})
	if m, ok := a.next().(wire.Peer); !ok {
		t.Fatalf("got %#v", m)
	}
}

// A client above its rate waits without holding memory that others need, and
// no longer than its connection lives.
func TestWaitingForTheRateHoldsNoFrame(t *testing.T) {
	r := newRig(t, Options{MessageRate: 1, MessageBurst: 2})
	a := r.connect(alice(), "a", "")
	r.hub.mu.Lock()
	r.hub.users[userKey{"acme", "alice"}].limiter.SetLimit(1e-6)
	r.hub.mu.Unlock()
	a.request(docA)
	a.request(docB)
	if _, ok := a.next().(wire.DocUnavailable); !ok {
		t.Fatal("no answer")
	}
	if n := r.hub.Stats().FramesIn; n != 2 {
		t.Errorf("%d frames were read, want the join and one request", n)
	}
}
