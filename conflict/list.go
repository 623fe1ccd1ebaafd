package conflict

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
)

// Filter says which conflicts to list; zero fields ask for everything.
type Filter struct {
	Document *id.DocumentID
	Type     string // of the document
	Field    string // see Record.Field
	User     string // one of Record.Users
	Kind     Kind
	Status   Status
	Assignee string
	From, To time.Time // when it was opened: From inclusive, To exclusive

	// MayOpen narrows the answer to some documents; nil = all of the company.
	MayOpen func(id.DocumentID) bool

	Cursor string // of the page before; "" = the first page
	Limit  int    // records on a page, 1 to MaxLimit; 0 = 100
}

const (
	// MaxLimit is the largest page.
	MaxLimit = 1000

	defaultLimit = 100
)

// What may be looked at for one page: entries of the list by time, and records.
const (
	maxListed = 100_000
	maxLooked = 10_000
)

// Page is a part of a list.
type Page struct {
	Records []Record
	Next    string // cursor of the next page; "" = this is the last one
}

// List returns conflicts, those opened last first. The work for a page is
// bounded, so that it may have fewer records than the limit, or none, and yet a
// next one. The error may be ErrCursor.
func (l *Ledger) List(company string, f Filter) (Page, error) {
	w := walk{ledger: l, company: company, filter: &f, listed: maxListed, looked: maxLooked}
	if err := w.start(); err != nil {
		return Page{}, err
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, MaxLimit)
	var page Page
	for len(page.Records) < limit {
		r, ok, err := w.next()
		if err != nil {
			return Page{}, fmt.Errorf("list conflicts: %w", err)
		}
		if !ok {
			break
		}
		page.Records = append(page.Records, r)
	}
	if !w.done() {
		page.Next = base64.RawURLEncoding.EncodeToString(w.last)
	}
	return page, nil
}

// walk goes through the conflicts that a filter lets through, those opened last
// first.
type walk struct {
	ledger         *Ledger
	company        string
	filter         *Filter
	part           store.Range
	listed, looked int // how much may still be looked at

	last  []byte   // key of the last entry of the list that was looked at
	batch [][]byte // the next ones
	ended bool     // there are none after batch
}

// walkBatch is how many entries are read in one transaction of the store.
const walkBatch = 500

func (w *walk) start() error {
	f := w.filter
	w.part = store.Range{Reverse: true, To: binary.BigEndian.AppendUint64(nil, idBit)}
	if !f.From.IsZero() {
		w.part.From = binary.BigEndian.AppendUint64(nil, timeNumber(f.From))
	}
	if !f.To.IsZero() {
		w.part.To = binary.BigEndian.AppendUint64(nil, min(idBit, timeNumber(f.To)+1))
	}
	if f.Cursor == "" {
		return nil
	}
	key, err := base64.RawURLEncoding.Strict().DecodeString(f.Cursor)
	if err != nil || len(key) != indexSize || key[0] >= idBit>>56 {
		return ErrCursor
	}
	if bytes.Compare(key, w.part.To) < 0 {
		w.part.To = key
	}
	return nil
}

// done reports whether there is nothing after the last entry.
func (w *walk) done() bool { return w.ended && len(w.batch) == 0 }

// next returns the next record; false at the end, or when enough was looked at.
func (w *walk) next() (Record, bool, error) {
	for {
		if len(w.batch) == 0 {
			if w.ended {
				return Record{}, false, nil
			}
			if err := w.read(); err != nil {
				return Record{}, false, err
			}
			continue
		}
		if w.listed <= 0 || w.looked <= 0 {
			return Record{}, false, nil
		}
		w.last, w.batch = w.batch[0], w.batch[1:]
		w.listed--
		doc, x := splitKey(w.last[timeSize:])
		if w.filter.Document != nil && *w.filter.Document != doc || w.filter.MayOpen != nil && !w.filter.MayOpen(doc) {
			continue
		}
		w.looked--
		r, ok, err := w.ledger.record(w.company, doc, x)
		if err != nil {
			return Record{}, false, err
		}
		if ok && w.filter.passes(&r) {
			return r, true, nil
		}
	}
}

// read fetches the next entries of the list.
func (w *walk) read() error {
	w.batch, w.ended = nil, true
	err := w.ledger.store.Scan(w.company, store.TableConflictTimes, w.part, func(key, _ []byte) error {
		if len(w.batch) == walkBatch {
			w.ended = false
			return store.ErrStop
		}
		w.batch = append(w.batch, bytes.Clone(key))
		return nil
	})
	if n := len(w.batch); n > 0 {
		w.part.To = w.batch[n-1]
	}
	return err
}

