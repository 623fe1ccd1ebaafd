package events

import (
	"context"
	"encoding/json"

	"concord/internal/id"
)

// Publication is an event that somebody wants to be told.
type Publication struct {
	Type, Room string
	Data       json.RawMessage
	Receipts   bool
	Document   id.DocumentID
}

// Published is where a publication went.
type Published struct {
	ID, Cursor string
}

// Publish puts events into the log, all or none.
func (l *Log) Publish(ctx context.Context, company, by, key string, list []Publication) ([]Published, error) {
	return nil, errNotYet
}

// Seen notes that a user has read events.
func (l *Log) Seen(ctx context.Context, who Listener, ids []string) error { return errNotYet }
