package store

import (
	"bytes"
	"context"
	"fmt"
)

// trimStep is how many change records one write deletes.
const trimStep = 1000

// trim deletes the change records that a document's snapshot covers, step by step. It stops when the store is closed;
// the record in snapshot-trims stays until all is done.
func (s *Store) trim(key []byte) {
	var more bool
	apply := func(b *batch) (err error) {
		more, err = b.trim(key)
		return err
	}
	s.submit(context.Background(), 0, apply, func(err error) {
		if err == nil && more {
			s.trim(key)
		}
	})
}

// trim deletes the first covered records of a document; more is true when others may be left.
func (b *batch) trim(key []byte) (more bool, err error) {
	if _, pending, err := b.get(snapshotTrimsBucket, key); err != nil || !pending {
		return false, err
	}
	snap, err := b.snapshot(key)
	if err != nil {
		return false, err
	}
	bk, err := b.bucket(changesBucket)
	if err != nil {
		return false, err
	}
	first := snap.changes
	if k, _ := bk.Cursor().Seek(key); bytes.HasPrefix(k, key) && len(k) == indexedKeySize {
		first = min(first, u64(k[documentKeySize:]))
	}
	end := min(first+trimStep, snap.changes)
	for i := first; i < end; i++ {
		b.delete(changesBucket, appendU64(bytes.Clone(key), i))
	}
	if end < snap.changes {
		return true, nil
	}
	b.delete(snapshotTrimsBucket, key)
	return false, nil
}

// trims returns the documents whose covered changes weren't all deleted.
func (r reader) trims() (keys [][]byte, err error) {
	bk, err := r.bucket(snapshotTrimsBucket)
	if err != nil {
		return nil, err
	}
	err = bk.ForEach(func(k, v []byte) error {
		if _, err := snapshotTrimsBucket.unseal(k, v); err != nil {
			return fmt.Errorf("read documents to trim: %w", err)
		}
		keys = append(keys, bytes.Clone(k))
		return nil
	})
	return keys, err
}
