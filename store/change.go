package store

import (
	"time"

	"concord/internal/id"
)

// Hash is the SHA-256 of a change. It is a plain array so that this package and its callers share no type.
type Hash = [32]byte

// DocKey names a document. The same document ID in two companies is two documents.
type DocKey struct {
	Company  string // 1 to MaxText bytes
	Document id.DocumentID
}

// Change is one stored change.
type Change struct {
	Hash  Hash
	Bytes []byte // type 1 chunk, header included
}

// Attribution says who brought changes and when.
type Attribution struct {
	User     string    // verified user; 1 to MaxText bytes
	Device   string    // storage ID; at most MaxText bytes, empty means unknown
	Received time.Time // kept in whole milliseconds
}

// Append is a write of changes to the end of one document's log.
type Append struct {
	Doc     DocKey
	First   uint64   // index of the first change, which is the number of changes stored before
	Changes []Change // at least one
	Heads   []Hash   // heads of the document after these changes, 1 to MaxHeads
	By      Attribution

	Records []Record     // of the document's company, committed with the changes
	Audit   []AuditEntry // likewise
}

// Info is what the store knows of a document without reading its changes.
type Info struct {
	Changes uint64
	Heads   []Hash // as given by the latest Append; the caller owns the slice
	Bytes   uint64 // sum of the changes' chunk bytes

	SnapshotChanges uint64 // changes that the snapshot covers: indexes below; 0 without a snapshot
	SnapshotBytes   uint64 // its chunk
	TailBytes       uint64 // sum of the chunk bytes of the changes after the snapshot
}
