package hub

import (
	"context"

	"concord/crdt"
	"concord/internal/id"
)

// SyncAnswer is what one sync message brought.
type SyncAnswer struct {
	Message []byte // nil when there is nothing to say
	Refused []*crdt.RefusalError
}

// Sync takes one sync message of a device that has no connection, and returns the answer when the message's changes are
// durable. What the server knows of the device's copy is kept under storageID, "" for none, as for its connections.
//
// The error is ErrNotFound, ErrPurged or ErrMalformed.
func (h *Hub) Sync(ctx context.Context, s Session, storageID string, doc id.DocumentID, message []byte) (SyncAnswer, error) {
	return SyncAnswer{}, ErrNotFound
}
