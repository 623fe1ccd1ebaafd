package events

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/oklog/ulid/v2"

	"concord/store"
)

// EventReceipts tells who got an event.
type EventReceipts struct {
	Event     string     `json:"event"` // its ID
	Delivered []Delivery `json:"delivered"`
	Read      []Reading  `json:"read"`
}

// Delivery tells that a device has acknowledged an event.
type Delivery struct {
	User   string    `json:"user"`
	Device string    `json:"device"`
	At     time.Time `json:"at"`
}

// Reading tells that a user has read an event.
type Reading struct {
	User string    `json:"user"`
	At   time.Time `json:"at"`
}

// The records of receipts, under 16B ID of the event and 1B part.
const (
	partHead      = 'e' // 2B length and room, publisher
	partDelivered = 'd' // 2B length and user, device; 8B time
	partRead      = 'r' // user; 8B time
)

func receiptKey(event ulid.ULID, part byte, rest []byte) []byte {
	return append(append(append(make([]byte, 0, len(event)+1+len(rest)), event[:]...), part), rest...)
}

// receiptHead returns what tells that receipts of an event are wanted, and by whom.
func receiptHead(e *Event, until time.Time) store.Record {
	body := append(binary.BigEndian.AppendUint16(nil, uint16(len(e.Room))), e.Room...)
	return State{
		Kind: StateReceipt, Key: receiptKey(ulid.MustParseStrict(e.ID), partHead, nil), Document: e.Document, Until: until, Body: append(body, e.From...),
	}.Record()
}

// Receipts tells who got an event that was published with receipts. by is the user who asks, and must be the publisher;
// empty means that anybody's may be told. The error is ErrNoReceipts, or the store's.
func (l *Log) Receipts(company, eventID, by string) (EventReceipts, error) {
	return EventReceipts{}, errNotYet
}

// MaxSeen is how many events one call tells to have been read.
const MaxSeen = 1000

// Seen notes that a user has read events, and tells the user's devices by notification:read. IDs of events that the user
// can't have got, or has read before, are passed over. The errors are ErrInvalid, or the store's.
func (l *Log) Seen(ctx context.Context, who Listener, ids []string) error { return errNotYet }
