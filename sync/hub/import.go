package hub

import (
	"bytes"
	"context"
	"fmt"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
)

// Imported is what became of imported changes.
type Imported struct {
	Heads   []crdt.Hash // of the document after it; none if it doesn't exist
	New     int         // changes that were taken
	Known   int         // that the document had
	Waiting int         // that weren't taken, because others are missing on which they depend
	Refused []*crdt.RefusalError
}

// Import takes any concatenation of documents and changes into a document, which
// may be a new one, as if a peer had sent them, and returns when they are durable.
// What is refused does no harm to the rest; when an error ends the call, a part
// may have been taken. The history of a new document isn't judged by guards.
// records are committed with the first part that is new, or alone if there is
// nothing new. chunks are the caller's again after the return.
//
// The error is ErrPurged or store.ErrExists (see store.Record.Absent), or
// ErrNotFound when there are records but no changes, for a document that doesn't
// exist.
func (h *Hub) Import(ctx context.Context, key store.DocKey, by Author, chunks []byte, records []store.Record) (Imported, error) {
	done, err := h.attend()
	if err != nil {
		return Imported{}, err
	}
	defer done()
	p := h.caller(Session{Company: key.Company, User: by.User, Roles: by.Roles}, by.Device, "")
	defer p.leave()
	l, err := p.open(key.Document)
	if err != nil {
		return Imported{}, err
	}
	t := &tally{records: records}
	exists, err := l.document.expects(records)
	if err != nil {
		return Imported{}, fmt.Errorf("import into document %s: %w", key.Document, err)
	}
	for piece := range pieces(bytes.Clone(chunks)) { // what is staged goes on when ctx ends
		in := &message{link: l, frame: Frame{Data: piece}, sync: &protocol.Message{Changes: [][]byte{piece}}, tally: t, trusted: !exists}
		if err := p.say(ctx, in, false); err != nil {
			return Imported{}, fmt.Errorf("import into document %s: %w", key.Document, err)
		}
	}
	if len(t.records) > 0 { // there was nothing new
		if _, err := h.Edit(ctx, key, Edit{By: by, Records: t.records}); err != nil {
			return Imported{}, err
		}
	}
	return l.document.imported(t, p.refusals()), nil
}

// tally counts what becomes of imported changes. nil counts nothing.
type tally struct {
	records []store.Record // to be committed with the first of them
	taken   int
	known   int
	held    []crdt.Hash // waited for others
}

func (t *tally) take(runs []run, from sender) (records []store.Record) {
	if t == nil || len(runs) == 0 {
		return nil
	}
	for _, r := range runs {
		if r.sender == from {
			t.taken += len(r.changes)
		}
	}
	records, t.records = t.records, nil
	return records
}

func (t *tally) know(n int) {
	if t != nil {
		t.known += n
	}
}

func (t *tally) hold(h crdt.Hash) {
	if t != nil {
		t.held = append(t.held, h)
	}
}

// expects reports whether a document exists, before an import with records.
func (d *document) expects(records []store.Record) (exists bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.guard(&err)
	if err := d.load(); err != nil {
		return false, err
	}
	return d.graph.Staged() > 0, d.absent(records)
}

// imported returns the outcome of an import that is over.
func (d *document) imported(t *tally, refused []*crdt.RefusalError) Imported {
	d.mu.Lock()
	defer d.mu.Unlock()
	got := Imported{New: t.taken, Known: t.known, Refused: refused}
	if d.graph == nil { // given up since
		return got
	}
	got.Heads = d.graph.Heads()
	for _, h := range t.held {
		if !d.graph.HasStaged(h) {
			got.Waiting++
		}
	}
	return got
}

// pieceBytes is how much of an import's changes is taken at a time.
const pieceBytes = 4 << 20

// pieces cuts a concatenation of chunks: each document is a piece, and what
// can't be read.
func pieces(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		rest, at := b, 0 // b[:at] is cut off
		flush := func(to int) bool {
			piece := b[at:to]
			at = to
			return len(piece) == 0 || yield(piece)
		}
		for len(rest) > 0 {
			start := len(b) - len(rest)
			chunk, next, err := crdt.NextChunk(rest)
			if err != nil {
				break
			}
			rest = next
			whole := chunk.Type == crdt.ChunkDocument
			if (whole || len(b)-len(rest)-at > pieceBytes) && !flush(start) || whole && !flush(len(b)-len(rest)) {
				return
			}
		}
		flush(len(b))
	}
}
