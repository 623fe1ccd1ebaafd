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
)
