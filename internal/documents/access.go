package documents

import (
	"context"
	"errors"
	"sync"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

func notFound(doc id.DocumentID) error {
	return refuse(ErrNotFound, "there is no document %s", doc)
}

// mayRead refuses callers whose token is for other documents.
func (s *Service) mayRead(ctx context.Context, c Caller, doc id.DocumentID) error {
	if c.MayOpen(doc.String()) {
		return nil
	}
	s.deny(ctx, c, doc)
	return notFound(doc)
}

func (s *Service) mayWrite(ctx context.Context, c Caller, doc id.DocumentID) error {
	if err := s.mayRead(ctx, c, doc); err != nil {
		return err
	}
	if !c.CanWrite() {
		s.deny(ctx, c, doc)
		return refuse(ErrForbidden, "a %s may read documents but not change them; ask for a token with role editor", c.Role)
	}
	return nil
}

func (s *Service) mustBeAdmin(ctx context.Context, c Caller, doc id.DocumentID) error {
	if err := s.mayRead(ctx, c, doc); err != nil {
		return err
	}
	if !c.IsAdmin() {
		s.deny(ctx, c, doc)
		return errNotAdmin
	}
	return nil
}

var errNotAdmin = refuse(ErrForbidden, "only an admin of the company may do this; ask for a token with role admin")

// refused turns what hub and store say about a document into an *Error, if the
// caller can do something about it.
func refused(doc id.DocumentID, err error) error {
	switch {
	case errors.Is(err, hub.ErrNotFound):
		return notFound(doc)
	case errors.Is(err, store.ErrPurged):
		return refuse(ErrPurged, "document %s was deleted, for good", doc)
	}
	return Refusal(err)
}

// Refusal turns what hub and store say about any change into an *Error, if the
// caller can do something about it. It returns other errors, and nil, as they are.
func Refusal(err error) error {
	var own *Error
	var refusal *crdt.RefusalError
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.Is(err, hub.ErrClosing), errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrFailed):
		return refuse(ErrUnavailable, "the server is going down; try again in a moment")
	case errors.Is(err, hub.ErrBusy):
		return refuse(ErrUnavailable, "the server couldn't store changes of this document; try again in a moment")
	case errors.As(err, &refusal) && refusal.Reason == crdt.ReasonLimit:
		return refuse(ErrTooLarge, "this is too much for one change: %s; write it in several steps", refusal.Detail)
	case errors.As(err, &refusal):
		return refuse(ErrInput, "the change can't be made: %s", refusal.Detail)
	}
	return err
}

const (
	deniedEvery = time.Minute // one entry for each user and document
	deniedMax   = 10_000      // that are remembered; beyond it nothing is noted
)

type deniedKey struct {
	company, user string
	doc           id.DocumentID
}

// deniedLog remembers what has been noted in the last minute.
type deniedLog struct {
	mu   sync.Mutex
	last map[deniedKey]time.Time
}

// take reports whether a denial is to be noted, and remembers that it was.
func (d *deniedLog) take(key deniedKey, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if last, ok := d.last[key]; ok && now.Sub(last) < deniedEvery {
		return false
	}
	if d.last == nil {
		d.last = make(map[deniedKey]time.Time)
	}
	if len(d.last) >= deniedMax {
		for k, last := range d.last {
			if now.Sub(last) >= deniedEvery {
				delete(d.last, k)
			}
		}
	}
	if len(d.last) >= deniedMax {
		return false
	}
	d.last[key] = now
	return true
}

// deny notes in the audit log that a caller was kept from a document that there
// is. Nobody waits for it.
func (s *Service) deny(ctx context.Context, c Caller, doc id.DocumentID) {
	_, ok, err := s.store.Document(c.key(doc))
	now := s.opts.Now()
	if err != nil || !ok || !s.denied.take(deniedKey{c.Company, c.User, doc}, now) {
		return
	}
	entry := s.entry(c, store.ActionDenied, doc, map[string]string{"role": string(c.Role)})
	if err := s.store.Put(context.WithoutCancel(ctx), c.Company, nil, []store.AuditEntry{entry}, nil); err != nil {
		s.opts.Logger.Error("note denied access", "error", err)
	}
}
