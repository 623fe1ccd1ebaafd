package store

import (
	"bytes"
	"context"
	"fmt"
)

// One write deletes so many records of changes and of parts.
const (
	trimChanges = 1000
	trimParts   = writeStep / partSize
)

// trimming is a document with records that are of no use any more.
type trimming struct {
	key  []byte
	upTo uint32 // highest generation to delete; above it, a snapshot may be being written
}

// trim deletes, step by step, the change records that a document's snapshot covers, and all parts up to a generation
// that aren't the snapshot's own. It stops when the store is closed; the record in snapshot-trims stays until all is
// done.
func (s *Store) trim(key []byte, upTo uint32) {
	var more bool
	apply := func(b *batch) (err error) {
		more, err = b.trim(key, upTo)
		return err
	}
	s.submit(context.Background(), 0, apply, func(err error) {
		if err == nil && more {
			s.trim(key, upTo)
		}
	})
}

// trim deletes the first of a document's useless records; more is true when others may be left.
func (b *batch) trim(key []byte, upTo uint32) (more bool, err error) {
	if _, pending, err := b.get(snapshotTrimsBucket, key); err != nil || !pending {
		return false, err
	}
	snap, err := b.snapshot(key)
	if err != nil {
		return false, err
	}
	changes, moreChanges, err := b.coveredChanges(key, snap.changes)
	if err != nil {
		return false, err
	}
	parts, moreParts, written, err := b.staleParts(key, snap.generation, upTo)
	if err != nil {
		return false, err
	}
	for _, k := range changes {
		b.delete(changesBucket, k)
	}
	for _, k := range parts {
		b.delete(snapshotPartsBucket, k)
	}
	more = moreChanges || moreParts
	if !more && !written {
		b.delete(snapshotTrimsBucket, key)
	}
	return more, nil
}

// coveredChanges returns the keys of the first change records below covered.
func (r reader) coveredChanges(key []byte, covered uint64) (keys [][]byte, more bool, err error) {
	bk, err := r.bucket(changesBucket)
	if err != nil {
		return nil, false, err
	}
	c := bk.Cursor()
	for k, _ := c.Seek(key); bytes.HasPrefix(k, key) && len(k) == indexedKeySize && u64(k[documentKeySize:]) < covered; k, _ = c.Next() {
		if len(keys) == trimChanges {
			return keys, true, nil
		}
		keys = append(keys, bytes.Clone(k))
	}
	return keys, false, nil
}

// staleParts returns the keys of the first parts up to a generation that aren't of the own one. written is true when
// there are parts above, of a snapshot that is being written.
func (r reader) staleParts(key []byte, own, upTo uint32) (keys [][]byte, more, written bool, err error) {
	bk, err := r.bucket(snapshotPartsBucket)
	if err != nil {
		return nil, false, false, err
	}
	c := bk.Cursor()
	for k, _ := c.Seek(key); bytes.HasPrefix(k, key); {
		if len(k) != partKeySize {
			return nil, false, false, snapshotPartsBucket.corrupt(k, "key is malformed")
		}
		switch generation := u32(k[documentKeySize:]); {
		case generation == own:
			k, _ = c.Seek(generationKey(key, own+1))
			continue
		case generation > upTo:
			return keys, false, true, nil
		case len(keys) == trimParts:
			return keys, true, false, nil
		}
		keys = append(keys, bytes.Clone(k))
		k, _ = c.Next()
	}
	return keys, false, false, nil
}

// trims returns the documents with records that were to be deleted.
func (r reader) trims() (list []trimming, err error) {
	bk, err := r.bucket(snapshotTrimsBucket)
	if err != nil {
		return nil, err
	}
	err = bk.ForEach(func(k, v []byte) error {
		if _, err := snapshotTrimsBucket.unseal(k, v); err != nil {
			return fmt.Errorf("read documents to trim: %w", err)
		}
		upTo, err := r.lastGeneration(k)
		list = append(list, trimming{bytes.Clone(k), upTo})
		return err
	})
	return list, err
}
