package store

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// write is one submitted unit of work.
type write struct {
	apply func(*batch) error // an error refuses this write alone; it must come before the first put
	size  int64
	done  func(error)
	err   error

	numbered []numbering // of the commit, in the first of its writes
}

// overhead is what a write counts in the queue beyond its bytes.
const overhead = 256

// Stats counts what a store did since it was opened.
type Stats struct {
	Commits    uint64        // group commits
	Writes     uint64        // writes in them
	LastCommit time.Duration // how long the latest commit took
	Queued     int           // writes submitted and not yet picked up by a commit
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Queued = len(s.queue)
	return st
}

// submit queues a write. It blocks only for room in the queue.
func (s *Store) submit(ctx context.Context, size int, apply func(*batch) error, done func(error)) error {
	w := &write{apply: apply, done: done, size: min(int64(size)+overhead, s.o.QueueBytes)}
	if err := s.space.Acquire(ctx, w.size); err != nil {
		return fmt.Errorf("wait for room in the commit queue: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.submitted = time.Now()
	return s.enqueue(w)
}

// enqueue queues a write that has room. The caller holds mu.
func (s *Store) enqueue(w *write) error {
	if err := s.refusal(); err != nil {
		s.space.Release(w.size)
		return err
	}
	s.queue = append(s.queue, w)
	s.work.Signal()
	return nil
}

// refusal says why no write is accepted. The caller holds mu.
func (s *Store) refusal() error {
	if s.failure != nil {
		return s.failure
	}
	if s.closing {
		return ErrClosed
	}
	if s.readOnly {
		return ErrReadOnly
	}
	return nil
}

// runCommitter commits what has gathered until the store is closed and the queue empty, or until a commit fails.
func (s *Store) runCommitter() {
	defer s.running.Done()
	var spare []*write
	for {
		s.mu.Lock()
		for len(s.queue) == 0 && !s.closing {
			s.work.Wait()
		}
		group := s.queue
		s.queue = spare[:0]
		if len(group) > 0 && s.late != nil {
			group, s.late = append(group, s.late), nil
		}
		s.mu.Unlock()
		if len(group) == 0 {
			s.finish(nil, nil)
			return
		}
		start := time.Now()
		err := s.commit(group)
		s.finish(group, err)
		if err != nil {
			return
		}
		s.count(len(group), time.Since(start))
		clear(group)
		spare = group
	}
}

func (s *Store) count(writes int, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Commits++
	s.stats.Writes += uint64(writes)
	s.stats.LastCommit = took
}

// commit brings a group to the disk in one transaction. Any error leaves the state of the file unknown.
func (s *Store) commit(group []*write) (err error) {
	defer guard(&err, nil)()
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	b := newBatch(tx)
	b.tell = s.o.OnNumbered != nil
	for _, w := range group {
		w.err = w.apply(b)
		if b.failed != nil {
			return b.failed
		}
	}
	if b.puts == 0 {
		return nil
	}
	if err := s.commitTx(tx); err != nil {
		return err
	}
	for _, fn := range b.committed {
		fn()
	}
	group[0].numbered = b.numbered
	return nil
}

func (s *Store) commitTx(tx *bbolt.Tx) error {
	if h := s.o.hooks.before; h != nil {
		if err := h(); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if h := s.o.hooks.after; h != nil {
		return h()
	}
	return nil
}

// finish hands a group to the notifier and gives its room in the queue back. With an error it fails the store:
// what is queued fails too. Without a group it tells the notifier that nothing more will come.
func (s *Store) finish(group []*write, cause error) {
	var room int64
	s.mu.Lock()
	if cause != nil {
		s.failure = fmt.Errorf("%w: %w", ErrFailed, cause)
		group = append(group, s.queue...)
		s.queue = nil
		for _, w := range group {
			w.err = s.failure
		}
	}
	for _, w := range group {
		room += w.size
		w.apply = nil
	}
	s.finished = append(s.finished, group...)
	s.stopped = group == nil || cause != nil
	s.notify.Signal()
	s.mu.Unlock()
	s.space.Release(room)
}

// runNotifier calls the callbacks in order. Its list isn't bounded by itself but by the queue: callbacks hold no
// bytes, and a callback that submits must never be able to wait for itself.
func (s *Store) runNotifier() {
	defer s.running.Done()
	var spare []*write
	for {
		s.mu.Lock()
		for len(s.finished) == 0 && !s.stopped {
			s.notify.Wait()
		}
		group, stopped, failure := s.finished, s.stopped, s.failure
		s.finished = spare[:0]
		s.mu.Unlock()
		for _, w := range group {
			for _, n := range w.numbered {
				s.o.OnNumbered(n.name, Table(n.def.name), n.first, n.values)
			}
			if w.done != nil {
				w.done(w.err)
			}
		}
		if stopped {
			if failure != nil && s.o.OnFailure != nil {
				s.o.OnFailure(failure)
			}
			return
		}
		clear(group)
		spare = group
	}
}
