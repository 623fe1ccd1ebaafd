package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"concord/internal/id"
)

// documentBackup is a document on its way into a backup.
type documentBackup struct {
	key    []byte
	doc    document // as it was when the backup began
	before uint64   // changes that earlier backups hold
	phase  int

	snap   snapshotRecord
	part   int    // next of the snapshot
	change uint64 // next
	run    uint64 // next change whose attribution is to be written
}

// writeDocuments writes the documents that cut has listed, as many in one transaction as fill the buffer.
func (b *backup) writeDocuments() error {
	list, err := b.documents.rewind()
	if err != nil {
		return err
	}
	var d *documentBackup
	company, done := uint32(0), uint64(0)
	return b.paged(func(r reader) (more bool, err error) {
		for !b.full() {
			if d == nil {
				if d, err = nextDocument(list); err != nil || d == nil {
					return false, err
				}
				if number := u32(d.key); number != company {
					company = number
					name, err := r.companyName(number)
					if err != nil {
						return false, err
					}
					b.frame(frameName, []byte(name))
				}
			}
			ended, err := b.writeDocument(r, d)
			if err != nil {
				return false, fmt.Errorf("document %s: %w", id.DocumentID(d.key[companySize:]), err)
			}
			if !ended {
				continue
			}
			d = nil
			if done++; b.o.Progress != nil {
				b.o.Progress(Progress{Done: done, Total: b.total})
			}
		}
		return true, nil
	})
}

// nextDocument reads what listDocument has written; nil at the end.
func nextDocument(list *bufio.Reader) (*documentBackup, error) {
	head := make([]byte, companySize+4)
	if _, err := io.ReadFull(list, head); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	size := int(u32(head[companySize:]))
	rest := make([]byte, size+id.DocumentIDSize+8)
	if _, err := io.ReadFull(list, rest); err != nil {
		return nil, err
	}
	doc, ok := decodeDocument(rest[:size])
	if !ok {
		return nil, errors.New("the temporary file was changed")
	}
	return &documentBackup{
		key: join(head[:companySize], rest[size:size+id.DocumentIDSize]),
		doc: doc, before: u64(rest[size+id.DocumentIDSize:]),
	}, nil
}

// writeDocument gathers the next frames of a document until the buffer is full. It ends early when the document was
// purged since the backup began: its tombstone will tell.
func (b *backup) writeDocument(r reader, d *documentBackup) (ended bool, err error) {
	if _, ok, err := r.document(d.key); err != nil || !ok {
		if errors.Is(err, ErrPurged) {
			return true, nil
		}
		if err == nil {
			err = documentsBucket.corrupt(d.key, "record is missing")
		}
		return false, err
	}
	steps := []func(reader, *documentBackup) (bool, error){
		b.beginDocument, b.writeChunk, b.writeGraph, b.writeChanges, b.writeRuns,
	}
	for ; d.phase < len(steps); d.phase++ {
		if more, err := steps[d.phase](r, d); err != nil || more {
			return false, err
		}
	}
	b.frame(frameEnd)
	return true, nil
}

func (b *backup) beginDocument(r reader, d *documentBackup) (more bool, err error) {
	if d.snap, err = r.snapshot(d.key); err != nil {
		return false, err
	}
	if d.snap.changes <= d.before {
		d.snap = snapshotRecord{}
	}
	if max(d.snap.chunk, d.snap.graph) > maxBlob {
		return false, fmt.Errorf("its snapshot has %d bytes, at most %d can be backed up", max(d.snap.chunk, d.snap.graph), maxBlob)
	}
	d.change, d.run = max(d.before, d.snap.changes), d.before
	payload := append(make([]byte, 0, id.DocumentIDSize+5*8), d.key[companySize:]...)
	for _, v := range []uint64{d.before, d.doc.changes, d.doc.bytes, d.snap.changes, d.snap.bytes} {
		payload = appendU64(payload, v)
	}
	b.frame(frameDocument, payload, d.doc.heads)
	return false, nil
}

func (b *backup) writeChunk(r reader, d *documentBackup) (bool, error) {
	return b.writeParts(r, d, chunkPart, d.snap.chunk)
}

func (b *backup) writeGraph(r reader, d *documentBackup) (bool, error) {
	return b.writeParts(r, d, graphPart, d.snap.graph)
}

// writeParts writes chunk or graph of the document's snapshot.
func (b *backup) writeParts(r reader, d *documentBackup, kind byte, size uint64) (more bool, err error) {
	key := generationKey(d.key, d.snap.generation)
	for ; uint64(d.part)*partSize < size; d.part++ {
		if b.full() {
			return true, nil
		}
		k := appendPartKey(nil, key, kind, d.part)
		payload, ok, err := r.get(snapshotPartsBucket, k)
		if err != nil {
			return false, err
		}
		if !ok {
			return false, snapshotPartsBucket.corrupt(k, "record is missing")
		}
		b.frame(kind, payload)
	}
	d.part = 0
	return false, nil
}

// writeChanges writes the changes after the snapshot, large ones in pieces.
func (b *backup) writeChanges(r reader, d *documentBackup) (more bool, err error) {
	if d.change == d.doc.changes {
		return false, nil
	}
	bk, err := r.bucket(changesBucket)
	if err != nil {
		return false, err
	}
	c := bk.Cursor()
	k, v := c.Seek(appendU64(join(d.key, nil), d.change))
	for ; d.change < d.doc.changes; k, v = c.Next() {
		if b.full() {
			return true, nil
		}
		change, err := readChange(appendU64(join(d.key, nil), d.change), k, v)
		if err != nil {
			return false, err
		}
		if len(change.Bytes) > maxBlob {
			return false, fmt.Errorf("change %d has %d bytes, at most %d can be backed up", d.change, len(change.Bytes), maxBlob)
		}
		for rest := change.Bytes; len(rest) > 0; {
			piece := rest[:min(changePiece, len(rest))]
			rest = rest[len(piece):]
			b.frame(frameChange, []byte{byte(min(1, len(rest)))}, piece)
		}
		d.change++
	}
	return false, nil
}

// writeRuns writes who brought the changes that earlier backups don't hold.
func (b *backup) writeRuns(r reader, d *documentBackup) (more bool, err error) {
	for d.run < d.doc.changes {
		if b.full() {
			return true, nil
		}
		u, err := r.runAt(d.key, d.run)
		if err != nil {
			return false, err
		}
		by, err := r.attribution(u32(d.key), u)
		if err != nil {
			return false, err
		}
		var entries []byte
		last := int64(0)
		err = r.eachAppend(d.key, u, d.run, d.doc.changes, func(a Run) error {
			at := a.Received.UnixMilli()
			entries = appendEntry(entries, a.Count, at-last)
			last, d.run = at, a.First+a.Count
			return nil
		})
		if err != nil {
			return false, err
		}
		b.frame(frameRun, appendText(appendText(nil, by.User), by.Device), entries)
	}
	return false, nil
}
