package store

import (
	"bytes"
	"fmt"
)

// Document returns what is committed of a document; false when it has no changes.
func (s *Store) Document(key DocKey) (info Info, ok bool, err error) {
	err = s.view(nil, func(r reader) error {
		k, known, err := r.documentKey(key)
		if err != nil || !known {
			return err
		}
		d, known, err := r.document(k)
		if err != nil || !known {
			return err
		}
		snap, err := r.snapshot(k)
		if err != nil {
			return err
		}
		info, ok = Info{
			Changes: d.changes, Bytes: d.bytes, Heads: splitHashes(d.heads),
			SnapshotChanges: snap.changes, SnapshotBytes: snap.chunk, TailBytes: d.bytes - min(d.bytes, snap.bytes),
		}, true
		return nil
	})
	if err != nil {
		return Info{}, false, fmt.Errorf("read document %s: %w", key.Document, err)
	}
	return info, ok, nil
}

func splitHashes(b []byte) []Hash {
	heads := make([]Hash, 0, len(b)/hashSize)
	for ; len(b) >= hashSize; b = b[hashSize:] {
		heads = append(heads, Hash(b[:hashSize]))
	}
	return heads
}

// Changes calls fn for the committed changes from <= i < to in order; it stops at the last one stored, and does
// nothing for a document that doesn't exist. It returns ErrInSnapshot when a snapshot covers the first of them: then
// they are in its chunk. c.Bytes aliases the mapped file and is valid only during fn. An error
// from fn ends the call and is returned. fn must be quick and must not wait for a write: an open read keeps the file
// from growing.
func (s *Store) Changes(key DocKey, from, to uint64, fn func(i uint64, c Change) error) error {
	var calling bool
	var fnErr error
	err := s.view(&calling, func(r reader) error {
		return r.changes(key, from, to, func(i uint64, c Change) error {
			calling = true
			fnErr = fn(i, c)
			calling = false
			return fnErr
		})
	})
	if fnErr != nil {
		return fnErr
	}
	if err != nil {
		return fmt.Errorf("read changes of document %s: %w", key.Document, err)
	}
	return nil
}

func (r reader) changes(key DocKey, from, to uint64, fn func(i uint64, c Change) error) error {
	k, ok, err := r.documentKey(key)
	if err != nil || !ok {
		return err
	}
	d, ok, err := r.document(k)
	if err != nil || !ok {
		return err
	}
	to = min(to, d.changes)
	snap, err := r.snapshot(k)
	if err != nil {
		return err
	}
	if from < min(to, snap.changes) {
		return fmt.Errorf("change %d: %w", from, ErrInSnapshot)
	}
	bk, err := r.bucket(changesBucket)
	if err != nil {
		return err
	}
	c := bk.Cursor()
	for i := from; i < to; i++ {
		want := appendU64(k, i)
		var found, value []byte
		if i == from {
			found, value = c.Seek(want)
		} else {
			found, value = c.Next()
		}
		change, err := readChange(want, found, value)
		if err != nil {
			return err
		}
		if err := fn(i, change); err != nil {
			return err
		}
	}
	return nil
}

// readChange reads a record of the changes bucket that must have the key want.
func readChange(want, found, value []byte) (Change, error) {
	if found == nil || !bytes.Equal(want, found) {
		return Change{}, changesBucket.corrupt(want, "record is missing")
	}
	v, err := changesBucket.unseal(want, value)
	if err != nil {
		return Change{}, err
	}
	if len(v) < hashSize || !plausible(v[:hashSize], v[hashSize:]) {
		return Change{}, changesBucket.corrupt(want, "record is malformed")
	}
	return Change{Hash: Hash(v[:hashSize]), Bytes: v[hashSize:]}, nil
}

// Change returns a copy of one change's chunk, ErrInSnapshot, or ErrNotFound.
func (s *Store) Change(key DocKey, i uint64) (chunk []byte, err error) {
	if i+1 == 0 {
		return nil, fmt.Errorf("read change %d of document %s: %w", i, key.Document, ErrNotFound)
	}
	err = s.view(nil, func(r reader) error {
		return r.changes(key, i, i+1, func(_ uint64, c Change) error {
			chunk = bytes.Clone(c.Bytes)
			return nil
		})
	})
	if err == nil && chunk == nil {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read change %d of document %s: %w", i, key.Document, err)
	}
	return chunk, nil
}
