package store

import "errors"

var (
	// ErrBackup is returned for a backup that is damaged or incomplete, or doesn't continue the one before it.
	ErrBackup = errors.New("backup can't be used")

	// ErrClosed is returned by every call on a store after Close has begun.
	ErrClosed = errors.New("store is closed")

	// ErrLocked is returned by Open and Check when another process, as a rule a running server, holds the data folder.
	ErrLocked = errors.New("data folder is in use by another process")

	// ErrCorrupt is returned when a record or a page of the file is damaged or missing.
	// The message names the bucket and the key.
	ErrCorrupt = errors.New("store is corrupt")

	// ErrExists is returned for a write with a Record that was to be Absent and isn't.
	ErrExists = errors.New("record exists")

	// ErrFailed is returned for every write after a commit failed, and for the writes of that commit.
	// Whether these are on disk is unknown until the file is opened again. It wraps the cause.
	ErrFailed = errors.New("store has stopped accepting writes because a commit failed")

	// ErrGap is returned when the first index of an Append is not the number of changes stored.
	ErrGap = errors.New("append does not continue the document")

	// ErrInvalid is returned for a write whose fields break a limit of this package or contradict each other.
	ErrInvalid = errors.New("write is invalid")

	// ErrPurged is returned for a document that has a tombstone.
	ErrPurged = errors.New("document was purged")

	// ErrReadOnly is returned for every write to a store that was opened for reading.
	ErrReadOnly = errors.New("store is open for reading only")

	// ErrVersion is returned by Open and Check for a file that a newer Concord wrote.
	ErrVersion = errors.New("store format is newer than this program")

	// ErrInSnapshot is returned for changes that a document's snapshot covers.
	ErrInSnapshot = errors.New("changes are in the snapshot")

	// ErrNotFound is returned for a change that the document doesn't hold, and for a record of a document that
	// doesn't exist.
	ErrNotFound = errors.New("not found")

	// ErrStop is for functions that are called for one thing after the other: it ends the call, which then returns nil.
	ErrStop = errors.New("stop")
)
