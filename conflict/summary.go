package conflict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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
	Incomplete bool // there were more than were looked at: older ones
}

const (
	// MaxGroups is how many groups of one kind a summary has; of days, the last ones.
	MaxGroups = 100

	maxSummed = 100_000
	// maxPaired is how many users of one conflict make pairs.
	maxPaired = 8
)

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
	f := Filter{From: from, To: to, MayOpen: mayOpen}
	w := walk{ledger: l, company: company, filter: &f, listed: maxSummed, looked: maxSummed}
	if err := w.start(); err != nil {
		return Summary{}, err
	}
	s := summing{days: groups{}, fields: groups{}, types: groups{}, users: groups{}}
	s.ByStatus, s.ByKind = map[Status]int{}, map[Kind]int{}
	for {
		r, ok, err := w.next()
		if err != nil {
			return Summary{}, fmt.Errorf("count conflicts: %w", err)
		}
		if !ok {
			break
		}
		s.add(&r)
	}
	s.From, s.To, s.Incomplete = from, to, !w.done()
	return s.finish(), nil
}

type groups map[string]*Group

func (g groups) add(name string, open int) {
	if g[name] == nil {
		g[name] = &Group{Name: name}
	}
	g[name].Count++
	g[name].Open += open
}

type summing struct {
	Summary
	days, fields, types, users groups
	closed                     []time.Duration
}

func (s *summing) add(r *Record) {
	s.Total++
	s.ByStatus[r.Status]++
	s.ByKind[r.Kind]++
	open := 0
	if r.Status == Open {
		open = 1
	} else {
		s.closed = append(s.closed, max(0, r.Closed.Sub(r.Opened)))
	}
	s.days.add(r.Opened.UTC().Format(time.DateOnly), open)
	s.fields.add(r.Field, open)
	s.types.add(r.Type, open)
	users := r.Users[:min(len(r.Users), maxPaired)]
	for i, a := range users {
		for _, b := range users[i+1:] {
			s.users.add(a+" / "+b, open)
		}
	}
}

func (s *summing) finish() Summary {
	byName := func(a, b Group) int { return strings.Compare(a.Name, b.Name) }
	byCount := func(a, b Group) int { return cmp.Or(cmp.Compare(b.Count, a.Count), byName(a, b)) }
	s.ByField, s.ByType, s.ByUsers = s.fields.sorted(byCount), s.types.sorted(byCount), s.users.sorted(byCount)
	s.ByDay = s.days.sorted(func(a, b Group) int { return byName(b, a) })
	slices.Reverse(s.ByDay)
	if n := len(s.closed); n > 0 {
		slices.Sort(s.closed)
		s.TimeToEnd = Durations{n, s.closed[(n-1)/2], s.closed[(n-1)*9/10], s.closed[n-1]}
	}
	return s.Summary
}

// sorted returns the first groups in an order.
func (g groups) sorted(order func(a, b Group) int) []Group {
	all := make([]Group, 0, len(g))
	for _, group := range g {
		all = append(all, *group)
	}
	slices.SortFunc(all, order)
	return all[:min(len(all), MaxGroups)]
}
