package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// wiper is the state of the goroutine that deletes and wipes what was purged. It works in rounds: what is purged during
// one waits for the next.
type wiper struct {
	woken chan struct{} // capacity 1
	quit  chan struct{} // closed by Close

	mu      sync.Mutex       // guards the following fields
	end     *wipeEnd         // of the round under way, or of the next one
	damaged map[string]error // keys of documents that can't be wiped, and why
}

// wipeEnd is the end of a round. An error says why there won't be another one.
type wipeEnd struct {
	done chan struct{}
	err  error // before done is closed
}

func newWiper() *wiper {
	return &wiper{
		woken: make(chan struct{}, 1), quit: make(chan struct{}),
		end: &wipeEnd{done: make(chan struct{})}, damaged: make(map[string]error),
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

// pause waits for the time between two attempts.
func (w *wiper) pause() error {
	select {
	case <-time.After(wipePause):
		return nil
	case <-w.quit:
		return ErrClosed
	}
}

// giveUp leaves a document as it is until the store is opened again.
func (w *wiper) giveUp(key []byte, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.damaged[string(key)] = why
}

// gaveUp says why a document won't be wiped, if that is so.
func (w *wiper) gaveUp(key []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.damaged[string(key)]
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
		if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFailed) {
			s.o.Logger.Error("purged documents are no longer wiped", "error", err)
		}
		s.wiper.finish(err)
		return
	}
}

// lull is how long nobody has to write for a late write to be committed alone.
const lull = 2 * time.Millisecond

// writeLate commits a write that nobody waits for, and returns when it is durable: it goes with the next batch of others,
// so that these wait for no commit but their own, or alone in a lull. Only the wiper calls it.
func (s *Store) writeLate(apply func(*batch) error) error {
	done := make(chan error, 1)
	w := &write{apply: apply, done: func(err error) { done <- err }, size: min(overhead, s.o.QueueBytes)}
	if err := s.space.Acquire(context.Background(), w.size); err != nil {
		return err
	}
	s.mu.Lock()
	s.late = w
	wait := lull - time.Since(s.submitted)
	s.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-time.After(wait):
	}
	if err := s.alone(w); err != nil {
		return err
	}
	return <-done
}

// alone queues a late write, unless it went with others.
func (s *Store) alone(w *write) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late != w {
		return nil
	}
	s.late = nil
	return s.enqueue(w)
}
