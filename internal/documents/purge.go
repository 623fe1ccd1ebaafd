package documents

import (
	"context"
	"errors"
	"time"

	"concord/internal/id"
	"concord/store"
)

const maxReason = 1 << 10

// Purged is a document that was deleted.
type Purged struct {
	ID id.DocumentID
	store.Tombstone
}

// Purge deletes a document for good. It returns when the deletion can't be
// undone any more; what is left in the file is overwritten after that, and
// AwaitWipe of the store waits for it. Deleting it again returns what is known.
func (s *Service) Purge(ctx context.Context, c Caller, doc id.DocumentID, reason string) (Purged, error) {
	if err := s.mustBeAdmin(ctx, c, doc); err != nil {
		return Purged{}, err
	}
	if len(reason) > maxReason {
		return Purged{}, refuse(ErrInput, "reason: at most %d bytes", maxReason)
	}
	now := s.opts.Now()
	records, err := s.purgeRecords(c, doc, now)
	if err != nil {
		return Purged{}, err
	}
	err = s.hub.Purge(ctx, c.key(doc), store.Purge{
		By: c.User, At: now, Reason: reason, Records: records,
		Audit: []store.AuditEntry{s.entry(c, store.ActionPurge, doc, map[string]string{"reason": reason})},
	})
	if err != nil && !errors.Is(err, store.ErrPurged) {
		return Purged{}, refused(doc, err)
	}
	t, ok, err := s.store.Tombstone(c.key(doc))
	if err == nil && !ok {
		return Purged{}, notFound(doc)
	}
	return Purged{doc, t}, err
}

// purgeRecords returns the record of a document's reference, which is free at
// once, and those that tell that it goes. The store finds all others.
func (s *Service) purgeRecords(c Caller, doc id.DocumentID, now time.Time) ([]store.Record, error) {
	key := c.key(doc)
	var records []store.Record
	docType, ref, err := s.keyOf(key)
	if err == nil && docType != "" {
		records = append(records, store.Record{Table: store.TableReferences, Key: keyText(docType, ref)})
		if s.opts.Deleted != nil {
			records = append(records, s.opts.Deleted(key, docType, c.User, now)...)
		}
	}
	return records, err
}

// Deleted lists deleted documents by ID; next is the cursor of the next page,
// "" after the last one.
func (s *Service) Deleted(c Caller, cursor string, limit int) (list []Purged, next string, err error) {
	if !c.IsAdmin() && !c.IsService() {
		return nil, "", refuse(ErrForbidden, "only admins and services see what was deleted; ask for a token with role admin")
	}
	position, err := parseCursor(cursorDeleted, cursor)
	if err != nil {
		return nil, "", err
	}
	var after id.DocumentID
	copy(after[:], position)
	looked := 0
	err = s.store.Tombstones(c.Company, after, func(doc id.DocumentID, t store.Tombstone) error {
		if looked++; len(list) == limit || looked > s.maxLooked {
			next = newCursor(cursorDeleted, after[:])
			return store.ErrStop
		}
		after = doc
		if c.MayOpen(doc.String()) {
			list = append(list, Purged{doc, t})
		}
		return nil
	})
	return list, next, err
}
