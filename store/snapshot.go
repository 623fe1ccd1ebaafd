package store

import (
	"bytes"
	"context"
	"fmt"
)

// Snapshot replaces the first changes of a document.
type Snapshot struct {
	Changes uint64 // how many it covers: indexes below
	Chunk   []byte // document chunk with these changes, in the order of their indexes
	Graph   []byte // their change graph, to be read without decoding the chunk
}

// partSize cuts chunk and graph into records. A page of bbolt's holds up to four records of any size, and a write to
// one of them writes all four anew: with large records a small document would pay for its neighbours.
const partSize = 32 << 10

const (
	partHeader = documentKeySize + 1 + 4

	chunkPart byte = 'c'
	graphPart byte = 'g'
)

func appendPartKey(b, key []byte, kind byte, n int) []byte {
	return appendU32(append(append(b, key...), kind), uint32(n))
}

// snapshotRecord is the payload of a record in snapshots.
type snapshotRecord struct {
	changes, bytes uint64 // covered changes, and the sum of their chunk bytes
	chunk, graph   uint64 // bytes of the parts
}

const snapshotSize = 8 + 8 + 8 + 8

func (r snapshotRecord) encode() []byte {
	v := make([]byte, 0, snapshotSize+crcSize)
	return appendU64(appendU64(appendU64(appendU64(v, r.changes), r.bytes), r.chunk), r.graph)
}

func decodeSnapshot(v []byte) (snapshotRecord, bool) {
	if len(v) != snapshotSize {
		return snapshotRecord{}, false
	}
	r := snapshotRecord{changes: u64(v), bytes: u64(v[8:]), chunk: u64(v[16:]), graph: u64(v[24:])}
	return r, r.changes > 0 && r.chunk > 0 && r.graph > 0
}

// snapshot returns a document's record in snapshots; the zero record when it has none.
func (r reader) snapshot(key []byte) (snapshotRecord, error) {
	if r.tx.Bucket([]byte(snapshotsBucket.name)) == nil {
		return snapshotRecord{}, nil // format 1, opened for reading
	}
	v, ok, err := r.get(snapshotsBucket, key)
	if err != nil || !ok {
		return snapshotRecord{}, err
	}
	rec, ok := decodeSnapshot(v)
	if !ok {
		return snapshotRecord{}, snapshotsBucket.corrupt(key, "record is malformed")
	}
	return rec, nil
}

// parts returns chunk or graph. Without own, what fits into one record aliases the transaction's memory.
func (r reader) parts(key []byte, kind byte, size uint64, own bool) ([]byte, error) {
	bk, err := r.bucket(snapshotPartsBucket)
	if err != nil {
		return nil, err
	}
	c := bk.Cursor()
	var parts [][]byte
	want := appendPartKey(nil, key, kind, 0)
	total := uint64(0)
	for k, v := c.Seek(want); total < size; k, v = c.Next() {
		if !bytes.Equal(k, want) {
			return nil, snapshotPartsBucket.corrupt(want, "record is missing")
		}
		part, err := snapshotPartsBucket.unseal(k, v)
		if err != nil {
			return nil, err
		}
		if len(part) != int(min(partSize, size-total)) {
			return nil, snapshotPartsBucket.corrupt(want, "record has the wrong length")
		}
		total += uint64(len(part))
		parts = append(parts, part)
		want = appendPartKey(want[:0], key, kind, len(parts))
	}
	if len(parts) == 1 && !own {
		return parts[0], nil
	}
	return bytes.Join(parts, nil), nil
}

// Snapshot returns a copy of a document's snapshot; false when it has none.
func (s *Store) Snapshot(key DocKey) (snap Snapshot, ok bool, err error) {
	read := snapshotRead{graph: true, chunk: true, own: true}
	err = s.viewSnapshot(key, read, func(v Snapshot) error { snap, ok = v, true; return nil })
	return snap, ok, err
}

// ViewSnapshot calls fn with a document's snapshot, and doesn't call it when there is none. Chunk and Graph may alias
// the mapped file and are valid only during fn, for which the rules of Changes hold.
func (s *Store) ViewSnapshot(key DocKey, fn func(Snapshot) error) error {
	return s.viewSnapshot(key, snapshotRead{graph: true, chunk: true}, fn)
}

// ViewGraph is ViewSnapshot without the chunk.
func (s *Store) ViewGraph(key DocKey, fn func(Snapshot) error) error {
	return s.viewSnapshot(key, snapshotRead{graph: true}, fn)
}

// ViewChunk is ViewSnapshot without the graph.
func (s *Store) ViewChunk(key DocKey, fn func(Snapshot) error) error {
	return s.viewSnapshot(key, snapshotRead{chunk: true}, fn)
}

