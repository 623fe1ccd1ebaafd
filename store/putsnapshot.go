package store

import (
	"context"
	"fmt"
)

// snapshotWrite is a snapshot on its way into the file.
type snapshotWrite struct {
	key    []byte
	base   snapshotRecord // the snapshot that it replaces
	record snapshotRecord
}

type sealedPart struct{ key, value []byte }

// writeStep is how many bytes of parts one write holds. More would make other documents wait for a long time, some 5 ms
// for each MiB.
const writeStep = 4 << 20

// PutSnapshot replaces the first changes of a document, and the snapshot that covered some of them, with a snapshot.
// Before it writes it compares the hash of every change that no snapshot covers yet with hash(i), in short read
// transactions; that the chunk and the graph hold just these changes is for the caller to prove. A large snapshot is
// brought into the file bit by bit, so that other documents don't wait; PutSnapshot returns when the last bit is
// queued, which makes it the document's snapshot: readers see the document with the former one, or with this one. The
// records that are of no use any more are deleted after that, a few at a time; Open goes on with what a stopped process
// has left of them.
//
// While a backup is made, PutSnapshot waits for its end. It returns ErrInSnapshot when the document's snapshot covers as many changes already (done gets it when that became
// so meanwhile), and ErrInvalid when the document has fewer changes or another hash. Its bytes don't count in the
// queue: the caller bounds how many snapshots it puts at once. The slices are the store's until done was called.
func (s *Store) PutSnapshot(ctx context.Context, key DocKey, snap Snapshot, hash func(i uint64) Hash, done func(error)) error {
	err := s.snapshots.Acquire(ctx, 1)
	if err == nil {
		err = s.putSnapshot(ctx, key, snap, hash, func(err error) {
			s.snapshots.Release(1)
			if done != nil {
				done(err)
			}
		})
		if err != nil {
			s.snapshots.Release(1)
		}
	}
	if err != nil {
		return fmt.Errorf("put snapshot of document %s: %w", key.Document, err)
	}
	return nil
}

func (s *Store) putSnapshot(ctx context.Context, key DocKey, snap Snapshot, hash func(i uint64) Hash, done func(error)) error {
	w, err := s.compareSnapshot(ctx, key, snap, hash)
	if err != nil {
		return err
	}
	return s.writeSnapshot(ctx, w, snap, done)
}

func (s *Store) writeSnapshot(ctx context.Context, w *snapshotWrite, snap Snapshot, done func(error)) error {
	var parts []sealedPart
	size := 0
	for _, p := range []struct {
		kind  byte
		bytes []byte
	}{{chunkPart, snap.Chunk}, {graphPart, snap.Graph}} {
		for n := 0; n*partSize < len(p.bytes); n++ {
			if size >= writeStep {
				if err := s.putParts(ctx, w, parts); err != nil {
					s.trim(w.key, w.record.generation)
					return err
				}
				parts, size = nil, 0
			}
			part := p.bytes[n*partSize : min((n+1)*partSize, len(p.bytes))]
			parts = append(parts, w.seal(p.kind, n, part))
			size += len(part)
		}
	}
	apply := func(b *batch) error { return b.putSnapshot(w, parts) }
	return s.submit(ctx, 0, apply, func(err error) {
		s.trim(w.key, w.record.generation)
		done(err)
	})
}

func (w *snapshotWrite) seal(kind byte, n int, part []byte) sealedPart {
	key := appendPartKey(nil, generationKey(w.key, w.record.generation), kind, n)
	value := append(make([]byte, 0, len(part)+crcSize), part...)
	return sealedPart{key, snapshotPartsBucket.seal(key, value)}
}

// putParts writes parts of a snapshot that nobody sees yet, and waits until they are durable.
func (s *Store) putParts(ctx context.Context, w *snapshotWrite, parts []sealedPart) error {
	stored := make(chan error, 1)
	apply := func(b *batch) error { return b.putParts(w, parts) }
	if err := s.submit(ctx, 0, apply, func(err error) { stored <- err }); err != nil {
		return err
	}
	return <-stored
}

func (b *batch) putParts(w *snapshotWrite, parts []sealedPart) error {
	if err := b.notPurged(w.key); err != nil {
		return err
	}
	base, err := b.snapshot(w.key)
	if err != nil {
		return err
	}
	if base != w.base {
		return ErrInSnapshot
	}
	for _, p := range parts {
		b.putSealed(snapshotPartsBucket, p.key, p.value)
	}
	b.put(snapshotTrimsBucket, w.key, nil)
	return nil
}

// putSnapshot makes a snapshot the document's, with its last parts.
func (b *batch) putSnapshot(w *snapshotWrite, parts []sealedPart) error {
	if err := b.putParts(w, parts); err != nil {
		return fmt.Errorf("put snapshot: %w", err)
	}
	b.put(snapshotsBucket, w.key, w.record.encode())
	return nil
}

// compareSpan is how many changes are compared in one transaction.
const compareSpan = 4096

func (s *Store) compareSnapshot(ctx context.Context, key DocKey, snap Snapshot, hash func(i uint64) Hash) (*snapshotWrite, error) {
	if len(snap.Chunk) == 0 || len(snap.Graph) == 0 {
		return nil, fmt.Errorf("chunk or graph is empty: %w", ErrInvalid)
	}
	w := &snapshotWrite{record: snapshotRecord{
		changes: snap.Changes, chunk: uint64(len(snap.Chunk)), graph: uint64(len(snap.Graph)),
	}}
	if err := s.view(nil, func(r reader) error { return r.startSnapshot(key, w) }); err != nil {
		return nil, err
	}
	w.record.bytes = w.base.bytes
	w.record.generation = s.nextGeneration(w.record.generation)
	for from := w.base.changes; from < snap.Changes; from += compareSpan {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := s.Changes(key, from, min(from+compareSpan, snap.Changes), func(i uint64, c Change) error {
			if h := hash(i); h != c.Hash {
				return fmt.Errorf("change %d is %x, the snapshot has %x: %w", i, c.Hash, h, ErrInvalid)
			}
			w.record.bytes += uint64(len(c.Bytes))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

// startSnapshot reads what a snapshot replaces.
func (r reader) startSnapshot(key DocKey, w *snapshotWrite) (err error) {
	var doc document
	k, ok, err := r.documentKey(key)
	if err != nil {
		return err
	}
	if ok {
		if doc, _, err = r.document(k); err != nil {
			return err
		}
	}
	if w.record.changes > doc.changes {
		return fmt.Errorf("it covers %d changes, %d are stored: %w", w.record.changes, doc.changes, ErrInvalid)
	}
	w.key = k
	if w.base, err = r.snapshot(k); err != nil {
		return err
	}
	if w.record.changes <= w.base.changes {
		return fmt.Errorf("it covers %d changes: %w", w.record.changes, ErrInSnapshot)
	}
	w.record.generation, err = r.lastGeneration(k)
	return err
}

// lastGeneration returns the highest generation of which parts of a document are stored, 0 for none.
func (r reader) lastGeneration(key []byte) (uint32, error) {
	k, _, err := r.lastUnder(snapshotPartsBucket, key)
	if err != nil || k == nil {
		return 0, err
	}
	if len(k) != partKeySize {
		return 0, snapshotPartsBucket.corrupt(k, "key is malformed")
	}
	return u32(k[documentKeySize:]), nil
}

// nextGeneration returns a generation above last that no other write of this process has.
func (s *Store) nextGeneration(last uint32) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation = max(s.generation, last) + 1
	return s.generation
}
