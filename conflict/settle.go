package conflict

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"concord/crdt"
	"concord/store"
)

// resolvePrefix is what the message of a change that resolves a conflict begins
// with; 32 hex digits follow.
const resolvePrefix = "Resolve conflict "

// resolvedBy reads the conflict that a message resolves.
func resolvedBy(message string) (ID, bool) {
	const digits = 2 * len(ID{})
	if len(message) < len(resolvePrefix)+digits || !strings.HasPrefix(message, resolvePrefix) {
		return ID{}, false
	}
	text := message[len(resolvePrefix):][:digits]
	x, err := ParseID(text)
	return x, err == nil && x.String() == text
}

// resolution describes the change, as what closes a record.
func (c *run) resolution() resolution {
	change := c.a.Change
	return resolution{
		Closer:   Closer{User: c.a.User, Device: c.a.Device, Change: change.Hash.String()},
		Received: c.a.Received, Start: change.StartOp, Seq: change.Seq, Actor: []byte(change.Actor),
	}
}

func (r *resolution) compare(other *resolution) int {
	return cmp.Or(cmp.Compare(r.Start, other.Start), bytes.Compare(r.Actor, other.Actor), cmp.Compare(r.Seq, other.Seq))
}

// decide takes notice of the change's message. Messages that came before needn't
// be looked at again: a record never grows but by a value of the change that has
// just come, and that nothing has seen before.
func (c *run) decide() error {
	x, ok := resolvedBy(c.a.Change.Message)
	if !ok {
		return nil
	}
	e := c.byID[x]
	if e == nil {
		return nil
	}
	if covers, err := c.covers(e); !covers || err != nil {
		return err
	}
	r := c.resolution()
	if e.body.By == nil || r.compare(e.body.By) < 0 {
		e.body.By = &r
		c.touch(e)
	}
	return nil
}

// covers reports whether the change has all values of an entry among its
// ancestors, or is their change.
func (c *run) covers(e *entry) (bool, error) {
	if err := c.open(e); err != nil || c.concurrent.empty() {
		return err == nil, err
	}
	if c.concurrent.has(e.unseen) {
		return false, nil
	}
	values, err := c.values(e)
	for op := range values {
		c.steps++
		if c.concurrent.has(op) {
			e.unseen = op
			return false, nil
		}
	}
	return err == nil, err
}

// value adds a write to the values of an entry, if it isn't one and there is room.
func (c *run) value(e *entry, w crdt.Write, field string, removal bool) error {
	values, err := c.values(e)
	if err != nil {
		return err
	}
	if _, ok := values[w.ID]; ok || len(values) >= MaxValues {
		return nil
	}
	v, err := c.side(w)
	if err != nil {
		return err
	}
	v.Place, v.Removal = field, removal
	if !e.has(flagReal) {
		e.flags |= flagReal
		e.body.Opened = c.a.Received
		c.rows = append(c.rows, indexRecords(&e.body.head, true)...)
		c.ledger.stats.opened.Add(1)
	}
	values[w.ID] = struct{}{}
	c.size += valueSize
	c.ledger.stats.values.Add(1)
	h := &e.body.head
	h.Values = len(values)
	if i, ok := slices.BinarySearch(h.Users, v.User); !ok && len(h.Users) < MaxUsers {
		h.Users = slices.Insert(h.Users, i, v.User)
	}
	if len(h.Sides) < maxSides {
		h.Sides = append(h.Sides, v)
	} else {
		c.rows = append(c.rows, valueRecord(c.key.Document, e.id, w.ID, v))
		if len(e.body.fresh) < maxToldSides-maxSides {
			e.body.fresh = append(e.body.fresh, v)
		}
	}
	return nil
}

// side describes a write.
func (c *run) side(w crdt.Write) (Value, error) {
	i, ok := c.a.Graph.ChangeOf(w.ID)
	if !ok {
		return Value{}, fmt.Errorf("op %s is of no change", w.ID)
	}
	by, err := c.authorOf(i)
	if err != nil {
		return Value{}, fmt.Errorf("read who made change %d: %w", i, err)
	}
	v := Value{
		Action: w.Action.String(), Change: c.a.Graph.HashAt(i).String(),
		User: by.user, Device: by.device, Received: by.received,
	}
	if t := time.Unix(by.claimed, 0).UTC(); by.claimed != 0 && 0 < t.Year() && t.Year() <= 9999 {
		v.Claimed = t // JSON has no place for other years, which anybody may claim
	}
	item := crdt.Item{ID: w.ID, Value: w.Value}
	switch w.Action {
	case crdt.ActionDelete, crdt.ActionMakeTable:
		v.Op = opText(w.ID)
		return v, nil
	case crdt.ActionMakeMap, crdt.ActionMakeList, crdt.ActionMakeText:
		item, _ = c.view.Object(w.ID)
	}
	v.Shown = shown(c.view, item)
	return v, nil
}

// reopenedAt changes the time when a record was opened.
func (c *run) reopenedAt(e *entry, t time.Time) {
	h := &e.body.head
	c.rows = append(c.rows, indexRecords(h, false)...)
	h.Opened = t
	c.rows = append(c.rows, indexRecords(h, true)...)
}

// drop takes away the record of an entry that has become a part of another.
// Comments and the assignee go there. Its values have been moved.
func (c *run) drop(e, into *entry) error {
	e.gone = true
	delete(c.byID, e.id)
	c.rows = append(c.rows, store.Record{Table: store.TableConflicts, Key: recordKey(c.key.Document, e.id)})
	if !e.has(flagReal) {
		return nil
	}
	c.rows = append(c.rows, indexRecords(&e.body.head, false)...)
	c.rows = append(c.rows, c.tellJoined(e, into, c.a.Received, c.a.User)...)
	c.ledger.stats.swallowed.Add(1)
	part := store.Range{Prefix: recordKey(c.key.Document, e.id)}
	return c.ledger.store.Scan(c.key.Company, store.TableConflictNotes, part, func(key, value []byte) error {
		moved := append(recordKey(c.key.Document, into.id), key[recordSize:]...)
		c.rows = append(c.rows,
			store.Record{Table: store.TableConflictNotes, Key: bytes.Clone(key)},
			store.Record{Table: store.TableConflictNotes, Key: moved, Value: bytes.Clone(value)})
		return nil
	})
}

// settle works out what a record says of its own state, before it is stored.
func (l *Ledger) settle(e *entry) {
	h := &e.body.head
	if !e.has(flagReal) {
		h.Kind, h.Status = "", ""
		return
	}
	switch {
	case e.has(flagLost):
		h.Kind = LostEdit
	case h.Update:
		h.Kind = UpdateUpdate
	default:
		h.Kind = DeleteUpdate
	}
	before, closer := h.Status, (*resolution)(nil)
	switch {
	case h.By != nil:
		h.Status, closer = Resolved, h.By
	case h.Next != nil:
		h.Status, closer = Superseded, h.Next
	default:
		h.Status = Open
	}
	h.Closer, h.Closed = nil, time.Time{}
	if closer != nil {
		h.Closer, h.Closed = &closer.Closer, closer.Received
	}
	if h.Status != before {
		l.count(before, h.Status)
	}
}

func decodeJSON(b []byte, to any) error {
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%w: %v: %w", errMalformed, err, store.ErrCorrupt)
	}
	return nil
}
