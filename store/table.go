package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// Table names a set of records that another package keeps in the file. Their form is its business, but each belongs to
// a document, which the store finds in it, and with which it is purged. Where the value begins with the document, zeros
// stand for none.
type Table string

const (
	TableReferences     Table = "references"      // type, 0x00, reference; the value is the 16B document
	TableDocumentTypes  Table = "document-types"  // 16B document
	TableConflicts      Table = "conflicts"       // 16B document, 16B conflict
	TableConflictValues Table = "conflict-values" // 16B document, 16B conflict, and more
	TableConflictTimes  Table = "conflict-times"  // 8B time, 16B document, 16B conflict
	TableConflictNotes  Table = "conflict-notes"  // 16B document, 16B conflict, 8B time, and more
	TableEvents         Table = "events"          // 8B number; the value begins with the 16B document
	TableEventState     Table = "event-state"     // 1B kind, and more; likewise
	TablePresence       Table = "presence"        // user; likewise
)

const (
	// MaxKey is the limit in bytes for the key of a record in a table.
	MaxKey = 1 << 10
	// MaxValue is the limit in bytes for its value.
	MaxValue = 1 << 20
)

// Record is a write of one record in a table.
type Record struct {
	Table Table
	Key   []byte // 1 to MaxKey bytes
	Value []byte // at most MaxValue bytes; nil deletes, which needs no record to be there

	// Next puts the record under the number after the last one that the company has in the table: 8B big-endian, from 1,
	// never given twice. Key is empty then. In TableEvents records can't be put otherwise; other tables have no numbers.
	Next bool

	// Absent refuses the whole write with ErrExists when there is a record with that key, also by an earlier Record of
	// the same write.
	Absent bool
}

func (r *Record) validate() error {
	def := tableBucket(r.Table)
	switch {
	case def == nil:
		return fmt.Errorf("table %q is unknown: %w", r.Table, ErrInvalid)
	case r.Next && (!def.numbered || len(r.Key) > 0 || r.Absent || r.Value == nil):
		return fmt.Errorf("record in table %s can't have the next number: %w", r.Table, ErrInvalid)
	case !r.Next && def.numbered && r.Value != nil:
		return fmt.Errorf("record in table %s can't have a number of its own: %w", r.Table, ErrInvalid)
	case r.Next:
		return r.validateValue(def)
	}
	return r.validateStored(def)
}

// validateStored checks what holds of each record that is in the table.
func (r *Record) validateStored(def *bucket) error {
	switch {
	case len(r.Key) == 0 || len(r.Key) > MaxKey:
		return fmt.Errorf("key in table %s has %d bytes, 1 to %d are allowed: %w", r.Table, len(r.Key), MaxKey, ErrInvalid)
	case def.numbered && len(r.Key) != numberSize:
		return fmt.Errorf("key in table %s has %d bytes, numbers have %d: %w", r.Table, len(r.Key), numberSize, ErrInvalid)
	case r.Absent && r.Value == nil:
		return fmt.Errorf("record in table %s is to be absent and deleted: %w", r.Table, ErrInvalid)
	case r.Value == nil:
		return nil
	}
	return r.validateValue(def)
}

func (r *Record) validateValue(def *bucket) error {
	if len(r.Value) > MaxValue {
		return fmt.Errorf("value in table %s has %d bytes, at most %d are allowed: %w", r.Table, len(r.Value), MaxValue, ErrInvalid)
	}
	if _, ok := def.owner(r.Key, r.Value); !ok {
		return fmt.Errorf("record in table %s names no document: %w", r.Table, ErrInvalid)
	}
	return nil
}

// tableBucket returns the bucket of a table, nil for one that doesn't exist.
func tableBucket(t Table) *bucket {
	for _, def := range allBuckets {
		if def.table && def.name == string(t) {
			return def
		}
	}
	return nil
}

// Put queues records and audit entries as one write. done gets ErrExists (see Record.Absent), ErrNotFound for a record
// under a document that doesn't exist, or ErrPurged for one that was purged; then nothing was written. The slices are
// the store's until done was called.
func (s *Store) Put(ctx context.Context, company string, records []Record, audit []AuditEntry, done func(error)) error {
	u := unit{company: company, records: records, audit: audit}
	err := u.validate()
	if err == nil && len(records)+len(audit) == 0 {
		err = fmt.Errorf("there is nothing to put: %w", ErrInvalid)
	}
	if err != nil {
		return fmt.Errorf("put records: %w", err)
	}
	apply := func(b *batch) error {
		if err := b.putUnits([]unit{u}); err != nil {
			return fmt.Errorf("put records: %w", err)
		}
		return nil
	}
	return s.submit(ctx, u.size(), apply, done)
}

