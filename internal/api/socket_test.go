package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"concord/internal/auth"
	"concord/sync/wire"
)

func asClose(err error, ce *websocket.CloseError) bool { return errors.As(err, ce) }

func TestRefusalsAreToldInTheWebSocket(t *testing.T) {
	r := newRig(t, settings{handshake: 50 * time.Millisecond, maxMessage: 100 << 10})
	editor := token(t, "acme", "alice", auth.RoleEditor)
	past := signed(t, auth.Claims{Company: "acme", Subject: "alice", Role: auth.RoleEditor, IssuedAt: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)})
	for name, bearer := range map[string]string{"no token": "", "nonsense": "nonsense", "expired": past} {
		t.Run(name, func(t *testing.T) {
			r.wantClosed(r.dial("/v1/sync", bearer, websocket.DialOptions{}), wire.CloseUnauthenticated)
		})
	}
	t.Run("token in the URL", func(t *testing.T) {
		r.wantClosed(r.dial("/v1/sync?token="+editor, "", websocket.DialOptions{}), wire.CloseUnauthenticated)
	})
	t.Run("silent", func(t *testing.T) {
		r.wantClosed(r.dial("/v1/sync", editor, websocket.DialOptions{}), wire.CloseHandshake)
	})
	send := func(name string, kind websocket.MessageType, frame []byte, join bool, code wire.CloseCode) {
		t.Run(name, func(t *testing.T) {
			var c *websocket.Conn
			if join {
				c = r.join(editor, name)
			} else {
				c = r.dial("/v1/sync", editor, websocket.DialOptions{})
			}
			// The server may close before it has taken all of a large frame.
			_ = c.Write(t.Context(), kind, frame)
			r.wantClosed(c, code)
		})
	}
	send("text frame", websocket.MessageText, []byte("hello"), true, wire.CloseMalformed)
	send("empty frame", websocket.MessageBinary, nil, true, wire.CloseMalformed)
	send("garbage", websocket.MessageBinary, []byte{0xff, 1, 2}, true, wire.CloseMalformed)
	send("too large", websocket.MessageBinary, make([]byte, 100<<10+1), true, wire.CloseTooLarge)
	send("too large before joining", websocket.MessageBinary, make([]byte, 65<<10), false, wire.CloseTooLarge)
	send("no join", websocket.MessageBinary, wire.Request{SenderID: "x", Document: docA, Data: []byte{0x42, 0, 0, 0, 0}}.Append(nil), false, wire.CloseMalformed)
	t.Run("peer ID of another user", func(t *testing.T) {
		r.join(editor, "taken")
		c := r.dial("/v1/sync", token(t, "acme", "bob", auth.RoleEditor), websocket.DialOptions{})
		r.send(c, wire.Join{SenderID: "taken"})
		r.wantClosed(c, wire.CloseForbidden)
	})
	t.Run("replaced", func(t *testing.T) {
		c := r.join(editor, "twice")
		r.join(editor, "twice")
		r.wantClosed(c, wire.CloseReplaced)
	})
	t.Run("budget", func(t *testing.T) {
		waitFor(t, "frames given back", func() bool {
			return len(r.api.frames.medium) == mediumFrames && len(r.api.frames.large) == largeFrames
		})
	})
}

func TestTokenExpiresInMidConnection(t *testing.T) {
	r := newRig(t, settings{})
	// The verifier's leeway is part of the deadline.
	s := Session(auth.Principal{Deadline: time.Unix(5, 0)})
	if s.Expires != time.Unix(5, 0) {
		t.Errorf("expires %v", s.Expires)
	}
	if Session(auth.Principal{Role: auth.RoleViewer}).ReadOnly != true || Session(auth.Principal{Role: auth.RoleEditor}).ReadOnly {
		t.Error("read-only is for viewers")
	}
	if s := Session(auth.Principal{Role: auth.RoleEditor, Roles: []string{"sales"}}); fmt.Sprint(s.Roles) != "[editor sales]" {
		t.Errorf("roles %q", s.Roles)
	}
	late := signed(t, auth.Claims{Company: "acme", Subject: "alice", Role: auth.RoleEditor, IssuedAt: time.Now().Add(-time.Hour), Expires: time.Now().Add(-28 * time.Second)})
	c := r.join(late, "a")
	r.wantClosed(c, wire.CloseUnauthenticated)
}

