package conflict

import (
	"errors"
	"slices"
	"time"

	"concord/crdt"
	"concord/events"
	"concord/internal/id"
	"concord/store"
)

// Types of the events by which the ledger tells what it records. Whoever takes
// those of a company's room one after the other has the ledger: ID, status,
// winner and number of values of each conflict.
const (
	// EventConflict is told when a conflict comes into being, grows, or is open
	// again.
	EventConflict = "document:conflict"
	// EventResolved is told when it isn't open any more.
	EventResolved = "conflict:resolved"
)

// Joined is the status in EventResolved of a conflict that has become a part of
// another. The ledger doesn't have it any more.
const Joined Status = "joined"

// maxToldSides is how many values an event tells.
const maxToldSides = 10

// news is the data of an event.
type news struct {
	Conflict ID            `json:"conflict"`
	Document id.DocumentID `json:"document"`
	Type     string        `json:"type,omitempty"`
	Ref      string        `json:"ref,omitempty"`
	Kind     Kind          `json:"kind"`
	Strategy string        `json:"strategy,omitempty"`
	Path     string        `json:"path,omitempty"`
	Field    string        `json:"field,omitempty"`
	Status   Status        `json:"status"`
	Rule     string        `json:"rule,omitempty"`
	Before   *Shown        `json:"before,omitempty"`
	Winner   *Shown        `json:"winner"`
	Values   []Value       `json:"values,omitempty"`
	Count    int           `json:"count"` // of all values
	More     int           `json:"more,omitempty"`
	By       string        `json:"by,omitempty"`
	Into     string        `json:"into,omitempty"`
}

func newsOf(r *Record, ref string, sides []Value, by string) news {
	n := news{
		Conflict: r.ID, Document: r.Document, Type: r.Type, Ref: ref, Kind: r.Kind, Strategy: Strategy, Path: r.Path, Field: r.Field,
		Status: r.Status, Rule: r.Rule, Before: r.Before, Winner: r.Winner, Count: r.Values, By: by,
	}
	if r.Kind == Guarded {
		n.Strategy = ""
	}
	n.Values = sides[:min(len(sides), maxToldSides)]
	n.More = max(0, r.Values-len(n.Values))
	return n
}

// tell returns the events of one type that go to the company, to those who look
// at the document, and to some users. An event that would be too large tells
// less.
func (n news) tell(company, name string, users []string, at time.Time) []store.Record {
	e := events.Event{Type: name, Time: at, Document: n.Document, Data: mustJSON(n)}
	if isRoom(events.UserRoom(n.By)) {
		e.From = n.By
	}
	rooms := []string{events.CompanyRoom(company), events.DocumentRoom(n.Document)}
	for _, u := range users {
		rooms = append(rooms, events.UserRoom(u))
	}
	rooms = slices.DeleteFunc(rooms, func(room string) bool { return !isRoom(room) })
	records, err := e.Records(rooms...)
	for level := 1; errors.Is(err, events.ErrTooLarge) && level <= 2; level++ {
		e.Data = mustJSON(n.less(level))
		records, err = e.Records(rooms...)
	}
	return records // none if even the least is too large
}

// isRoom tells whether anybody can be in a room: names may be too long.
func isRoom(room string) bool {
	_, err := events.ParseRoom(room)
	return err == nil
}

// less leaves out what may be long.
func (n news) less(level int) news {
	n.Before, n.Values, n.More = nil, nil, n.Count
	if n.Winner != nil {
		n.Winner = &Shown{Op: n.Winner.Op}
	}
	if level > 1 {
		n.Path, n.Field, n.Type, n.Ref, n.Rule, n.By = "", "", "", "", "", ""
	}
	return n
}

// Tell returns the events that tell what has become of a record that isn't the
// ledger's own: a proposal.
func Tell(company string, r Record, sides []Value, ref, by string) []store.Record {
	r.Values = len(sides)
	name := EventConflict
	if r.Status != Open {
		name = EventResolved
	}
	return newsOf(&r, ref, sides, by).tell(company, name, r.Users, r.Updated)
}

// outcome is what was told of a record. The zero value stands for nothing.
type outcome struct {
	status Status
	values int
	winner string   // op
	users  []string // who wrote the values
	losers []string // those of them whose values aren't shown; nil = not known yet
}

func outcomeOf(r *Record) outcome {
	o := outcome{status: r.Status, values: r.Values, users: slices.Clone(r.Users)}
	if r.Winner != nil {
		o.winner = r.Winner.Op
	}
	return o
}

// tell returns the events that tell what is different about an entry, since the
// last time.
func (w *watcher) tell(e *entry) []store.Record {
	if !e.has(flagReal) {
		return nil
	}
	b := e.body
	sides := append(slices.Clip(b.Sides), b.fresh...)
	before, after := b.told, outcomeOf(&b.Record)
	if before.status == after.status && before.values == after.values && before.winner == after.winner {
		return nil
	}
	if before.losers == nil {
		before.losers = w.losers(b.ID, sides, &before)
	}
	after.losers = w.losers(b.ID, sides, &after)
	b.told, b.fresh = after, nil
	users := after.losers
	if before.status == after.status {
		users = slices.DeleteFunc(slices.Clone(users), func(u string) bool { return slices.Contains(before.losers, u) })
	}
	n := newsOf(&b.Record, w.ref, sides, b.by)
	var all []store.Record
	grown := after.values > before.values
	if after.status == Open || grown {
		all = n.tell(w.key.Company, EventConflict, users, b.Updated)
	}
	if after.status != Open && !(grown && before.status == after.status) {
		all = append(all, n.tell(w.key.Company, EventResolved, users, b.Updated)...)
	}
	return all
}

// tellJoined returns the events that tell that a record is a part of another one.
func (w *watcher) tellJoined(e, into *entry, at time.Time, by string) []store.Record {
	b := e.body
	if b.told.status == "" {
		return nil
	}
	n := newsOf(&b.Record, w.ref, b.Sides, by)
	n.Status, n.Into = Joined, into.id.String()
	return n.tell(w.key.Company, EventResolved, nil, at)
}

// losers returns whose values aren't what the document shows.
func (w *watcher) losers(x ID, sides []Value, o *outcome) []string {
	winner := ""
	if i := slices.IndexFunc(sides, func(v Value) bool { return v.Op == o.winner }); i >= 0 {
		winner = sides[i].User
	} else if op, err := parseOp(o.winner); err == nil {
		winner = w.userOf(x, op)
	}
	losers := make([]string, 0, len(o.users))
	for _, u := range o.users {
		if u != winner {
			losers = append(losers, u)
		}
	}
	return losers
}

// userOf returns who wrote a value that has a record of its own; "" if there is
// none.
func (w *watcher) userOf(x ID, op crdt.OpID) string {
	value, ok, err := w.ledger.store.Get(w.key.Company, store.TableConflictValues, valueKey(w.key.Document, x, op))
	if err != nil || !ok {
		return ""
	}
	var v Value
	if decodeJSON(value, &v) != nil {
		return ""
	}
	return v.User
}