func (f *Filter) passes(r *Record) bool {
	return (f.Type == "" || f.Type == r.Type) && (f.Field == "" || f.Field == r.Field) &&
		(f.User == "" || slices.Contains(r.Users, f.User)) && (f.Kind == "" || f.Kind == r.Kind) &&
		(f.Status == "" || f.Status == r.Status) && (f.Assignee == "" || f.Assignee == r.Assignee) &&
		!r.Opened.Before(f.From) && (f.To.IsZero() || r.Opened.Before(f.To))
}

// record reads a record; false if there is none, or none that people see.
func (l *Ledger) record(company string, doc id.DocumentID, x ID) (Record, bool, error) {
	var r Record
	ok, err := l.read(company, doc, x, &r)
	if !ok || err != nil {
		return Record{}, false, err
	}
	r.Document, r.ID = doc, x
	r.Assignee, err = l.assignee(company, doc, x)
	return r, err == nil, err
}

// read decodes what is stored of a record into a Record or a head.
func (l *Ledger) read(company string, doc id.DocumentID, x ID, to any) (ok bool, err error) {
	value, ok, err := l.store.Get(company, store.TableConflicts, recordKey(doc, x))
	if err != nil || !ok {
		return false, err
	}
	s, text, err := splitRecord(value)
	if err != nil {
		return false, fmt.Errorf("conflict %s: %w: %w", x, store.ErrCorrupt, err)
	}
	if !s.has(flagReal) {
		return false, nil
	}
	if err := decodeJSON(text, to); err != nil {
		return false, fmt.Errorf("conflict %s: %w", x, err)
	}
	return true, nil
}

func (l *Ledger) assignee(company string, doc id.DocumentID, x ID) (string, error) {
	user, _, err := l.store.Get(company, store.TableConflictNotes, append(recordKey(doc, x), assigneeSuffix...))
	return string(user), err
}

// sides calls fn with the values of a record: those within it first.
func (l *Ledger) sides(company string, h *head, fn func(Value) error) error {
	for _, v := range h.Sides {
		if err := fn(v); err != nil {
			return err
		}
	}
	left := min(h.Values, MaxValues) - len(h.Sides)
	if left <= 0 {
		return nil
	}
	part := store.Range{Prefix: recordKey(h.Document, h.ID)}
	return l.store.Scan(company, store.TableConflictValues, part, func(_, value []byte) error {
		if left--; left < 0 {
			return store.ErrStop
		}
		var v Value
		if err := decodeJSON(value, &v); err != nil {
			return err
		}
		return fn(v)
	})
}

// find returns the document of a conflict; false if there is no such conflict.
func (l *Ledger) find(company string, x ID) (doc id.DocumentID, ok bool, err error) {
	part := store.Range{Prefix: binary.BigEndian.AppendUint64(nil, idNumber(x))}
	err = l.store.Scan(company, store.TableConflictTimes, part, func(key, _ []byte) error {
		d, found := splitKey(key[timeSize:])
		if found == x {
			doc, ok = d, true
			return store.ErrStop
		}
		return nil
	})
	return doc, ok, err
}

// Get returns a conflict with its values and notes. mayOpen narrows the answer
// to some documents; nil = all. The error may be ErrNotFound.
func (l *Ledger) Get(company string, x ID, mayOpen func(id.DocumentID) bool) (Conflict, error) {
	c, err := l.get(company, x, mayOpen)
	if err != nil {
		return Conflict{}, fmt.Errorf("read conflict %s: %w", x, err)
	}
	return c, nil
}

func (l *Ledger) get(company string, x ID, mayOpen func(id.DocumentID) bool) (c Conflict, err error) {
	doc, ok, err := l.find(company, x)
	if err != nil {
		return c, err
	}
	if !ok || mayOpen != nil && !mayOpen(doc) {
		return c, ErrNotFound
	}
	var h head
	if ok, err := l.read(company, doc, x, &h); err != nil {
		return c, err
	} else if !ok {
		return c, ErrNotFound
	}
	h.Document, h.ID = doc, x
	c.Record = h.Record
	if c.Assignee, err = l.assignee(company, doc, x); err != nil {
		return c, err
	}
	var ops []crdt.OpID
	err = l.sides(company, &h, func(v Value) error {
		op, err := parseOp(v.Op)
		i, _ := slices.BinarySearchFunc(ops, op, crdt.OpID.Compare)
		ops, c.Sides = slices.Insert(ops, i, op), slices.Insert(c.Sides, i, v)
		return err
	})
	if err != nil {
		return c, err
	}
	part := store.Range{Prefix: recordKey(doc, x)}
	err = l.store.Scan(company, store.TableConflictNotes, part, func(key, value []byte) error {
		if bytes.Equal(key[recordSize:], assigneeSuffix) {
			return nil
		}
		var n Note
		err := decodeJSON(value, &n)
		c.Notes = append(c.Notes, n)
		return err
	})
	return c, err
}

// assigneeSuffix ends the key of the assignee, before all notes.
var assigneeSuffix = make([]byte, 8)
