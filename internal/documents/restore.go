package documents

import (
	"context"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// Restore says which earlier state is to come back.
type Restore struct {
	At      At
	Path    string // JSON Pointer of the part to restore; "" = the whole document
	Message string // of the change; "" = one that names the state
	Match   func(tag string) bool
}

// Restore makes a document, or a part of it, what it was in an earlier state, by
// a change that undoes what came after. The history stays.
func (s *Service) Restore(ctx context.Context, c Caller, doc id.DocumentID, r Restore) (Document, error) {
	if err := s.mayWrite(ctx, c, doc); err != nil {
		return Document{}, err
	}
	if r.At.now() {
		return Document{}, refuse(ErrInput, "say which state to restore: its heads, or a time")
	}
	path, err := parsePointer(r.Path)
	if err == nil {
		err = checkMessage(r.Message)
	}
	if err != nil {
		return Document{}, err
	}
	var heads []crdt.Hash // of the state
	err = s.read(ctx, c, doc, []At{r.At}, func(_ hub.Reading, states []state) error {
		heads = states[0].heads
		_, err := path.find(states[0].view)
		return err
	})
	if err != nil {
		return Document{}, err
	}
	if r.Message == "" {
		r.Message = "Restore " + Tag(heads)
	}
	entry := s.entry(c, store.ActionRestore, doc, map[string]string{"to": Tag(heads), "path": r.Path})
	return s.edit(ctx, c, doc, r.Match, hub.Edit{
		Message: r.Message, Audit: []store.AuditEntry{entry},
		Write: func(tx *crdt.Tx, now hub.Reading) error {
			view, err := now.At(heads)
			if err != nil {
				return err
			}
			return inputError(tx.Revert(path.String(), view))
		},
	})
}
