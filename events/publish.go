package events

import (
	"context"
	"encoding/json"

	"concord/internal/id"
)

const (
	// MaxPublications is how many events one call publishes.
	MaxPublications = 1000

	// MaxKey is the limit in bytes for an idempotency key.
	MaxKey = 200
)

// Publication is an event that somebody wants to be told.
type Publication struct {
	Type     string          // one of the catalogue's that not only the server may make
	Room     string          // of a user, of the company, or of a document
	Data     json.RawMessage // nil stands for {}
	Receipts bool            // the publisher wants to know of delivery and reading
	Document id.DocumentID   // what it is about, which has to exist; zero: nothing
}

// Published is where a publication went.
type Published struct {
	ID     string
	Cursor string // empty for one that isn't kept
}

// Publish tells events, all or none, and returns when they are durable. by is the user who publishes. A key that was used
// within the TTL by the same user returns the first answer and tells nothing; empty means none. The errors are
// ErrUnknownType, ErrServerType, ErrInvalid, ErrTooLarge, ErrNoDocument, ErrKeyReused, or the store's.
func (l *Log) Publish(ctx context.Context, company, by, key string, list []Publication) ([]Published, error) {
	return nil, errNotYet
}
