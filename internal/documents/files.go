package documents

import (
	"context"
	"errors"
	"strconv"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// Export returns a document with its whole history as a file.
func (s *Service) Export(ctx context.Context, c Caller, doc id.DocumentID) ([]byte, error) {
	if err := s.mayRead(ctx, c, doc); err != nil {
		return nil, err
	}
	b, err := s.hub.Export(ctx, c.key(doc))
	return b, refused(doc, err)
}

// Import is a file that comes in.
type Import struct {
	File      []byte         // any concatenation of documents and changes
	ID        *id.DocumentID // nil = that of the key, or a random one
	Type, Ref string         // the document's key; both empty = none
}

// Imported is what became of a file.
type Imported struct {
	Document
	New, Known, Waiting int
	Refused             []*crdt.RefusalError
}

// Import merges a file into a document, or makes one of it. The changes count as
// brought by the caller.
func (s *Service) Import(ctx context.Context, c Caller, in Import) (Imported, error) {
	if !c.CanWrite() {
		return Imported{}, refuse(ErrForbidden, "a %s may not import documents; ask for a token with role editor", c.Role)
	}
	if len(in.File) == 0 {
		return Imported{}, refuse(ErrInput, "the body is empty; it has to be an Automerge file")
	}
	doc, records, err := s.importInto(ctx, c, in)
	if err != nil {
		return Imported{}, err
	}
	done, err := s.hub.Import(ctx, c.key(doc), c.author(), in.File, records)
	if errors.Is(err, store.ErrExists) {
		return Imported{}, refuse(ErrConflict, "the key is in use, or the document has another one; list documents to see it")
	}
	if errors.Is(err, hub.ErrNotFound) || err == nil && len(done.Heads) == 0 {
		return Imported{}, nothingTaken(done)
	}
	if err != nil {
		return Imported{}, refused(doc, err)
	}
	s.note(ctx, c, store.ActionImport, doc, map[string]string{
		"new": strconv.Itoa(done.New), "known": strconv.Itoa(done.Known), "refused": strconv.Itoa(len(done.Refused)),
	})
	out := Imported{Document: Document{ID: doc, Heads: done.Heads}, New: done.New, Known: done.Known, Waiting: done.Waiting, Refused: done.Refused}
	out.Type, out.Ref, err = s.keyOf(c.key(doc))
	return out, err
}

// nothingTaken says why a file made no document.
func nothingTaken(done hub.Imported) error {
	switch {
	case len(done.Refused) > 0:
		return refuse(ErrInput, "nothing of the file could be taken: %s", done.Refused[0].Detail)
	case done.Waiting > 0:
		return refuse(ErrInput, "the file's changes depend on others, which it doesn't hold; export the whole document")
	}
	return refuse(ErrInput, "there are no changes in the file")
}

// importInto returns the document for a file, and the records of its key if
// they aren't there yet.
func (s *Service) importInto(ctx context.Context, c Caller, in Import) (doc id.DocumentID, records []store.Record, err error) {
	if in.ID != nil {
		if err := s.mayRead(ctx, c, *in.ID); err != nil {
			return doc, nil, err
		}
	}
	if in.Type == "" && in.Ref == "" {
		if in.ID != nil {
			return *in.ID, nil, nil
		}
		return newID(), nil, mayMake(c)
	}
	if err := checkKey(in.Type, in.Ref); err != nil {
		return doc, nil, err
	}
	doc, ok, err := s.byKey(c.Company, in.Type, in.Ref)
	switch {
	case err != nil:
		return doc, nil, err
	case in.ID == nil && (!ok || !c.MayOpen(doc.String())):
		doc, err = newID(), mayMake(c) // a narrowed token learns nothing of the key
	case ok && !c.MayOpen(doc.String()), ok && in.ID != nil && *in.ID != doc:
		return doc, nil, refuse(ErrConflict, "another document is %s %q", in.Type, clip(in.Ref))
	case ok:
		return doc, nil, nil
	default:
		doc = *in.ID
	}
	return doc, keyRecords(in.Type, in.Ref, doc), err
}

// mayMake refuses tokens for which no document can be made.
func mayMake(c Caller) error {
	if c.Docs != nil {
		return refuse(ErrForbidden, "the token is for some documents and makes no others; pass the id of one of them")
	}
	return nil
}

// Sync takes a sync message of a device that has no connection, and returns the
// answer, which is empty when there is nothing to say.
func (s *Service) Sync(ctx context.Context, c Caller, session hub.Session, doc id.DocumentID, message []byte) (hub.SyncAnswer, error) {
	if err := s.mayRead(ctx, c, doc); err != nil {
		return hub.SyncAnswer{}, err
	}
	if len(message) == 0 {
		return hub.SyncAnswer{}, refuse(ErrInput, "the body is empty; it has to be a sync message, as generateSyncMessage returns it")
	}
	answer, err := s.hub.Sync(ctx, session, c.Device, doc, message)
	if errors.Is(err, hub.ErrMalformed) {
		err = refuse(ErrInput, "the body is no sync message: %s", err)
	}
	return answer, refused(doc, err)
}
