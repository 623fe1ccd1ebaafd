package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

const (
	runHeader = 4 + 4 + 8
	maxRun    = runHeader + 256 // limit of a run's payload in bytes
)

// Run is a range of changes that came in one Append.
type Run struct {
	First, Count uint64
	Attribution
}

// Attributions calls fn in order for the runs that cover the committed changes from <= i < to, cut to that range. The
// rules of Changes hold for fn.
func (s *Store) Attributions(key DocKey, from, to uint64, fn func(Run) error) error {
	var calling bool
	var fnErr error
	err := s.view(&calling, func(r reader) error {
		return r.attributions(key, from, to, func(u Run) error {
			calling = true
			fnErr = fn(u)
			calling = false
			return fnErr
		})
	})
	if fnErr != nil {
		return fnErr
	}
	if err != nil {
		return fmt.Errorf("read attribution of document %s: %w", key.Document, err)
	}
	return nil
}

func (r reader) attributions(key DocKey, from, to uint64, fn func(Run) error) error {
	k, ok, err := r.documentKey(key)
	if err != nil || !ok {
		return err
	}
	d, ok, err := r.document(k)
	if err != nil || !ok {
		return err
	}
	to = min(to, d.changes)
	for from < to {
		run, err := r.runAt(k, from)
		if err != nil {
			return err
		}
		if err := r.eachAppend(k, run, from, to, fn); err != nil {
			return err
		}
		from = run.first + run.count()
	}
	return nil
}

// runAt returns the run that covers change i.
func (r reader) runAt(key []byte, i uint64) (run, error) {
	bk, err := r.bucket(attributionsBucket)
	if err != nil {
		return run{}, err
	}
	want := appendU64(bytes.Clone(key), i)
	c := bk.Cursor()
	k, v := c.Seek(want)
	switch {
	case k == nil:
		k, v = c.Last()
	case !bytes.Equal(k, want):
		k, v = c.Prev()
	}
	if len(k) != indexedKeySize || !bytes.HasPrefix(k, key) {
		return run{}, attributionsBucket.corrupt(want, "record is missing")
	}
	if v, err = attributionsBucket.unseal(k, v); err != nil {
		return run{}, err
	}
	u, err := decodeRun(k, v)
	if err == nil && i-u.first >= u.count() {
		err = attributionsBucket.corrupt(want, "change is covered by no record")
	}
	return u, err
}

// eachAppend calls fn for the appends of one run, cut to from <= i < to.
func (r reader) eachAppend(key []byte, u run, from, to uint64, fn func(Run) error) error {
	at, err := r.attribution(u32(key), u)
	if err != nil {
		return err
	}
	return u.each(func(first, count uint64, received time.Time) error {
		at.Received = received
		start, end := max(first, from), min(first+count, to)
		if start >= end {
			return nil
		}
		return fn(Run{First: start, Count: end - start, Attribution: at})
	})
}

// attribution returns who made a run, and when its last append came.
func (r reader) attribution(company uint32, u run) (at Attribution, err error) {
	if at.User, err = r.label(company, u.user); err != nil {
		return Attribution{}, err
	}
	if at.Device, err = r.label(company, u.device); err != nil {
		return Attribution{}, err
	}
	at.Received = time.UnixMilli(u.end()).UTC()
	return at, nil
}

// label returns the text of a label; label 0 is empty.
func (r reader) label(company, number uint32) (string, error) {
	if number == 0 {
		return "", nil
	}
	key := appendU32(appendU32(nil, company), number)
	v, ok, err := r.get(labelTextsBucket, key)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", labelTextsBucket.corrupt(key, "record is missing")
	}
	return string(v), nil
}

// nextRun returns a document's last run, nil for none, extended by an append, or a new one.
func (b *batch) nextRun(company uint32, last *run, u Run) (run, error) {
	user, err := b.mintLabel(company, u.User)
	if err != nil {
		return run{}, err
	}
	device, err := b.mintLabel(company, u.Device)
	if err != nil {
		return run{}, err
	}
	at := u.Received.UnixMilli()
	if last != nil && last.user == user && last.device == device {
		if e := appendEntry(nil, u.Count, at-last.end()); len(last.entries)+len(e)+runHeader <= maxRun {
			extended := *last
			extended.entries = append(bytes.Clone(last.entries), e...)
			return extended, nil
		}
	}
	return run{first: u.First, user: user, device: device, at: at, entries: appendEntry(nil, u.Count, 0)}, nil
}

// appendEntry appends an entry of a run: a count of changes, and the milliseconds since the entry before.
func appendEntry(b []byte, count uint64, delta int64) []byte {
	return binary.AppendVarint(binary.AppendUvarint(b, count), delta)
}

// run is a record in attributions.
type run struct {
	first        uint64
	user, device uint32
	at           int64 // milliseconds
	entries      []byte
}

func (r reader) run(key []byte, first uint64) (run, error) {
	k := appendU64(bytes.Clone(key), first)
	v, ok, err := r.get(attributionsBucket, k)
	if err != nil {
		return run{}, err
	}
	if !ok {
		return run{}, attributionsBucket.corrupt(k, "record is missing")
	}
	return decodeRun(k, v)
}

// decodeRun reads a run whose entries it has checked; they alias v.
func decodeRun(key, v []byte) (run, error) {
	if len(key) != indexedKeySize || len(v) < runHeader {
		return run{}, attributionsBucket.corrupt(key, "record is malformed")
	}
	r := run{first: u64(key[documentKeySize:]), user: u32(v), device: u32(v[4:]), at: int64(u64(v[8:])), entries: v[runHeader:]}
	total := uint64(0)
	for rest := r.entries; len(rest) > 0; {
		count, n := binary.Uvarint(rest)
		if n <= 0 || count == 0 || total+count < total {
			return run{}, attributionsBucket.corrupt(key, "entry is malformed")
		}
		_, m := binary.Varint(rest[n:])
		if m <= 0 {
			return run{}, attributionsBucket.corrupt(key, "entry is malformed")
		}
		total, rest = total+count, rest[n+m:]
	}
	if total == 0 || r.first+total < r.first || r.user == 0 {
		return run{}, attributionsBucket.corrupt(key, "record is malformed")
	}
	return r, nil
}

func (r run) encode() []byte {
	v := make([]byte, 0, runHeader+len(r.entries)+crcSize)
	v = appendU64(appendU32(appendU32(v, r.user), r.device), uint64(r.at))
	return append(v, r.entries...)
}

// each calls fn with the first index, the count and the time of every append in the run.
func (r run) each(fn func(first, count uint64, at time.Time) error) error {
	first, at := r.first, r.at
	for rest := r.entries; len(rest) > 0; {
		count, n := binary.Uvarint(rest)
		delta, m := binary.Varint(rest[n:])
		rest, at = rest[n+m:], at+delta
		if err := fn(first, count, time.UnixMilli(at).UTC()); err != nil {
			return err
		}
		first += count
	}
	return nil
}

// end returns the time of the last append in milliseconds.
func (r run) end() int64 {
	at := r.at
	for rest := r.entries; len(rest) > 0; {
		_, n := binary.Uvarint(rest)
		delta, m := binary.Varint(rest[n:])
		rest, at = rest[n+m:], at+delta
	}
	return at
}

// count returns the number of changes.
func (r run) count() uint64 {
	total := uint64(0)
	for rest := r.entries; len(rest) > 0; {
		count, n := binary.Uvarint(rest)
		_, m := binary.Varint(rest[n:])
		rest, total = rest[n+m:], total+count
	}
	return total
}
