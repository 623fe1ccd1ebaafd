package conflict

import (
	"context"
	"io"
	"time"

	"concord/internal/id"
)

// Summary counts the conflicts that were opened in a time. Groups are sorted by
// count, the largest first; at most MaxGroups of each kind are told.
type Summary struct {
	From, To   time.Time
	Total      int
	ByStatus   map[Status]int
	ByKind     map[Kind]int
	ByDay      []Group // name: 2006-01-02 in UTC; in the order of days
	ByField    []Group
	ByType     []Group
	ByUsers    []Group // name: two users, sorted, with " / " between them
	TimeToEnd  Durations
	Incomplete bool // there were more than were looked at
}

// MaxGroups is how many groups of one kind a summary has.
const MaxGroups = 100

// Group is a count of conflicts with something in common.
type Group struct {
	Name  string
	Count int
	Open  int
}

// Durations describe how long conflicts were open before somebody resolved them
// or a later write superseded them.
type Durations struct {
	Count            int
	Median, P90, Max time.Duration
}

// Summary counts conflicts opened from <= t < to; zero times are open ends.
func (l *Ledger) Summary(company string, from, to time.Time, mayOpen func(id.DocumentID) bool) (Summary, error) {
	return Summary{}, nil
}

// CSV writes all conflicts that the filter lets through as RFC 4180 says, with a
// line of titles; cursor and limit are ignored. Cells that a spreadsheet would
// take for formulas get an apostrophe in front.
func (l *Ledger) CSV(ctx context.Context, w io.Writer, company string, f Filter) error { return nil }
