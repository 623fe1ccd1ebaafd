package documents

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// Opening is what a document is made with, if there isn't one yet.
type Opening struct {
	Content       []byte // a JSON object; empty = {}
	ScalarStrings bool   // see Patch
}

// openTries is how often a document is looked up and made in turn. Losing a race
// once means that the document is there; a second time that it was deleted.
const openTries = 3

// Open returns the document with a key, and makes it if there is none.
func (s *Service) Open(ctx context.Context, c Caller, docType, ref string, o Opening) (doc Document, made bool, err error) {
	if err := checkKey(docType, ref); err != nil {
		return Document{}, false, err
	}
	content, err := initialContent(o.Content)
	if err != nil {
		return Document{}, false, err
	}
	for range openTries {
		doc, err = s.find(ctx, c, docType, ref)
		if !errors.Is(err, ErrNotFound) || c.Docs != nil {
			return doc, false, err
		}
		if !c.CanWrite() {
			return Document{}, false, refuse(ErrForbidden, "there is no %s %q, and a %s may not make one; ask for a token with role editor", docType, ref, c.Role)
		}
		doc, err = s.create(ctx, c, docType, ref, func(tx *crdt.Tx, _ hub.Reading) error {
			tx.ScalarStrings = o.ScalarStrings
			return inputError(tx.Update("", content))
		})
		if !errors.Is(err, store.ErrExists) {
			return doc, err == nil, err
		}
	}
	return Document{}, false, refuse(ErrConflict, "%s %q is being made and deleted at the same time; try again", docType, ref)
}

func initialContent(body []byte) (map[string]any, error) {
	if len(body) == 0 {
		return map[string]any{}, nil
	}
	v, err := decodeJSON(body)
	if err != nil {
		return nil, err
	}
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, refuse(ErrInput, "content: a document is a JSON object")
	}
	return fields, nil
}

// find returns the document with a key that the caller may see.
func (s *Service) find(ctx context.Context, c Caller, docType, ref string) (Document, error) {
	doc, ok, err := s.byKey(c.Company, docType, ref)
	if err != nil {
		return Document{}, err
	}
	missing := refuse(ErrNotFound, "there is no %s %q", docType, ref)
	if !ok {
		return Document{}, missing
	}
	if err := s.mayRead(ctx, c, doc); err != nil {
		return Document{}, missing
	}
	info, ok, err := s.store.Document(c.key(doc))
	if errors.Is(err, store.ErrPurged) || err == nil && !ok {
		return Document{}, missing // deleted in this moment, and its key with it
	}
	return Document{ID: doc, Type: docType, Ref: ref, Heads: hashes(info.Heads)}, err
}

// create makes a document with a key. It returns store.ErrExists if there is one.
func (s *Service) create(ctx context.Context, c Caller, docType, ref string, write func(*crdt.Tx, hub.Reading) error) (Document, error) {
	doc := newID()
	done, err := s.hub.Edit(ctx, c.key(doc), hub.Edit{
		By: c.author(), Create: true, Records: keyRecords(docType, ref, doc), Write: write,
	})
	if err != nil {
		return Document{}, refused(doc, err)
	}
	return Document{ID: doc, Type: docType, Ref: ref, Heads: done.Heads}, nil
}

// newID draws a document ID, a random UUID as automerge-repo's are.
func newID() id.DocumentID {
	var doc id.DocumentID
	_, _ = rand.Read(doc[:]) // never fails
	doc[6] = doc[6]&0x0f | 0x40
	doc[8] = doc[8]&0x3f | 0x80
	return doc
}

func hashes(stored []store.Hash) []crdt.Hash {
	heads := make([]crdt.Hash, len(stored))
	for i, h := range stored {
		heads[i] = h
	}
	crdt.SortHashes(heads)
	return heads
}

// inputError makes what a transaction refuses to write the caller's mistake.
func inputError(err error) error {
	var refusal *crdt.RefusalError
	var own *Error
	if err == nil || errors.As(err, &refusal) || errors.As(err, &own) {
		return err
	}
	return &Error{Kind: ErrInput, Message: fmt.Sprintf("this can't be written: %v", err)}
}