// snapshotRead says what to read, and whether the bytes are to be the caller's own.
type snapshotRead struct{ graph, chunk, own bool }

func (s *Store) viewSnapshot(key DocKey, o snapshotRead, fn func(Snapshot) error) error {
	var calling bool
	var fnErr error
	err := s.view(&calling, func(r reader) error {
		snap, ok, err := r.readSnapshot(key, o)
		if err != nil || !ok {
			return err
		}
		calling = true
		fnErr = fn(snap)
		calling = false
		return fnErr
	})
	if fnErr != nil {
		return fnErr
	}
	if err != nil {
		return fmt.Errorf("read snapshot of document %s: %w", key.Document, err)
	}
	return nil
}

func (r reader) readSnapshot(key DocKey, o snapshotRead) (Snapshot, bool, error) {
	k, ok, err := r.documentKey(key)
	if err != nil || !ok {
		return Snapshot{}, false, err
	}
	rec, err := r.snapshot(k)
	if err != nil || rec.changes == 0 {
		return Snapshot{}, false, err
	}
	snap := Snapshot{Changes: rec.changes}
	if o.graph {
		snap.Graph, err = r.parts(k, graphPart, rec.graph, o.own)
	}
	if err == nil && o.chunk {
		snap.Chunk, err = r.parts(k, chunkPart, rec.chunk, o.own)
	}
	return snap, err == nil, err
}

// snapshotWrite is a snapshot that was compared with the changes that it covers, sealed to be written.
type snapshotWrite struct {
	key    []byte
	base   snapshotRecord // the snapshot that it replaces
	record snapshotRecord
	parts  []sealedPart
}

type sealedPart struct{ key, value []byte }

// PutSnapshot replaces the first changes of a document, and the snapshot that covered some of them, with a snapshot.
// Before it queues the write it compares the hash of every change that no snapshot covers yet with hash(i), in short
// read transactions; that the chunk and the graph hold just these changes is for the caller to prove. Readers see the
// document with the former snapshot or with this one. The records of the covered changes are deleted after that, a
// few at a time, so that other documents don't wait; Open goes on with what a stopped process has left.
//
// It returns ErrInSnapshot when the document's snapshot covers as many changes already (done gets it when that became
// so meanwhile), and ErrInvalid when the document has fewer changes or another hash. Its bytes don't count in the
// queue: the caller bounds how many snapshots it submits at once. The slices belong to the caller.
func (s *Store) PutSnapshot(ctx context.Context, key DocKey, snap Snapshot, hash func(i uint64) Hash, done func(error)) error {
	w, err := s.compareSnapshot(ctx, key, snap, hash)
	if err != nil {
		return fmt.Errorf("put snapshot of document %s: %w", key.Document, err)
	}
	w.seal(chunkPart, snap.Chunk)
	w.seal(graphPart, snap.Graph)
	apply := func(b *batch) error {
		if err := b.putSnapshot(w); err != nil {
			return fmt.Errorf("put snapshot of document %s: %w", key.Document, err)
		}
		return nil
	}
	return s.submit(ctx, 0, apply, func(err error) {
		if err == nil {
			s.trim(w.key)
		}
		if done != nil {
			done(err)
		}
	})
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
	return nil
}

// seal cuts what is to be stored into records.
func (w *snapshotWrite) seal(kind byte, b []byte) {
	for n := 0; n*partSize < len(b); n++ {
		part := b[n*partSize : min((n+1)*partSize, len(b))]
		key := appendPartKey(make([]byte, 0, partHeader), w.key, kind, n)
		value := append(make([]byte, 0, len(part)+crcSize), part...)
		w.parts = append(w.parts, sealedPart{key, snapshotPartsBucket.seal(key, value)})
	}
}

func (b *batch) putSnapshot(w *snapshotWrite) error {
	base, err := b.snapshot(w.key)
	if err != nil {
		return err
	}
	if base != w.base {
		return ErrInSnapshot
	}
	for _, old := range []struct {
		kind      byte
		have, now uint64
	}{{chunkPart, base.chunk, w.record.chunk}, {graphPart, base.graph, w.record.graph}} {
		for n := numParts(old.now); n < numParts(old.have); n++ {
			b.delete(snapshotPartsBucket, appendPartKey(nil, w.key, old.kind, n))
		}
	}
	for _, p := range w.parts {
		b.putSealed(snapshotPartsBucket, p.key, p.value)
	}
	b.put(snapshotsBucket, w.key, w.record.encode())
	b.put(snapshotTrimsBucket, w.key, nil)
	return nil
}

func numParts(size uint64) int { return int((size + partSize - 1) / partSize) }
