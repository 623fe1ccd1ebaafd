package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"concord/internal/id"
)

// Tombstone stays of a document that was purged, for ever: it keeps the document from coming back.
type Tombstone struct {
	By     string    // verified user; empty for the operator of the server
	At     time.Time // kept in whole milliseconds
	Reason string
	Wiped  time.Time // when nothing of the content was left in the file; zero: that is under way
}

// tombstone is the payload of a record in tombstones.
type tombstone struct {
	Tombstone
	salt [saltSize]byte // of the document's fingerprints
}

const (
	saltSize        = 16
	tombstoneHeader = 8 + 8 + saltSize
)

func (t tombstone) encode() []byte {
	wiped := uint64(0)
	if !t.Wiped.IsZero() {
		wiped = uint64(t.Wiped.UnixMilli())
	}
	v := make([]byte, 0, tombstoneHeader+2+len(t.By)+2+len(t.Reason)+crcSize)
	v = append(appendU64(appendTime(v, t.At), wiped), t.salt[:]...)
	return appendText(appendText(v, t.By), t.Reason)
}

func decodeTombstone(v []byte) (t tombstone, ok bool) {
	if len(v) < tombstoneHeader {
		return tombstone{}, false
	}
	t.At = readTime(v)
	if u64(v[8:]) != 0 {
		t.Wiped = readTime(v[8:])
	}
	copy(t.salt[:], v[16:])
	rest := v[tombstoneHeader:]
	for _, s := range []*string{&t.By, &t.Reason} {
		if *s, rest, ok = cutText(rest); !ok {
			return tombstone{}, false
		}
	}
	return t, len(rest) == 0
}

// tombstone returns a document's tombstone; key is the document's.
func (r reader) tombstone(key []byte) (tombstone, bool, error) {
	if r.lacks(tombstonesBucket) {
		return tombstone{}, false, nil
	}
	v, ok, err := r.get(tombstonesBucket, key)
	if err != nil || !ok {
		return tombstone{}, false, err
	}
	t, ok := decodeTombstone(v)
	if !ok {
		return tombstone{}, false, tombstonesBucket.corrupt(key, "record is malformed")
	}
	return t, true, nil
}

// notPurged returns ErrPurged for a document with a tombstone.
func (r reader) notPurged(key []byte) error {
	_, purged, err := r.tombstone(key)
	if purged {
		return ErrPurged
	}
	return err
}

// Tombstone returns what is left of a document that was purged; ok is false when it wasn't.
func (s *Store) Tombstone(key DocKey) (t Tombstone, ok bool, err error) {
	err = s.view(nil, func(r reader) error {
		k, known, err := r.documentKey(key)
		if err != nil || !known {
			return err
		}
		stored, known, err := r.tombstone(k)
		t, ok = stored.Tombstone, known
		return err
	})
	if err != nil {
		return Tombstone{}, false, fmt.Errorf("read tombstone of document %s: %w", key.Document, err)
	}
	return t, ok, nil
}

// Tombstones calls fn for the purged documents of a company, in the order of their IDs, from the first one after after.
// The rules of Scan hold for fn.
func (s *Store) Tombstones(company string, after id.DocumentID, fn func(id.DocumentID, Tombstone) error) error {
	return s.iterate("list tombstones", func(r reader, call func(func() error) error) error {
		number, ok, err := r.company(company)
		if err != nil || !ok || r.lacks(tombstonesBucket) {
			return err
		}
		return r.scan(tombstonesBucket, number, Range{From: following(after)}, func(key, payload []byte) error {
			t, ok := decodeTombstone(payload)
			if !ok || len(key) != id.DocumentIDSize {
				return tombstonesBucket.corrupt(key, "record is malformed")
			}
			return call(func() error { return fn(id.DocumentID(key), t.Tombstone) })
		})
	})
}

// AwaitWipe waits until nothing of a purged document's content is in the file. It returns ErrNotFound for a document
// that wasn't purged, ErrCorrupt for one with a damaged record, and ErrClosed, ErrFailed or ErrReadOnly when the wipe
// doesn't go on.
func (s *Store) AwaitWipe(ctx context.Context, key DocKey) error {
	for {
		round := s.wiper.finished()
		wiped, err := s.wiped(key)
		if err == nil && !wiped {
			err = round.await(ctx)
		}
		if err != nil {
			return fmt.Errorf("wait for the wipe of document %s: %w", key.Document, err)
		}
		if wiped {
			return nil
		}
	}
}

// wiped tells whether a purged document is wiped.
func (s *Store) wiped(key DocKey) (wiped bool, err error) {
	err = s.view(nil, func(r reader) error {
		k, ok, err := r.documentKey(key)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNotFound
		}
		t, ok, err := r.tombstone(k)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNotFound
		}
		if wiped = !t.Wiped.IsZero(); wiped {
			return nil
		}
		if _, ok, err = r.get(wipesBucket, k); err == nil && !ok {
			err = wipesBucket.corrupt(k, "record is missing")
		}
		return errors.Join(err, s.wiper.gaveUp(k))
	})
	return wiped, err
}
