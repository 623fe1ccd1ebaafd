package hub

import (
	"context"

	"concord/store"
)

// Export returns what is durable of a document as a file that Automerge loads: a document chunk, and the changes after
// it.
func (h *Hub) Export(ctx context.Context, key store.DocKey) ([]byte, error) {
	return nil, ErrNotFound
}
