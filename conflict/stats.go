package conflict

import "sync/atomic"

// Stats counts what a ledger has done since it was made.
type Stats struct {
	Opened     uint64 // records made
	Reopened   uint64 // records that were closed and are open again
	Superseded uint64
	Resolved   uint64
	Values     uint64 // values written to records
	Swallowed  uint64 // records that became part of an earlier one
}

type counters struct {
	opened, reopened, superseded, resolved, values, swallowed atomic.Uint64
}

// Stats returns the counts.
func (l *Ledger) Stats() Stats {
	c := &l.stats
	return Stats{
		Opened: c.opened.Load(), Reopened: c.reopened.Load(), Superseded: c.superseded.Load(),
		Resolved: c.resolved.Load(), Values: c.values.Load(), Swallowed: c.swallowed.Load(),
	}
}

// count notes that a record's status has changed.
func (l *Ledger) count(before, after Status) {
	switch {
	case after == Resolved:
		l.stats.resolved.Add(1)
	case after == Superseded:
		l.stats.superseded.Add(1)
	case before != "":
		l.stats.reopened.Add(1)
	}
}
