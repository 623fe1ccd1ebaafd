package documents

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"concord/crdt"
	"concord/store"
)

// claimedTime returns the time that a change names, in seconds since 1970; zero
// for none, and for what no calendar shows.
func claimedTime(seconds int64) time.Time {
	const last = 253402300799 // of the year 9999
	if seconds <= 0 || seconds > last {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// attributions returns who brought changes, which are ascending.
func (s *Service) attributions(key store.DocKey, changes []int) (map[int]store.Attribution, error) {
	found := make(map[int]store.Attribution, len(changes))
	if len(changes) == 0 {
		return found, nil
	}
	rest := changes
	err := s.store.Attributions(key, uint64(changes[0]), uint64(changes[len(changes)-1])+1, func(r store.Run) error {
		for len(rest) > 0 && uint64(rest[0]) < r.First+r.Count {
			found[rest[0]], rest = r.Attribution, rest[1:]
		}
		return nil
	})
	return found, err
}

// changeTries is how often stored changes are read anew because a snapshot was
// written over them meanwhile.
const changeTries = 3

// changes returns the stored changes from <= i < to.
func (s *Service) changes(ctx context.Context, key store.DocKey, from, to int) ([]*crdt.Change, error) {
	var err error
	for range changeTries {
		var found []*crdt.Change
		if found, err = s.changesOnce(ctx, key, from, to); !errors.Is(err, store.ErrInSnapshot) {
			return found, err
		}
	}
	return nil, err
}

func (s *Service) changesOnce(ctx context.Context, key store.DocKey, from, to int) ([]*crdt.Change, error) {
	info, ok, err := s.store.Document(key)
	if err != nil || !ok {
		return nil, err
	}
	var found []*crdt.Change
	tail := max(from, int(info.SnapshotChanges))
	if from < tail {
		if found, err = s.older(ctx, key, from, min(to, tail)); err != nil {
			return nil, err
		}
	}
	if tail >= to {
		return found, nil
	}
	err = s.store.Changes(key, uint64(tail), uint64(to), func(_ uint64, c store.Change) error {
		change, err := crdt.ReadStoredChange(slices.Clone(c.Bytes), c.Hash)
		found = append(found, change)
		return err
	})
	return found, err
}

// older returns changes out of a document's snapshot, which is decoded for it.
func (s *Service) older(ctx context.Context, key store.DocKey, from, to int) ([]*crdt.Change, error) {
	chunk, done, err := s.snapshot(ctx, key)
	if err != nil {
		return nil, err
	}
	defer done()
	found := make([]*crdt.Change, to-from)
	_, err = chunk.ParseDocument(crdt.Limits{}, func(c crdt.DocumentChange) error {
		if c.Row < from || c.Row >= to {
			return nil
		}
		found[c.Row-from], err = c.Keep(slices.Clone(c.Raw))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("decode snapshot of document %s: %w", key.Document, err)
	}
	return found, nil
}

// snapshot returns a document's snapshot, when few enough are being decoded.
// done is to be called after the work.
func (s *Service) snapshot(ctx context.Context, key store.DocKey) (chunk crdt.Chunk, done func(), err error) {
	select {
	case s.decode <- struct{}{}:
	case <-ctx.Done():
		return chunk, nil, ctx.Err()
	}
	done = func() { <-s.decode }
	snap, ok, err := s.store.Snapshot(key)
	if err == nil && !ok {
		err = store.ErrInSnapshot // it was purged
	}
	if err == nil {
		chunk, _, err = crdt.NextChunk(snap.Chunk)
	}
	if err != nil {
		done()
		return chunk, nil, fmt.Errorf("read snapshot of document %s: %w", key.Document, err)
	}
	return chunk, done, nil
}

// claims returns the times that changes, which are ascending, name in seconds
// since 1970.
func (s *Service) claims(ctx context.Context, key store.DocKey, changes []int) (map[int]int64, error) {
	var err error
	for range changeTries {
		var found map[int]int64
		if found, err = s.claimsOnce(ctx, key, changes); !errors.Is(err, store.ErrInSnapshot) {
			return found, err
		}
	}
	return nil, err
}

func (s *Service) claimsOnce(ctx context.Context, key store.DocKey, changes []int) (map[int]int64, error) {
	found := make(map[int]int64, len(changes))
	info, ok, err := s.store.Document(key)
	if err != nil || !ok || len(changes) == 0 {
		return found, err
	}
	tail, _ := slices.BinarySearch(changes, int(info.SnapshotChanges))
	if older := changes[:tail]; len(older) > 0 {
		chunk, done, err := s.snapshot(ctx, key)
		if err != nil {
			return nil, err
		}
		defer done()
		err = chunk.ReadChangeInfo(crdt.Limits{}, func(row int, seconds int64, _ []byte) error {
			if _, ok := slices.BinarySearch(older, row); ok {
				found[row] = seconds
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read snapshot of document %s: %w", key.Document, err)
		}
	}
	for _, i := range changes[tail:] {
		b, err := s.store.Change(key, uint64(i))
		if err != nil {
			return nil, err
		}
		change, err := crdt.ReadStoredChange(b, crdt.Hash{})
		if err != nil {
			return nil, err
		}
		found[i] = change.Time
	}
	return found, nil
}
