package documents

import (
	"errors"
	"fmt"

	"concord/crdt"
)

// Kinds of refusal. Every error that a caller can bring about is an *Error that
// matches exactly one of them with errors.Is; any other is a fault of the server
// or the end of the request's context.
var (
	// ErrInput is returned for a request that can't be understood or done, whatever the document is.
	ErrInput = errors.New("bad request")
	// ErrForbidden is returned when the caller's role doesn't allow what is asked for.
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound is returned when there is no such document, state or path that the caller may see.
	ErrNotFound = errors.New("not found")
	// ErrPurged is returned for a document that was deleted.
	ErrPurged = errors.New("purged")
	// ErrChanged is returned when a document isn't in the state that the caller demands.
	ErrChanged = errors.New("changed meanwhile")
	// ErrConflict is returned for a request that contradicts what is there: a failed test, a key in use.
	ErrConflict = errors.New("conflict")
	// ErrTooLarge is returned when the answer, or what a change would make, is over a limit.
	ErrTooLarge = errors.New("too large")
	// ErrUnavailable is returned while the server ends, or has stopped writing, all or one document.
	ErrUnavailable = errors.New("unavailable")
)

// Error is a refusal.
type Error struct {
	Kind    error       // one of the sentinels of this package
	Message string      // what happened and what to do; for the caller
	Heads   []crdt.Hash // of ErrChanged: the document's heads
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func refuse(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}
