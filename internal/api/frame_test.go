package api

import (
	"testing"
	"time"

	"github.com/coder/websocket"

	"concord/internal/auth"
	"concord/sync/wire"
)

// trickle begins a message and sends parts of it at an interval, until all are
// sent or the connection ends.
func (r *rig) trickle(c *websocket.Conn, parts, size int, interval time.Duration) {
	w, err := c.Writer(r.tb.Context(), websocket.MessageBinary)
	if err != nil {
		return
	}
	for range parts {
		if _, err := w.Write(make([]byte, size)); err != nil {
			return
		}
		time.Sleep(interval)
	}
	_ = w.Close()
}

// A big history over a slow network takes as long as it takes. The client
// answers no ping before it is through.
func TestSlowMessageArrives(t *testing.T) {
	r := newRig(t, settings{pingInterval: 50 * time.Millisecond, pingTimeout: time.Second})
	r.api.frames.timeout = time.Second
	c := r.join(token(t, "acme", "alice", auth.RoleEditor), "a")
	r.trickle(c, 25, frameProgress, 100*time.Millisecond)
	r.wantClosed(c, wire.CloseMalformed) // it was read to its end, and makes no sense
}

func TestStalledMessageEnds(t *testing.T) {
	r := newRig(t, settings{})
	r.api.frames.timeout = 50 * time.Millisecond
	c := r.join(token(t, "acme", "alice", auth.RoleEditor), "a")
	w, err := c.Writer(t.Context(), websocket.MessageBinary)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 20<<10)); err != nil {
		t.Fatal(err)
	}
	r.wantClosed(c, wire.CloseTryLater)
	waitFor(t, "share given back", func() bool { return len(r.api.frames.medium) == mediumFrames })
}

// Slow clients mustn't keep big messages of all others waiting.
func TestSlowMessagesMakeRoomForOthers(t *testing.T) {
	r := newRig(t, settings{})
	r.api.frames.timeout = 300 * time.Millisecond
	editor := token(t, "acme", "alice", auth.RoleEditor)
	done := make(chan struct{}, largeFrames)
	for i := range largeFrames {
		c := r.join(editor, string(rune('a'+i)))
		go func() {
			defer func() { done <- struct{}{} }()
			w, err := c.Writer(t.Context(), websocket.MessageBinary)
			if err != nil {
				return
			}
			if _, err := w.Write(make([]byte, mediumFrame+1)); err != nil {
				return
			}
			for range 1000 {
				if _, err := w.Write(make([]byte, 2*frameProgress)); err != nil {
					return
				}
				time.Sleep(40 * time.Millisecond)
			}
		}()
	}
	waitFor(t, "slow messages", func() bool { return len(r.api.frames.large) == 0 })
	c := r.join(editor, "other")
	_ = c.Write(t.Context(), websocket.MessageBinary, make([]byte, mediumFrame+1))
	r.wantClosed(c, wire.CloseMalformed) // it was read
	r.hub.Disconnect(everybody, wire.CloseTryLater, "end of the test")
	for range largeFrames {
		<-done
	}
}
