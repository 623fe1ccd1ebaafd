package hub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"concord/sync/wire"
)

// Drain ends all connections in good order: no further ones are admitted and
// nothing more is read; what was received is committed and acknowledged; then
// every client is told that the server restarts (1012). When ctx ends before
// that, the clients are told at once and ctx's error is returned. The store
// must stay open until Close has returned.
func (h *Hub) Drain(ctx context.Context) error {
	h.draining.Store(true)
	err := h.settled(ctx)
	h.closeAll()
	if e := none(ctx, &h.readers); err == nil {
		err = e
	}
	return err
}

// settled waits until nothing that was received waits for its commit and no
// writer has anything left to write.
func (h *Hub) settled(ctx context.Context) error {
	if err := h.staged.Acquire(ctx, h.opts.StagedBytes); err != nil {
		return err
	}
	h.staged.Release(h.opts.StagedBytes)
	return none(ctx, &h.writers)
}

// closeAll closes the connections side by side, for a close handshake takes a
// round trip.
func (h *Hub) closeAll() {
	var closing sync.WaitGroup
	for _, c := range h.connected() {
		closing.Go(func() {
			c.close(wire.CloseRestarting, "the server is restarting; come back in a moment")
		})
	}
	closing.Wait()
}

// none waits until a count of running goroutines is zero.
func none(ctx context.Context, running *atomic.Int64) error {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for running.Load() > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close ends what is left of all connections, saves the sync states and waits
// for the hub's goroutines. It is idempotent.
func (h *Hub) Close() {
	h.draining.Store(true)
	h.closeAll()
	_ = none(context.Background(), &h.readers)
	h.cancel()
	_ = none(context.Background(), &h.writers)
	h.sweeper.Wait()
	h.saveAll()
}
