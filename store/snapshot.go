package store

import (
	"bytes"
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
	generationKeySize = documentKeySize + 4
	partKeySize       = generationKeySize + 1 + 4

	chunkPart byte = 'c'
	graphPart byte = 'g'
)

// generationKey begins the keys of all parts of one snapshot of a document.
func generationKey(key []byte, generation uint32) []byte {
	return appendU32(append(make([]byte, 0, partKeySize), key...), generation)
}

// appendPartKey appends the key of part n; key is a generationKey.
func appendPartKey(b, key []byte, kind byte, n int) []byte {
	return appendU32(append(append(b, key...), kind), uint32(n))
}

// snapshotRecord is the payload of a record in snapshots.
type snapshotRecord struct {
	changes, bytes uint64 // covered changes, and the sum of their chunk bytes
	chunk, graph   uint64 // bytes of the parts
	generation     uint32 // under which the parts are stored; from 1
}

const snapshotSize = 8 + 8 + 8 + 8 + 4

func (r snapshotRecord) encode() []byte {
	v := make([]byte, 0, snapshotSize+crcSize)
	v = appendU64(appendU64(appendU64(appendU64(v, r.changes), r.bytes), r.chunk), r.graph)
	return appendU32(v, r.generation)
}

func decodeSnapshot(v []byte) (snapshotRecord, bool) {
	if len(v) != snapshotSize {
		return snapshotRecord{}, false
	}
	r := snapshotRecord{changes: u64(v), bytes: u64(v[8:]), chunk: u64(v[16:]), graph: u64(v[24:]), generation: u32(v[32:])}
	return r, r.changes > 0 && r.chunk > 0 && r.graph > 0 && r.generation > 0
}

// snapshot returns a document's record in snapshots; the zero record when it has none.
func (r reader) snapshot(key []byte) (snapshotRecord, error) {
	if r.lacks(snapshotsBucket) {
		return snapshotRecord{}, nil
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

// parts returns chunk or graph of a generationKey. Without own, what fits into one record aliases the transaction's memory.
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
	k = generationKey(k, rec.generation)
	snap := Snapshot{Changes: rec.changes}
	if o.graph {
		snap.Graph, err = r.parts(k, graphPart, rec.graph, o.own)
	}
	if err == nil && o.chunk {
		snap.Chunk, err = r.parts(k, chunkPart, rec.chunk, o.own)
	}
	return snap, err == nil, err
}
