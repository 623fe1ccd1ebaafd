// Package snapshot replaces the first changes of stored documents with document chunks, in the background, and proves
// that such a chunk holds exactly the changes that it stands for before it takes their place.
package snapshot

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"concord/store"
)

// Options tunes a Pool. The zero value is usable.
type Options struct {
	Workers int // documents at a time, each of them in memory as a whole; default 1
	Policy  Policy
	Log     *slog.Logger     // nil discards
	Now     func() time.Time // clock of ages and durations; nil means time.Now

	open openFunc // what builds documents; nil means crdt
}

func (o Options) withDefaults() Options {
	if o.Workers == 0 {
		o.Workers = 1
	}
	o.Policy = o.Policy.withDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.open == nil {
		o.open = openDocument
	}
	return o
}

// Pool writes snapshots with a bounded number of workers. All methods are safe for concurrent use.
type Pool struct {
	store  *store.Store
	o      Options
	cancel context.CancelFunc
	wake   chan struct{} // capacity 1: somebody waits
	wg     sync.WaitGroup

	mu      sync.Mutex // guards the following fields
	waiting map[store.DocKey]request
	order   []store.DocKey // the keys of waiting, first come first
	active  map[store.DocKey]struct{}
	failed  map[store.DocKey]uint64 // changes of documents that couldn't be snapshot
	stats   Stats
}

// request is a document that waits for a worker.
type request struct {
	cold  bool
	since time.Time
}

// Stats counts what a pool did, and shows what it has before it.
type Stats struct {
	Written  uint64        // snapshots
	Failed   uint64        // documents of which no snapshot could be made; their changes stay as they are
	Changes  uint64        // in the snapshots written, covered ones counted each time
	BytesIn  uint64        // read: former snapshots and changes
	BytesOut uint64        // written: chunks and graphs
	Busy     time.Duration // that workers spent, also on what failed
	Backlog  int           // documents that wait, or are worked on
	Oldest   time.Duration // how long the first of those that wait has been waiting
}

// NewPool starts the workers. The store must stay open until Close has returned.
func NewPool(s *store.Store, o Options) (*Pool, error) {
	if o.Workers < 0 {
		return nil, fmt.Errorf("snapshot workers are %d, at least 1 is needed", o.Workers)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Pool{
		store: s, o: o.withDefaults(), cancel: cancel, wake: make(chan struct{}, 1),
		waiting: make(map[store.DocKey]request), active: make(map[store.DocKey]struct{}), failed: make(map[store.DocKey]uint64),
	}
	for range p.o.Workers {
		p.wg.Go(func() { p.work(ctx) })
	}
	return p, nil
}

// Close waits for the workers. What they have not finished is left to another time: nothing is lost with it.
func (p *Pool) Close() {
	p.cancel()
	p.wg.Wait()
}

// Due tells whether Want would lead to a snapshot; see Policy.Due.
func (p *Pool) Due(info store.Info, cold bool) bool { return p.o.Policy.Due(info, cold) }

// Want asks for a snapshot of a document, and returns at once. When the document's turn comes it must still be due. A
// document that waits already isn't added again.
func (p *Pool) Want(key store.DocKey, cold bool) {
	p.mu.Lock()
	r, known := p.waiting[key]
	if !known {
		r.since = p.o.Now()
		p.order = append(p.order, key)
	}
	r.cold = r.cold || cold
	p.waiting[key] = r
	p.mu.Unlock()
	p.signal()
}

func (p *Pool) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Stats returns the counters.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stats
	st.Backlog = len(p.waiting) + len(p.active)
	if len(p.order) > 0 {
		st.Oldest = p.o.Now().Sub(p.waiting[p.order[0]].since)
	}
	return st
}

func (p *Pool) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		for ctx.Err() == nil {
			key, cold, ok := p.take()
			if !ok {
				break
			}
			p.serve(ctx, key, cold)
		}
	}
}

// take returns the document whose turn it is. No two workers have the same one.
func (p *Pool) take() (key store.DocKey, cold, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, key := range p.order {
		if _, busy := p.active[key]; busy {
			continue
		}
		p.order = slices.Delete(p.order, i, i+1)
		cold := p.waiting[key].cold
		delete(p.waiting, key)
		p.active[key] = struct{}{}
		if len(p.order) > 0 {
			p.signal() // another worker may be free
		}
		return key, cold, true
	}
	return store.DocKey{}, false, false
}

// serve writes one document's snapshot and takes note of the outcome.
func (p *Pool) serve(ctx context.Context, key store.DocKey, cold bool) {
	start := p.o.Now()
	job := job{pool: p, key: key}
	err := job.run(ctx, cold)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.active, key)
	p.stats.Busy += p.o.Now().Sub(start)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		p.stats.Failed++
		p.failed[key] = job.info.Changes
		p.o.Log.Error("snapshot not written; the document's changes stay as they are",
			"document", key.Document.String(), "changes", job.info.Changes, "error", err)
	case job.written:
		delete(p.failed, key)
		p.stats.Written++
		p.stats.Changes += job.info.Changes
		p.stats.BytesIn += job.in
		p.stats.BytesOut += job.out
	}
	if _, again := p.waiting[key]; again {
		p.signal()
	}
}

// retry is how many times its changes a document must have before it is tried again after a failure.
const retry = 2

// hopeless tells whether a document has failed before and not changed by much since.
func (p *Pool) hopeless(key store.DocKey, changes uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, failed := p.failed[key]
	return failed && changes < retry*at
}
