package documents

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// maxFields is how many fields of one change are listed.
const maxFields = 50

// Entry is a change in a document's history.
type Entry struct {
	Hash          crdt.Hash
	Deps          []crdt.Hash
	Actor         crdt.ActorID
	Seq           uint32
	User, Device  string
	Received      time.Time
	Claimed       time.Time // zero: the change names none
	Message       string
	Ops           int
	Fields        []Field // in the order of their first op
	FieldsLeftOut bool    // there are more
}

// Field is a place that a change wrote: of a text, the text as a whole.
type Field struct {
	Field string // the path with * for each index of a list
	Path  string // at present: where the place is, or would be if it were visible
}

// History is a part of a document's history.
type History struct {
	Entries []Entry // newest first, in the order of receipt
	Next    string  // cursor of the next part; "" = this is the last one
}

// History returns a document's changes.
func (s *Service) History(ctx context.Context, c Caller, doc id.DocumentID, cursor string, limit int) (History, error) {
	position, err := parseCursor(cursorChanges, cursor)
	if err == nil {
		err = s.mayRead(ctx, c, doc)
	}
	if err != nil {
		return History{}, err
	}
	key := c.key(doc)
	info, ok, err := s.store.Document(key)
	if err == nil && !ok {
		err = hub.ErrNotFound
	}
	if err != nil {
		return History{}, refused(doc, err)
	}
	to := int(info.Changes)
	if position != nil {
		to = int(min(binary.BigEndian.Uint64(position), info.Changes))
	}
	from := max(0, to-limit)
	h, err := s.entries(ctx, c, doc, from, to)
	if err != nil {
		return History{}, refused(doc, err)
	}
	if from > 0 {
		h.Next = indexCursor(uint64(from))
	}
	return h, nil
}

// entries describes the changes from <= i < to, newest first.
func (s *Service) entries(ctx context.Context, c Caller, doc id.DocumentID, from, to int) (History, error) {
	key := c.key(doc)
	changes, err := s.changes(ctx, key, from, to)
	if err != nil {
		return History{}, err
	}
	var indexes []int
	for i := from; i < to; i++ {
		indexes = append(indexes, i)
	}
	by, err := s.attributions(key, indexes)
	if err != nil {
		return History{}, err
	}
	h := History{Entries: make([]Entry, 0, len(changes))}
	for i, change := range slices.Backward(changes) {
		h.Entries = append(h.Entries, entryOf(change, by[from+i]))
	}
	err = s.hub.Read(ctx, key, func(r hub.Reading) error {
		for i, change := range slices.Backward(changes) {
			h.Entries[len(changes)-1-i].touched(r, change)
		}
		return nil
	})
	return h, err
}

func entryOf(c *crdt.Change, by store.Attribution) Entry {
	return Entry{
		Hash: c.Hash, Deps: c.Deps, Actor: c.Actor, Seq: c.Seq, Ops: c.NumOps, Message: c.Message,
		User: by.User, Device: by.Device, Received: by.Received, Claimed: claimedTime(c.Time),
	}
}

// touched lists the places that a change wrote.
func (e *Entry) touched(r hub.Reading, c *crdt.Change) {
	type place struct {
		obj crdt.OpID
		key crdt.Key
	}
	seen := make(map[place]bool)
	for op := range c.Ops() {
		at := place{op.Obj, op.Key}
		if kind, _ := r.Content.KindOf(op.Obj); kind == crdt.KindText {
			at.key = crdt.Key{}
		} else if op.Insert {
			at.key = crdt.ElemKey(op.ID)
		}
		if seen[at] {
			continue
		}
		if len(seen) == maxFields {
			e.FieldsLeftOut = true
			return
		}
		seen[at] = true
		if f, ok := fieldOf(r, at.obj, at.key); ok && !slices.Contains(e.Fields, f) {
			e.Fields = append(e.Fields, f)
		}
	}
}

// fieldOf names a place; of a text, all of it.
func fieldOf(r hub.Reading, obj crdt.OpID, key crdt.Key) (f Field, ok bool) {
	if kind, _ := r.Content.KindOf(obj); kind == crdt.KindText {
		if obj, key, ok = r.Content.Place(obj); !ok {
			return f, false
		}
	}
	if f.Path, ok = r.View.Path(obj, key); ok {
		f.Field, ok = r.View.FieldPath(obj, key)
	}
	return f, ok
}
