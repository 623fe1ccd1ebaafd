package documents

import (
	"context"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/hub"
)

// Receipts says which devices have which heads of a document, and how far a change is; the zero hash asks for none.
func (s *Service) Receipts(ctx context.Context, c Caller, doc id.DocumentID, change crdt.Hash) (hub.Receipts, error) {
	if err := s.mayRead(ctx, c, doc); err != nil {
		return hub.Receipts{}, err
	}
	r, err := s.hub.Receipts(ctx, c.key(doc), change)
	return r, refused(doc, err)
}
