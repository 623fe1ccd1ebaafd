package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"concord/internal/id"
)

// stagedDocument is a document that is being read from a backup.
type stagedDocument struct {
	skip   bool
	key    []byte
	doc    document // as it will be
	heads  []byte
	snap   snapshotRecord
	parts  int    // of the kind that is being read
	change []byte // pieces of the next one
	next   uint64 // its index
	bytes  uint64 // of changes that weren't in the snapshot
	runs   uint64 // changes that have an attribution
	run    run    // the last one, not written; without entries when there is none
}

const documentFrame = id.DocumentIDSize + 5*8

func (s *stage) takeDocument(v []byte) error {
	if len(v) < documentFrame || (len(v)-documentFrame)%hashSize != 0 || len(v) == documentFrame {
		return malformed("a document")
	}
	number := func(i int) uint64 { return u64(v[id.DocumentIDSize+8*i:]) }
	d := &stagedDocument{key: s.key(v[:id.DocumentIDSize]), heads: bytes.Clone(v[documentFrame:]), runs: number(0)}
	d.doc = document{changes: number(1), bytes: number(2)}
	d.snap = snapshotRecord{changes: number(3), bytes: number(4)}
	d.next = max(d.runs, d.snap.changes)
	if s.doc = d; s.other(v[:id.DocumentIDSize]) {
		d.skip = true
		return nil
	}
	if d.runs >= d.doc.changes || d.next > d.doc.changes || d.snap.changes != 0 && d.snap.changes <= d.runs {
		return malformed("a document")
	}
	old, _, err := s.document(d.key)
	if err != nil {
		return err
	}
	if old.changes != d.runs {
		return fmt.Errorf("document %s begins at change %d, %d are known: %w", s.id(), d.runs, old.changes, ErrBackup)
	}
	if d.runs > 0 {
		if d.run, err = s.reader.run(d.key, old.lastRun); err != nil {
			return err
		}
		d.run.entries = bytes.Clone(d.run.entries)
	}
	d.bytes = old.bytes
	if d.snap.changes > 0 {
		d.bytes = d.snap.bytes
		last, err := s.lastGeneration(d.key)
		if err != nil {
			return err
		}
		d.snap.generation = last + 1
	}
	s.read++
	if s.o.Progress != nil {
		s.o.Progress(Progress{Done: s.read})
	}
	return nil
}

// id is the document that is being read.
func (s *stage) id() id.DocumentID { return id.DocumentID(s.doc.key[companySize:]) }

func (s *stage) takeChunk(part []byte) error {
	if s.doc != nil && s.doc.snap.graph > 0 {
		return malformed("the order of its frames")
	}
	return s.takePart(chunkPart, part, func(d *stagedDocument) *uint64 { return &d.snap.chunk })
}

func (s *stage) takeGraph(part []byte) error {
	if s.doc != nil && s.doc.snap.graph == 0 {
		s.doc.parts = 0
	}
	return s.takePart(graphPart, part, func(d *stagedDocument) *uint64 { return &d.snap.graph })
}

func (s *stage) takePart(kind byte, part []byte, size func(*stagedDocument) *uint64) error {
	d := s.doc
	switch {
	case d == nil || d.snap.changes == 0 || len(part) == 0 || len(part) > partSize:
		return malformed("a snapshot")
	case d.skip:
		return nil
	}
	total := size(d)
	if *total += uint64(len(part)); *total > maxBlob {
		return fmt.Errorf("the snapshot of document %s has more than %d bytes: %w", s.id(), maxBlob, ErrBackup)
	}
	s.seal(snapshotPartsBucket, appendPartKey(nil, generationKey(d.key, d.snap.generation), kind, d.parts), part)
	d.parts++
	return nil
}

func (s *stage) takeChange(payload []byte) error {
	d := s.doc
	if d == nil || len(payload) < 2 || payload[0] > 1 {
		return malformed("a change")
	}
	if d.skip {
		return nil
	}
	if len(d.change)+len(payload) > maxBlob {
		return fmt.Errorf("a change of document %s has more than %d bytes: %w", s.id(), maxBlob, ErrBackup)
	}
	if d.change = append(d.change, payload[1:]...); payload[0] == 1 {
		return nil
	}
	h, ok := chunkHash(d.change)
	if !ok || d.next == d.doc.changes {
		return fmt.Errorf("change %d of document %s is one too many, or doesn't have its hash: %w", d.next, s.id(), ErrBackup)
	}
	s.put(changesBucket, appendU64(join(d.key, nil), d.next), append(h[:], d.change...))
	d.next++
	d.bytes += uint64(len(d.change))
	d.change = d.change[:0]
	return nil
}

// chunkHash returns the hash of a change, false for what is none.
func chunkHash(chunk []byte) (h Hash, ok bool) {
	if len(chunk) < minChunk {
		return Hash{}, false
	}
	h = sha256.Sum256(chunk[8:])
	return h, plausible(h[:], chunk)
}

func (s *stage) takeRun(payload []byte) error {
	d := s.doc
	if d == nil {
		return malformed("an attribution")
	}
	if d.skip {
		return nil
	}
	var by Attribution
	var ok bool
	for _, text := range []*string{&by.User, &by.Device} {
		if *text, payload, ok = cutText(payload); !ok || checkText("name", *text, text == &by.Device) != nil {
			return malformed("an attribution")
		}
	}
	at := int64(0)
	for len(payload) > 0 {
		count, n := binary.Uvarint(payload)
		if n <= 0 {
			return malformed("an attribution")
		}
		delta, m := binary.Varint(payload[n:])
		if m <= 0 || count == 0 || count > d.doc.changes-d.runs {
			return malformed("an attribution")
		}
		payload, at = payload[n+m:], at+delta
		if at > maxMilli || at < -maxMilli {
			return malformed("an attribution")
		}
		by.Received = time.UnixMilli(at)
		if err := s.addRun(d, Run{First: d.runs, Count: count, Attribution: by}); err != nil {
			return err
		}
		d.runs += count
	}
	return nil
}

// maxMilli bounds times, so that their differences can't overflow.
const maxMilli = math.MaxInt64 / 4

// addRun extends the document's last run, or writes it and begins another one.
func (s *stage) addRun(d *stagedDocument, u Run) error {
	last := &d.run
	if len(last.entries) == 0 {
		last = nil
	}
	next, err := s.nextRun(s.company, last, u)
	if err != nil {
		return err
	}
	if last != nil && next.first != last.first {
		s.putRun(d)
	}
	d.run = next
	return nil
}

func (s *stage) putRun(d *stagedDocument) {
	s.put(attributionsBucket, appendU64(join(d.key, nil), d.run.first), d.run.encode())
	s.putEditor(d.key, d.run.user)
}

func (s *stage) takeEnd([]byte) error {
	d := s.doc
	if d == nil {
		return malformed("the order of its frames")
	}
	if s.doc = nil; d.skip {
		return nil
	}
	whole := d.next == d.doc.changes && d.runs == d.doc.changes && len(d.change) == 0 && d.bytes == d.doc.bytes
	if d.snap.changes > 0 && (d.snap.chunk == 0 || d.snap.graph == 0) || !whole {
		return fmt.Errorf("document %s isn't whole: %w", id.DocumentID(d.key[companySize:]), ErrBackup)
	}
	s.putRun(d)
	d.doc.lastRun = d.run.first
	s.put(documentsBucket, d.key, d.doc.encode(splitHashes(d.heads)))
	if d.snap.changes > 0 {
		s.put(snapshotsBucket, d.key, d.snap.encode())
	}
	return nil
}
