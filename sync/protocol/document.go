package protocol

import (
	"errors"

	"concord/crdt"
)

// Graph is a document's change graph as *crdt.Graph provides it: published
// changes only, with indexes that don't change during the life of a State
// (a document that is read from the store again gets the same ones).
type Graph interface {
	// Len returns the number of changes.
	Len() int
	// Index finds a change.
	Index(h crdt.Hash) (int, bool)
	// HashAt returns the hash of a change.
	HashAt(i int) crdt.Hash
	// Heads returns the heads, sorted; the slice is never modified.
	Heads() []crdt.Hash
	// Since returns the changes that are neither in heads nor ancestors of
	// them, ascending; unknown heads are ignored.
	Since(heads []crdt.Hash) []int
	// AncestorsAmong returns those of candidates (ascending) that are in heads
	// or ancestors of them; unknown heads are ignored.
	AncestorsAmong(heads []crdt.Hash, candidates []int) []int
	// Dependencies returns the dependencies of a change, valid until the next call.
	Dependencies(i int) []uint32
}

// Document is what a State sees of a document. All calls happen during Receive
// and Generate, so the document's lock guards them.
type Document struct {
	Graph Graph

	// Change returns the chunk of a change (type 1, or type 2 towards peers of
	// which that is known to be understood). The bytes are copied.
	Change func(i int) ([]byte, error)

	// OrphanDeps returns the dependencies of a change that waits for others,
	// nil for any other change. nil = there are no orphans.
	OrphanDeps func(h crdt.Hash) []crdt.Hash

	// Refused reports whether a change was refused by the gate, so that it is not
	// asked for: an orphan that waits for such a change would else keep all
	// others from coming. Forgetting one costs a round. nil = none was refused.
	Refused func(h crdt.Hash) bool

	// Prepare is told which changes are going to be asked for, in this order, so
	// that they can be read together. It must make the first one available; for
	// others Change may return ErrLater. nil = there is nothing to prepare.
	Prepare func(changes []int) error

	// WholeDocument returns the document for a peer that misses most of it. nil,
	// or nil chunks, = peers get the changes that they miss as change chunks,
	// however many.
	WholeDocument func() (Whole, error)
}

// Whole is the beginning of a document's history, or all of it, in one part.
type Whole struct {
	Chunks   []byte // a document chunk, then change chunks. Copied
	Document int    // how many of the first changes are in the document chunk
	Changes  int    // how many of the first changes are in all chunks
}

// ErrLater is returned by Document.Change for a change that has to wait for a
// message of its own.
var ErrLater = errors.New("the change wasn't prepared")
