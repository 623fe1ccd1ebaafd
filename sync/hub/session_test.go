package hub

import (
	"context"
	"strings"
	"testing"
	"time"

	"concord/internal/id"
	"concord/sync/wire"
)

func TestSilentClientIsClosed(t *testing.T) {
	r := newRig(t, Options{HandshakeTimeout: 10 * time.Millisecond})
	if code, reason := r.dial(alice()).closed(); code != wire.CloseHandshake || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

func TestHandshake(t *testing.T) {
	r := newRig(t, Options{})
	early := r.dial(alice())
	early.send(wire.Request{SenderID: "x", Document: docA, Data: []byte{0x42, 0, 0, 0, 0}})
	if code, _ := early.closed(); code != wire.CloseMalformed {
		t.Errorf("request before join closed with %d", code)
	}
	garbage := r.dial(alice())
	garbage.pipe.toHub <- []byte{0xff, 0}
	if code, _ := garbage.closed(); code != wire.CloseMalformed {
		t.Errorf("garbage closed with %d", code)
	}
	old := r.dial(alice())
	old.send(wire.Join{SenderID: "x", Versions: []string{"99"}})
	if m, ok := old.next().(wire.Error); !ok || !strings.Contains(m.Message, "version") {
		t.Errorf("unknown version answered with %#v", m)
	}
}

func TestPipelinedJoin(t *testing.T) {
	r := newRig(t, Options{})
	c := r.dial(alice())
	c.id = "old"
	ch := c.edit(docA, "x")
	c.send(wire.Join{SenderID: "old"}) // no versions, no metadata, and no wait for the answer
	c.speak(docA)
	if _, ok := c.next().(wire.Peer); !ok {
		t.Fatal("no peer message first")
	}
	c.acked(docA, ch.Hash)
}

func TestSecondJoinReplacesTheFirst(t *testing.T) {
	r := newRig(t, Options{})
	first := r.connect(alice(), "p", "")
	r.connect(alice(), "p", "")
	if code, reason := first.closed(); code != wire.CloseReplaced || reason == "" {
		t.Errorf("first closed with %d %q", code, reason)
	}
	thief := r.dial(bob())
	thief.send(wire.Join{SenderID: "p"})
	if code, _ := thief.closed(); code != wire.CloseForbidden {
		t.Errorf("other user with the same peer ID closed with %d", code)
	}
}

func TestLeaveKeepsTheSocket(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	ch := a.save(docA, "x")
	b.request(docA)
	b.has(docA, ch.Hash)
	b.send(wire.Leave{SenderID: "b"})
	b.quiet()
	second := a.save(docA, "y")
	if m, err := b.receive(50 * time.Millisecond); err != errQuiet {
		t.Fatalf("after leave: %#v %v", m, err)
	}
	b.docs = map[id.DocumentID]*replica{}
	b.id = "b2"
	b.send(wire.Join{SenderID: "b2"})
	if _, ok := b.next().(wire.Peer); !ok {
		t.Fatal("no answer to the second join")
	}
	b.request(docA)
	b.has(docA, second.Hash)
}

func TestTokenExpiryAndRefresh(t *testing.T) {
	fresh := alice()
	r := newRig(t, Options{Authenticate: func(_ context.Context, token string) (Session, error) {
		s := fresh
		switch token {
		case "good":
			s.Expires = time.Now().Add(time.Hour)
		case "bobs":
			s = bob()
		case "viewer":
			s.ReadOnly = true
		}
		return s, nil
	}})
	s := alice()
	s.Expires = time.Now().Add(time.Second)
	a, b := r.connect(s, "a", ""), r.connect(s, "b", "")
	a.send(wire.Token{SenderID: "a", Token: "bobs"})
	if m, ok := a.next().(wire.TokenAnswer); !ok || m.Accepted {
		t.Fatalf("another user's token: %#v", m)
	}
	a.send(wire.Token{SenderID: "a", Token: "good"})
	if m, ok := a.next().(wire.TokenAnswer); !ok || !m.Accepted || m.Expires == 0 {
		t.Fatalf("own token: %#v", m)
	}
	if code, _ := b.closed(); code != wire.CloseUnauthenticated {
		t.Errorf("expired connection closed with %d", code)
	}
	if m, err := a.receive(200 * time.Millisecond); err != errQuiet {
		t.Errorf("refreshed connection: %#v %v", m, err)
	}
	a.send(wire.Token{SenderID: "a", Token: "viewer"})
	if code, _ := a.closed(); code != wire.CloseTryLater {
		t.Errorf("token with other rights closed with %d", code)
	}
}

func TestDisconnectReachesSocketsWithoutAPeer(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.dial(alice()), r.connect(bob(), "b", "")
	waitFor(t, "connections", func() bool { return r.hub.Stats().Connections == 2 })
	if n := r.hub.Disconnect(func(s Session) bool { return s.User == "alice" }, wire.CloseUnauthenticated, "revoked"); n != 1 {
		t.Errorf("disconnected %d", n)
	}
	if code, reason := a.closed(); code != wire.CloseUnauthenticated || reason != "revoked" {
		t.Errorf("closed with %d %q", code, reason)
	}
	if _, err := b.receive(50 * time.Millisecond); err != errQuiet {
		t.Error("the other user was disconnected too")
	}
}
