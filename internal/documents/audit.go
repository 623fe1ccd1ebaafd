package documents

import (
	"context"
	"encoding/json"

	"concord/internal/id"
	"concord/store"
)

// auditPage is how many entries are read in one transaction.
const auditPage = 500

// MayAudit reports whether the caller may read the audit log.
func (s *Service) MayAudit(c Caller) error {
	if !c.IsAdmin() || c.Docs != nil {
		return errNotAdmin
	}
	return nil
}

// Audit calls fn for the audit entries of the caller's company, from a sequence
// on. fn may take its time.
func (s *Service) Audit(ctx context.Context, c Caller, from uint64, fn func(store.AuditEntry) error) error {
	if err := s.MayAudit(c); err != nil {
		return err
	}
	for {
		page := make([]store.AuditEntry, 0, auditPage)
		err := s.store.Audit(c.Company, from, func(e store.AuditEntry) error {
			page = append(page, e)
			return stopAt(len(page), auditPage)
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := fn(e); err != nil {
				return err
			}
			from = e.Seq + 1
		}
		if len(page) < auditPage || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// entry returns an audit entry about a document.
func (s *Service) entry(c Caller, action string, doc id.DocumentID, detail map[string]string) store.AuditEntry {
	b, _ := json.Marshal(detail) // strings always can
	return store.AuditEntry{Time: s.opts.Now(), User: c.User, Action: action, Document: doc, Detail: b}
}

// note writes an audit entry about something that was done. Nobody waits for it.
func (s *Service) note(ctx context.Context, c Caller, action string, doc id.DocumentID, detail map[string]string) {
	entry := s.entry(c, action, doc, detail)
	if err := s.store.Put(context.WithoutCancel(ctx), c.Company, nil, []store.AuditEntry{entry}, nil); err != nil {
		s.opts.Logger.Error("write audit entry", "action", action, "error", err)
	}
}
