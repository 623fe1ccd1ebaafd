package hub

import (
	"time"

	"concord/crdt"
	"concord/store"
)

// Ledger watches the changes of documents, to keep records about them.
type Ledger interface {
	// Watch is called when a document's op set has been brought into memory, before any change is applied to it. The
	// watcher is dropped with the op set.
	Watch(key store.DocKey, src Source) (Watcher, error)
}

// Source tells a watcher about changes that were stored before it began. Its methods may read the store.
type Source interface {
	// Attribution returns who brought change i, and when.
	Attribution(i int) (user, device string, received time.Time, err error)
	// ClaimedTime returns the time that change i itself names, in seconds since 1970.
	ClaimedTime(i int) (int64, error)
}

// Watcher is told of each change of one document right after it was applied, with the document's lock held: it must be
// quick. An error, or a panic, gives up what is staged of the document, as a failed write does.
type Watcher interface {
	Applied(a Applied) error
	// Records returns what is to be committed with the changes told since the last call.
	Records() []store.Record
	// Size returns the bytes of memory that the watcher holds, about.
	Size() int
}

// Applied is a change that has just been applied. It is valid during the call that it is given to.
type Applied struct {
	Key     store.DocKey
	Type    string // of the document; empty if it has none
	Ref     string // with Type: the document's name among those of the type
	Change  *crdt.Change
	Index   int // in Graph: staged, not published yet
	Graph   *crdt.Graph
	Content *crdt.OpSet // with the change
	Diff    *crdt.Diff  // what the change did; nil unless a guard or a derivation watches the document
	Before  []crdt.Hash // heads before the change, staged ones; nil unless a guard watches the document
	Current bool        // the change follows everything before it: it is concurrent to nothing

	User, Device string
	Roles        []string // of the session that brought it; nil for the server's own
	Received     time.Time
}
