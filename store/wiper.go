package store

import (
	"context"
	"sync"
)

// wiper is the state of the goroutine that deletes and wipes what was purged. It works in rounds: what is purged during
// one waits for the next.
type wiper struct {
	woken chan struct{} // capacity 1
	quit  chan struct{} // closed by Close

	mu  sync.Mutex // guards end
	end *wipeEnd   // of the round under way, or of the next one
}

// wipeEnd is the end of a round. An error says why there won't be another one.
type wipeEnd struct {
	done chan struct{}
	err  error // before done is closed
}

func newWiper() *wiper {
	return &wiper{
		woken: make(chan struct{}, 1), quit: make(chan struct{}),
		end: &wipeEnd{done: make(chan struct{})},
	}
}

func (w *wiper) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// finished returns the end of the round under way, or of the next one.
func (w *wiper) finished() *wipeEnd {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}

// finish ends a round. After an error there is no other one.
func (w *wiper) finish(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.err = err
	close(w.end.done)
	if err == nil {
		w.end = &wipeEnd{done: make(chan struct{})}
	}
}

func (e *wipeEnd) await(ctx context.Context) error {
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// runWiper deletes and wipes what was purged, also before the store was opened, until the store is closed or fails.
func (s *Store) runWiper() {
	defer s.running.Done()
	for {
		wiped, err := s.wipe()
		if err == nil && wiped {
			s.wiper.finish(nil)
			continue
		}
		if err == nil {
			select {
			case <-s.wiper.woken:
				continue
			case <-s.wiper.quit:
				err = ErrClosed
			}
		}
		s.wiper.finish(err)
		return
	}
}

// write queues a write and waits until it is durable.
func (s *Store) write(apply func(*batch) error) error {
	done := make(chan error, 1)
	if err := s.submit(context.Background(), 0, apply, func(err error) { done <- err }); err != nil {
		return err
	}
	return <-done
}
