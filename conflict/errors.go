package conflict

import "errors"

var (
	// ErrNotFound is returned for a conflict that the company doesn't have, or that the caller may not see.
	ErrNotFound = errors.New("conflict not found")

	// ErrNotOpen is returned when something is to be decided that was decided before.
	ErrNotOpen = errors.New("conflict isn't open")

	// ErrChoice is returned for a choice that the conflict doesn't offer.
	ErrChoice = errors.New("choice isn't possible")

	// ErrCursor is returned for a cursor that no earlier page gave.
	ErrCursor = errors.New("cursor is malformed")

	// ErrNote is returned for a comment that is empty, too long or not UTF-8.
	ErrNote = errors.New("comment is empty or too long")
)
