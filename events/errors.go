package events

import "errors"

var (
	// ErrClosed is returned by a Feed that was closed, or whose Log was.
	ErrClosed = errors.New("events are closed")

	// ErrCursor is returned for a text that is no cursor of this log.
	ErrCursor = errors.New("cursor is malformed")

	// ErrInvalid is returned for an event, a room or a device that breaks a rule of its form.
	ErrInvalid = errors.New("event is invalid")

	// ErrTooLarge is returned for an event with more than MaxData bytes of data.
	ErrTooLarge = errors.New("event is too large")

	// ErrUnknownType is returned for a type that the catalogue doesn't have.
	ErrUnknownType = errors.New("there is no such type of events")

	// ErrServerType is returned for a publication of a type that only the server makes.
	ErrServerType = errors.New("only the server makes events of this type")

	// ErrNoDocument is returned for a publication about a document that the company doesn't have.
	ErrNoDocument = errors.New("there is no such document")

	// ErrKeyReused is returned for an idempotency key under which something else was published.
	ErrKeyReused = errors.New("idempotency key was used for other events")

	// ErrNoReceipts is returned for an event of which there are no receipts, or none for who asks.
	ErrNoReceipts = errors.New("there are no receipts of such an event")
)
