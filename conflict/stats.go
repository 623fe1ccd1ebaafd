package conflict

import "sync/atomic"

// Stats counts what a ledger has done since it was made.
type Stats struct {
	Opened     uint64 // records made
	Reopened   uint64
	Superseded uint64
	Resolved   uint64
	Joined     uint64 // writes that were added to a record
	Swallowed  uint64 // records that became part of an earlier one
}

type counters struct {
	opened, reopened, superseded, resolved, joined, swallowed atomic.Uint64
}

// Stats returns the counts.
func (l *Ledger) Stats() Stats {
	c := &l.stats
	return Stats{
		Opened: c.opened.Load(), Reopened: c.reopened.Load(), Superseded: c.superseded.Load(),
		Resolved: c.resolved.Load(), Joined: c.joined.Load(), Swallowed: c.swallowed.Load(),
	}
}
