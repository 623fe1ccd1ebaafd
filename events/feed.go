package events

import (
	"context"

	"concord/internal/id"
)

// MaxDevice is the limit in bytes for the name of a device.
const MaxDevice = 128

// Listener is a device of a user.
type Listener struct {
	Company string
	User    string
	Device  string // its own name for itself, 1 to MaxDevice bytes of UTF-8

	// MayOpen tells which documents the session may see: others' rooms can't be subscribed to, and events about them don't
	// come. Nil means all.
	MayOpen func(id.DocumentID) bool
}

// Start is where a feed begins, and what it gets.
type Start struct {
	// Cursor is the last one that the device has seen. Empty means what it has acknowledged, or the end of the log if it
	// never has.
	Cursor string

	// Rooms are those besides the user's and the company's, which everybody has.
	Rooms []string

	// Filter are the types that the device wants, "invoice:*" for all that begin with "invoice:". Nil means all.
	Filter []string
}

// Joined is what a feed has begun with.
type Joined struct {
	Cursor    string // from where on
	Recovered bool   // nothing is missing between what the device had and this
	Rooms     []string
	Refused   []RoomError
}

// RoomError says why a room can't be subscribed to.
type RoomError struct {
	Room    string `json:"room"`
	Message string `json:"message"`
}

// Join begins a feed for a device. A device can have several. The errors are ErrCursor and ErrInvalid, ErrClosed, or the
// store's.
func (l *Log) Join(ctx context.Context, who Listener, s Start) (*Feed, Joined, error) {
	return nil, Joined{}, errNotYet
}

// Feed hands the log out to one device. Next must not be called twice at a time; else its methods are safe for
// concurrent use.
type Feed struct{}

// Batch is what Next returns.
type Batch struct {
	Items  []Item // may be empty: then the batch only tells a newer Cursor
	Cursor string // everything up to here was handed out
	Gap    bool   // what was between the batch before and this one was kept for too long
}

// Item is one event.
type Item struct {
	Cursor string // empty for one that isn't kept
	JSON   []byte // shared with others: must not be changed
	Event  *Event // likewise
}

// Next waits until there is something to hand out, and returns at most max items, in the order of the log. The error is
// that of ctx, ErrClosed, or the store's.
func (f *Feed) Next(ctx context.Context, max int) (Batch, error) { return Batch{}, errNotYet }

// Cursor returns up to where everything was handed out.
func (f *Feed) Cursor() string { return "" }

// Subscribe adds rooms, from now on, and returns those that it can't.
func (f *Feed) Subscribe(rooms []string) []RoomError { return nil }

// Unsubscribe takes rooms away, but not the user's and the company's.
func (f *Feed) Unsubscribe(rooms []string) {}

// Close ends the feed. Next returns ErrClosed.
func (f *Feed) Close() {}
