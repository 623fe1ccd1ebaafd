package hub

import (
	"context"

	"concord/crdt"
	"concord/store"
)

// Imported is what became of imported changes.
type Imported struct {
	Heads   []crdt.Hash // of the document after it
	New     int         // changes that were taken
	Known   int         // that the document had
	Waiting int         // for others that they depend on
	Refused []*crdt.RefusalError
}

// Import takes any concatenation of documents and changes into a document, which may be a new one, as if a peer had
// sent them, and returns when they are durable. What is refused does no harm to the rest. records are committed with
// the first changes, or alone if there is nothing new.
func (h *Hub) Import(ctx context.Context, key store.DocKey, by Author, chunks []byte, records []store.Record) (Imported, error) {
	return Imported{}, ErrNotFound
}