// Get returns a copy of a committed record's value; ok is false when there is none.
func (s *Store) Get(company string, t Table, key []byte) (value []byte, ok bool, err error) {
	err = s.view(nil, func(r reader) error {
		def, number, err := r.table(company, t)
		if err != nil || def == nil {
			return err
		}
		k := append(appendU32(nil, number), key...)
		v, found, err := r.get(def, k)
		if err != nil || !found || r.dying(def, k, v) {
			return err
		}
		value, ok = append(make([]byte, 0, len(v)), v...), true
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read record: %w", err)
	}
	return value, ok, nil
}

// table returns a table's bucket and a company's number. The bucket is nil when nothing can be in it.
func (r reader) table(company string, t Table) (*bucket, uint32, error) {
	def := tableBucket(t)
	if def == nil {
		return nil, 0, fmt.Errorf("table %q is unknown: %w", t, ErrInvalid)
	}
	number, ok, err := r.company(company)
	if err != nil || !ok || r.lacks(def) {
		return nil, 0, err
	}
	return def, number, nil
}

// Range is a part of a table. All its fields are whole keys, or beginnings of keys; the zero value is the whole table.
type Range struct {
	Prefix  []byte // only keys that begin with it
	From    []byte // the first key, if it exists; nil means from the start
	To      []byte // all keys are below; nil means to the end
	Reverse bool   // from the last key to the first
}

// Scan calls fn for the committed records of a part of a table, in the order of their keys. key and value alias the
// mapped file; the rules of Changes hold for fn, and ErrStop ends the call without an error.
func (s *Store) Scan(company string, t Table, part Range, fn func(key, value []byte) error) error {
	return s.iterate("scan table "+string(t), func(r reader, call func(func() error) error) error {
		def, number, err := r.table(company, t)
		if err != nil || def == nil {
			return err
		}
		purging := r.purging()
		return r.scan(def, number, part, func(key, value []byte) error {
			if purging && r.dying(def, join(appendU32(nil, number), key), value) {
				return nil
			}
			return call(func() error { return fn(key, value) })
		})
	})
}

// scan calls fn with the keys without their company, and the payloads, of a part of a bucket.
func (r reader) scan(def *bucket, company uint32, part Range, fn func(key, payload []byte) error) error {
	return r.scanSealed(def, company, part, func(k, v []byte) error {
		payload, err := def.unseal(k, v)
		if err != nil {
			return err
		}
		return fn(k[companySize:len(k):len(k)], payload)
	})
}

// scanSealed calls fn with whole keys and values that aren't verified.
func (r reader) scanSealed(def *bucket, company uint32, part Range, fn func(key, value []byte) error) error {
	bk, err := r.bucket(def)
	if err != nil {
		return err
	}
	prefix := appendU32(nil, company)
	low, high := join(prefix, part.Prefix), after(join(prefix, part.Prefix))
	if from := join(prefix, part.From); bytes.Compare(from, low) > 0 {
		low = from
	}
	if to := join(prefix, part.To); part.To != nil && (high == nil || bytes.Compare(to, high) < 0) {
		high = to
	}
	c := bk.Cursor()
	k, v := c.Seek(low)
	next := c.Next
	if part.Reverse {
		k, v = before(c, high)
		next = c.Prev
	}
	for ; k != nil && bytes.Compare(k, low) >= 0 && (high == nil || bytes.Compare(k, high) < 0); k, v = next() {
		if err := fn(k, v); err != nil {
			return err
		}
	}
	return nil
}

// before places a cursor on the last record below a key; nil means the last of all.
func before(c *bbolt.Cursor, key []byte) (k, v []byte) {
	if key == nil {
		return c.Last()
	}
	if k, _ := c.Seek(key); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// iterate runs a read that calls the caller's code by call. An error of that code is returned as it is, ErrStop as none.
func (s *Store) iterate(what string, read func(r reader, call func(func() error) error) error) error {
	var calling bool
	var fnErr error
	err := s.view(&calling, func(r reader) error {
		return read(r, func(fn func() error) error {
			calling = true
			fnErr = fn()
			calling = false
			return fnErr
		})
	})
	switch {
	case errors.Is(fnErr, ErrStop):
		return nil
	case fnErr != nil:
		return fnErr
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