func TestSubprotocolIsAnswered(t *testing.T) {
	r := newRig(t, settings{})
	c := r.dial("/v1/sync", "", websocket.DialOptions{Subprotocols: []string{"concord.v1", "bearer." + token(t, "acme", "alice", auth.RoleEditor)}})
	if got := c.Subprotocol(); got != "concord.v1" {
		t.Errorf("subprotocol %q", got)
	}
	r.send(c, wire.Join{SenderID: "a"})
	if m, ok := r.receive(c).(wire.Peer); !ok {
		t.Fatalf("got %#v", m)
	}
}

func TestConnectionsPerAddress(t *testing.T) {
	r := newRig(t, settings{perIP: 2, proxies: []string{"127.0.0.1"}})
	editor := token(t, "acme", "alice", auth.RoleEditor)
	from := func(ip string) websocket.DialOptions {
		return websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {ip}}}
	}
	first := r.dial("/v1/sync", editor, from("192.0.2.1"))
	r.dial("/v1/sync", editor, from("192.0.2.1"))
	r.wantClosed(r.dial("/v1/sync", editor, from("192.0.2.1")), wire.CloseTooMany)
	other := r.dial("/v1/sync", editor, from("192.0.2.2"))
	r.send(other, wire.Join{SenderID: "other"})
	if m, ok := r.receive(other).(wire.Peer); !ok {
		t.Fatalf("another address: %#v", m)
	}
	if err := first.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "room", func() bool {
		c := r.dial("/v1/sync", editor, from("192.0.2.1"))
		defer c.CloseNow()
		if err := c.Write(t.Context(), websocket.MessageBinary, wire.Join{SenderID: "again"}.Append(nil)); err != nil {
			return false
		}
		_, _, err := c.Read(t.Context())
		return err == nil
	})
}

// An untrusted client can't choose its address.
func TestForwardedForIsNotBelieved(t *testing.T) {
	r := newRig(t, settings{perIP: 1})
	editor := token(t, "acme", "alice", auth.RoleEditor)
	r.join(editor, "a")
	c := r.dial("/v1/sync", editor, websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {"192.0.2.9"}}})
	r.wantClosed(c, wire.CloseTooMany)
}

func TestSilentClientIsClosed(t *testing.T) {
	r := newRig(t, settings{pingInterval: 20 * time.Millisecond, pingTimeout: 50 * time.Millisecond})
	editor := token(t, "acme", "alice", auth.RoleEditor)
	r.join(editor, "deaf") // doesn't read, so it doesn't answer pings either
	waitFor(t, "close", func() bool { return r.hub.Stats().Closes[wire.CloseTryLater] == 1 })

	alive := r.join(editor, "alive")
	ctx := alive.CloseRead(t.Context())
	select {
	case <-ctx.Done():
		t.Error("a client that answers pings was closed")
	case <-time.After(500 * time.Millisecond):
	}
}

func TestDrain(t *testing.T) {
	r := newRig(t, settings{})
	c := r.join(token(t, "acme", "alice", auth.RoleEditor), "a")
	if status, _, _ := r.call("GET", "/ready", "", ""); status != http.StatusOK {
		t.Errorf("ready: %d", status)
	}
	drained := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() { drained <- r.api.Drain(ctx) }()
	r.wantClosed(c, wire.CloseRestarting)
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if status, _, answer := r.call("GET", "/ready", "", ""); status != http.StatusServiceUnavailable || !strings.Contains(answer["detail"].(string), "restarting") {
		t.Errorf("ready while draining: %d %v", status, answer)
	}
	if status, _, _ := r.call("GET", "/health", "", ""); status != http.StatusOK {
		t.Errorf("health while draining: %d", status)
	}
	r.wantClosed(r.dial("/v1/sync", token(t, "acme", "alice", auth.RoleEditor), websocket.DialOptions{}), wire.CloseRestarting)
}
