package conflict

import (
	"context"
	"encoding/json"
	"time"

	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// Editor changes documents; *hub.Hub is one.
type Editor interface {
	Edit(ctx context.Context, key store.DocKey, e hub.Edit) (hub.Edited, error)
}

// Resolver takes people's decisions.
type Resolver struct {
	ledger *Ledger
	editor Editor
	now    func() time.Time
}

// NewResolver returns a resolver of a ledger's conflicts; now nil means time.Now.
func NewResolver(l *Ledger, e Editor, now func() time.Time) *Resolver {
	if now == nil {
		now = time.Now
	}
	return &Resolver{ledger: l, editor: e, now: now}
}

// Choice is a decision: exactly one field is set.
type Choice struct {
	// Keep names the op of a value to be kept, a deletion included. Of a lost edit
	// it is KeepEdits or KeepRemoval, or the op of any edit or removal.
	Keep string
	// Value is written as JSON. Not for lost edits.
	Value json.RawMessage
}

// What may be kept of a lost edit.
const (
	KeepEdits   = "edits"   // the object comes back as it was when it was removed, with the edits
	KeepRemoval = "removal" // it stays removed
)

// By is who decides.
type By struct {
	User, Device string
	MayOpen      func(id.DocumentID) bool // nil = all documents
}

// Resolve writes a change that decides a conflict, and returns the conflict
// after it. The error may be ErrNotFound, ErrNotOpen or ErrChoice.
func (r *Resolver) Resolve(ctx context.Context, company string, x ID, c Choice, by By) (Conflict, error) {
	return Conflict{}, ErrNotFound
}

// Assign says who is to look at a conflict; an empty user takes that back.
func (r *Resolver) Assign(ctx context.Context, company string, x ID, user string, by By) (Conflict, error) {
	return Conflict{}, ErrNotFound
}

// Comment adds a note. The error may be ErrNotFound or ErrNote.
func (r *Resolver) Comment(ctx context.Context, company string, x ID, text string, by By) (Conflict, error) {
	return Conflict{}, ErrNotFound
}
