package hub

import (
	"testing"

	"concord/internal/id"
	"concord/sync/wire"
)

// slowDial opens a connection that takes a frame only when the test reads one.
func (r *rig) slowDial(s Session, peerID string) *client {
	c := &client{tb: r.tb, id: peerID, pipe: newPipe(), session: s, docs: make(map[id.DocumentID]*replica)}
	c.pipe.fromHub = make(chan []byte)
	r.wg.Go(func() { _ = r.hub.Serve(r.tb.Context(), c.pipe, s) })
	c.send(wire.Join{SenderID: peerID})
	return c
}

// The document appears after the server has found that it doesn't have it, and
// before it could say so.
func TestDocumentAppearsBeforeUnavailableIsTold(t *testing.T) {
	r := newRig(t, Options{})
	b := r.slowDial(bob(), "b")
	b.request(docA)
	d := r.hub.acquire(bob().docKey(docA))
	waitFor(t, "verdict", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.links) == 1 && d.links[0].tell
	})
	a := r.connect(alice(), "a", "")
	ch := a.save(docA, "x")
	if m, ok := b.next().(wire.Peer); !ok {
		t.Fatalf("got %#v", m)
	}
	b.has(docA, ch.Hash)
	if len(b.other) > 0 {
		t.Errorf("the client was told %#v of a document that exists", b.other[0])
	}
}

// Every request gets its answer, however many are sent at once: without one, a
// stock client waits for ever.
func TestManyForbiddenDocumentsAreAllAnswered(t *testing.T) {
	r := newRig(t, Options{})
	s := bob()
	s.MayOpen = func(id.DocumentID) bool { return false }
	b := r.slowDial(s, "b")
	const n = 3 * maxNotices
	for i := range n {
		b.request(id.DocumentID{0: byte(i), 1: byte(i >> 8), 15: 1})
	}
	if m, ok := b.next().(wire.Peer); !ok {
		t.Fatalf("got %#v", m)
	}
	for i := range n {
		if m, ok := b.next().(wire.DocUnavailable); !ok || m.Document != (id.DocumentID{0: byte(i), 1: byte(i >> 8), 15: 1}) {
			t.Fatalf("answer %d: %#v", i, m)
		}
	}
}
