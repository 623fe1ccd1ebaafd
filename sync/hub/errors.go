package hub

import (
	"errors"

	"concord/store"
)

var (
	// ErrNotFound is returned for a document without durable changes, and for one that the session may not open.
	ErrNotFound = errors.New("document not found")

	// ErrPurged is returned for a document that was deleted for good.
	ErrPurged = store.ErrPurged

	// ErrHeads is returned by Edit when the document's heads aren't those that the edit was meant for.
	ErrHeads = errors.New("the document has other heads")

	// ErrBusy is returned for a document that was given up while writes to it were under way, until these are over.
	ErrBusy = errors.New("an abandoned write is still under way")

	// ErrMalformed is returned for a sync message that can't be decoded.
	ErrMalformed = errors.New("sync message can't be read")

	// ErrClosing is returned by every call on a hub that is about to close.
	ErrClosing = errors.New("the server is restarting")
)
