package hub

import (
	"context"

	"concord/crdt"
	"concord/store"
)

// Author says for whom the server edits.
type Author struct {
	User, Device string
	Roles        []string // what guards know of the user
}

// Edit is a change that the server itself makes.
type Edit struct {
	By      Author
	Message string
	// Create lets the document be a new one. Then an empty change is made if Write writes nothing.
	Create bool
	// Heads refuses the edit with ErrHeads unless they are the document's heads, in any order. nil = whatever they are.
	Heads []crdt.Hash
	// Trusted spares the edit the guards.
	Trusted bool
	// Records and Audit are committed with the change, and also when nothing is written.
	Records []store.Record
	Audit   []store.AuditEntry
	// Write writes the change over the present content, which r shows: changes on their way to the disk included. It is
	// called with the document's lock held, so it must be quick and must not call the hub. nil writes nothing. Its
	// error refuses the edit and is returned as it is.
	Write func(tx *crdt.Tx, r Reading) error
}

// Edited is what became of an Edit.
type Edited struct {
	Heads  []crdt.Hash  // of the document after it
	Change *crdt.Change // nil: nothing was written
}

// Edit changes a document and returns when that is durable. Peers get it like any change. When ctx ends before, the
// edit may have been made all the same.
//
// The error is ErrNotFound, ErrPurged, ErrHeads, store.ErrExists (see store.Record.Absent), Write's own, or says which
// limit the change would break.
func (h *Hub) Edit(ctx context.Context, key store.DocKey, e Edit) (Edited, error) {
	return Edited{}, ErrNotFound
}
