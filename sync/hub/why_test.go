package hub

import (
	"errors"
	"testing"

	"concord/sync/wire"
)

// The log and the metrics live on this: who closed a connection, and why.
func TestServeTellsWhyAConnectionEnded(t *testing.T) {
	r := newRig(t, Options{})
	serve := func(end func(*pipe)) error {
		p, done := newPipe(), make(chan error, 1)
		go func() { done <- r.hub.Serve(t.Context(), p, alice()) }()
		waitFor(t, "connection", func() bool { return r.hub.Stats().Connections == 1 })
		end(p)
		err := <-done
		waitFor(t, "end", func() bool { return r.hub.Stats().Connections == 0 })
		return err
	}
	var ce *wire.CloseError
	if err := serve(func(p *pipe) { p.Close(1000, "bye") }); err == nil || errors.As(err, &ce) {
		t.Errorf("the client went away: %v", err)
	}
	if closes := r.hub.Stats().Closes; len(closes) != 0 {
		t.Errorf("a client that went away counts as closed by the server: %v", closes)
	}
	err := serve(func(*pipe) {
		r.hub.Disconnect(func(Session) bool { return true }, wire.CloseUnauthenticated, "revoked")
	})
	if !errors.As(err, &ce) || ce.Code != wire.CloseUnauthenticated || ce.Reason != "revoked" {
		t.Errorf("the hub closed it: %v", err)
	}
	if n := r.hub.Stats().Closes[wire.CloseUnauthenticated]; n != 1 {
		t.Errorf("counted %d times", n)
	}
}
