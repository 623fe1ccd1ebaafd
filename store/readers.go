package store

import "sync"

// readers knows which read transactions are open, so that a wipe can wait for the end of those that began before it:
// bbolt keeps for them what they may still see.
type readers struct {
	mu  sync.Mutex // guards the fields, and those of all groups
	now *readerGroup
}

// readerGroup is the read transactions that began between two turns.
type readerGroup struct {
	open  int
	past  bool          // no more come
	ended chan struct{} // closed when past and none is open
}

// begin counts a transaction that is about to begin; its end calls leave with the group.
func (r *readers) begin() *readerGroup {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		r.now = &readerGroup{ended: make(chan struct{})}
	}
	r.now.open++
	return r.now
}

func (r *readers) leave(g *readerGroup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g.open--; g.open == 0 && g.past {
		close(g.ended)
	}
}

// turn returns a channel that is closed when all transactions have ended that begin counted since the last turn. Who
// turns waits for it before the next turn.
func (r *readers) turn() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.now
	r.now = &readerGroup{ended: make(chan struct{})}
	if g == nil {
		g = &readerGroup{ended: make(chan struct{})}
	}
	g.past = true
	if g.open == 0 {
		close(g.ended)
	}
	return g.ended
}
