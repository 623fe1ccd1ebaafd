package events

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"concord/store"
)

// MaxReceipts is how many receipts of an event can be asked for.
const MaxReceipts = 10_000

// EventReceipts tells who got an event.
type EventReceipts struct {
	Event     string     `json:"event"` // its ID
	Delivered []Delivery `json:"delivered"`
	Read      []Reading  `json:"read"`
	More      bool       `json:"more,omitempty"` // there are others than these MaxReceipts
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
	r, err := l.receiptsOf(company, eventID, by)
	if err != nil {
		return EventReceipts{}, fmt.Errorf("receipts of event %s: %w", clip(eventID), err)
	}
	return r, nil
}

func (l *Log) receiptsOf(company, eventID, by string) (EventReceipts, error) {
	event, err := ulid.ParseStrict(eventID)
	if err != nil {
		return EventReceipts{}, ErrNoReceipts
	}
	_, publisher, ok, err := l.receiptHead(company, event)
	if err != nil {
		return EventReceipts{}, err
	}
	if !ok || by != "" && by != publisher {
		return EventReceipts{}, ErrNoReceipts
	}
	r := EventReceipts{Event: event.String(), Delivered: []Delivery{}, Read: []Reading{}}
	part := store.Range{Prefix: StateKeyOf(StateReceipt, event[:])}
	err = l.store.Scan(company, store.TableEventState, part, func(key, value []byte) error {
		if r.More = len(r.Delivered)+len(r.Read) == MaxReceipts; r.More {
			return store.ErrStop
		}
		x, at, ok := parseReceipt(key, value)
		switch {
		case !ok:
		case x.part == partDelivered:
			r.Delivered = append(r.Delivered, Delivery{x.user, x.device, at})
		case x.part == partRead:
			r.Read = append(r.Read, Reading{x.user, at})
		}
		return nil
	})
	return r, err
}

// receiptHead returns the room and the publisher of an event of which receipts are wanted.
func (l *Log) receiptHead(company string, event ulid.ULID) (room, publisher string, ok bool, err error) {
	key := StateKeyOf(StateReceipt, receiptKey(event, partHead, nil))
	value, ok, err := l.store.Get(company, store.TableEventState, key)
	if err != nil || !ok {
		return "", "", false, err
	}
	s, err := ParseState(key, value)
	if err != nil {
		return "", "", false, err
	}
	r, from, ok := cutText(s.Body)
	if !ok {
		return "", "", false, fmt.Errorf("receipts of an event can't be read: %w", store.ErrCorrupt)
	}
	return string(r), string(from), true, nil
}

// receipt is that an event was delivered or read.
type receipt struct {
	company      string
	event        ulid.ULID
	part         byte
	user, device string
}

func (x *receipt) record(at, until time.Time) store.Record {
	rest := []byte(x.user)
	if x.part == partDelivered {
		rest = append(append(binary.BigEndian.AppendUint16(nil, uint16(len(x.user))), x.user...), x.device...)
	}
	return State{
		Kind: StateReceipt, Key: receiptKey(x.event, x.part, rest), Until: until, Body: binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli())),
	}.Record()
}

// parseReceipt reads a record; ok is false for one that is none.
func parseReceipt(key, value []byte) (x receipt, at time.Time, ok bool) {
	s, err := ParseState(key, value)
	if err != nil || len(s.Key) <= len(x.event) || len(s.Body) != 8 {
		return receipt{}, time.Time{}, false
	}
	x.event, x.part = ulid.ULID(s.Key[:len(x.event)]), s.Key[len(x.event)]
	rest := s.Key[len(x.event)+1:]
	switch x.part {
	case partRead:
		x.user = string(rest)
	case partDelivered:
		user, device, whole := cutText(rest)
		if !whole {
			return receipt{}, time.Time{}, false
		}
		x.user, x.device = string(user), string(device)
	default:
		return receipt{}, time.Time{}, false
	}
	return x, time.UnixMilli(int64(binary.BigEndian.Uint64(s.Body))).UTC(), true
}
