package hub

import (
	"context"
	"errors"
	"testing"
	"time"

	"concord/store"
	"concord/sync/wire"
)

// A change whose commit is under way when the server stops is acknowledged
// before its client is told to go.
func TestDrainAcknowledgesWhatItTook(t *testing.T) {
	r, s := newHookedRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	reached, free := make(chan struct{}), make(chan struct{})
	s.set(func(s *hookedStore) {
		s.onDone = func(store.Append) {
			close(reached)
			<-free
		}
	})
	last := a.edit(docA, "y")
	a.speak(docA)
	<-reached
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.hub.Drain(ctx) }()
	waitFor(t, "drain", r.hub.draining.Load)
	if code, _ := r.dial(bob()).closed(); code != wire.CloseRestarting {
		t.Errorf("connection while draining closed with %d", code)
	}
	select {
	case <-a.pipe.ended:
		t.Error("the client was told to go before its change was stored")
	default:
	}
	close(free)
	a.acked(docA, last.Hash)
	if code, reason := a.closed(); code != wire.CloseRestarting || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// A drain whose time is up leaves what isn't stored to the clients, who have it.
func TestDrainEndsWithItsContext(t *testing.T) {
	r, s := newHookedRig(t, Options{})
	a := r.connect(alice(), "a", "")
	reached, free := make(chan struct{}), make(chan struct{})
	defer close(free)
	s.set(func(s *hookedStore) {
		s.onDone = func(store.Append) {
			close(reached)
			<-free
		}
	})
	a.push(docA, a.edit(docA, "x"))
	<-reached
	ctx, cancel := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- r.hub.Drain(ctx) }()
	waitFor(t, "drain", r.hub.draining.Load)
	cancel()
	if err := <-drained; !errors.Is(err, context.Canceled) {
		t.Errorf("drained with %v", err)
	}
	if code, _ := a.closed(); code != wire.CloseRestarting {
		t.Errorf("closed with %d", code)
	}
}
