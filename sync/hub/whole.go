package hub

import (
	"errors"
	"slices"

	"concord/store"
	"concord/sync/protocol"
)

// wholeOverhead is room in a message for what surrounds a document: up to 1,024
// heads and needs, CBOR and flags.
const wholeOverhead = 512 << 10

// wholeBytes is how big a document may be to be sent in one message: clients
// are sent no bigger messages than they may send, but for a single change.
func (h *Hub) wholeBytes() int { return max(h.opts.MaxMessage-wholeOverhead, h.opts.MaxMessage/2) }

var errFull = errors.New("the message is full")

// wholeDocument returns the snapshot as it is stored, and after it the changes
// that came later, as far as they fit in.
func (d *document) wholeDocument() (w protocol.Whole, err error) {
	limit := d.hub.wholeBytes()
	n := d.graph.Len()
	if d.stored.SnapshotBytes > uint64(limit) {
		return w, nil // not worth the reading
	}
	err = unreplaced(func() error {
		w = protocol.Whole{}
		if err := d.hub.store.ViewChunk(d.key, func(s store.Snapshot) error {
			d.stored.SnapshotBytes = uint64(len(s.Chunk))
			if len(s.Chunk) <= limit {
				w.Document = int(s.Changes)
				w.Chunks = append(slices.Grow([]byte(nil), min(limit, len(s.Chunk)+int(d.stored.TailBytes))), s.Chunk...)
			}
			return nil
		}); err != nil || w.Chunks == nil {
			return err
		}
		w.Document = min(w.Document, n) // what is durable is published a moment later
		w.Changes = w.Document
		return d.hub.store.Changes(d.key, uint64(w.Document), uint64(n), func(i uint64, c store.Change) error {
			if len(w.Chunks)+len(c.Bytes) > limit {
				return errFull
			}
			w.Chunks = append(w.Chunks, c.Bytes...)
			w.Changes++
			return nil
		})
	})
	if errors.Is(err, errFull) {
		err = nil
	}
	if w.Chunks != nil {
		d.hub.stats.documents.Add(1)
	}
	d.snapshotIfDue(true) // so that the next one is sent less
	return w, err
}
