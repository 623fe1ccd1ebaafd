package documents

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"concord/internal/id"
	"concord/store"
)

const (
	// MaxPage is how many entries a page of a list has at most.
	MaxPage = 1000
	// maxLooked is how many documents are looked at for a page.
	maxLooked = 4096
	lookedAt  = 256 // in one transaction
)

// Filter chooses documents of a list. Empty fields choose all.
type Filter struct {
	Type         string
	Ref          string // needs Type
	EditedBy     string // user who has ever changed the document
	ChangedSince time.Time
	Cursor       string
	Limit        int // 1 to MaxPage
}

// Listed is a document in a list.
type Listed struct {
	Document
	Changes, Bytes uint64 // Bytes of the changes, as they are stored
	Last           store.Attribution
}

// Page is a part of a list.
type Page struct {
	Documents []Listed
	Next      string // cursor of the next page; "" = this is the last one. A page may be short, even empty, without being the last.
}

// List returns documents that the caller may see: of one type by ref, others by ID.
func (s *Service) List(ctx context.Context, c Caller, f Filter) (Page, error) {
	l, err := s.lister(c, f)
	if err != nil {
		return Page{}, err
	}
	var page Page
	for looked := 0; looked < s.maxLooked; looked += lookedAt {
		if err := ctx.Err(); err != nil {
			return Page{}, err
		}
		n := min(lookedAt, s.maxLooked-looked)
		found, err := l.next(l.position, n)
		if err != nil {
			return Page{}, err
		}
		for _, cand := range found {
			if len(page.Documents) == f.Limit {
				page.Next = newCursor(l.kind, l.position)
				return page, nil
			}
			l.position = cand.position
			listed, ok, err := s.listed(c, f, cand)
			if err != nil {
				return Page{}, err
			}
			if ok {
				page.Documents = append(page.Documents, listed)
			}
		}
		if len(found) < n {
			return page, nil
		}
	}
	page.Next = newCursor(l.kind, l.position)
	return page, nil
}

// candidate is a document that may be in the list.
type candidate struct {
	doc      id.DocumentID
	position []byte
	info     store.DocumentInfo
	known    bool // info is set
}

// lister finds candidates in the order of the list.
type lister struct {
	kind     byte   // of its cursors
	position []byte // of the last candidate; nil = at the start
	next     func(after []byte, n int) ([]candidate, error)
}

func (s *Service) lister(c Caller, f Filter) (*lister, error) {
	if f.Ref != "" && f.Type == "" {
		return nil, refuse(ErrInput, "a ref is one of a type; pass type, too")
	}
	if f.Type != "" {
		if err := checkType(f.Type); err != nil {
			return nil, err
		}
	}
	l := &lister{kind: cursorDocuments}
	switch {
	case f.Ref != "":
		if err := checkRef(f.Ref); err != nil {
			return nil, err
		}
		l.kind, l.next = cursorRefs, s.one(c, f)
	case c.Docs != nil:
		l.next = s.granted(c)
	case f.Type != "":
		l.kind, l.next = cursorRefs, s.ofType(c, f)
	default:
		l.next = s.all(c, f)
	}
	var err error
	l.position, err = parseCursor(l.kind, f.Cursor)
	return l, err
}

// one finds the document with a key.
func (s *Service) one(c Caller, f Filter) func([]byte, int) ([]candidate, error) {
	return func(after []byte, _ int) ([]candidate, error) {
		doc, ok, err := s.byKey(c.Company, f.Type, f.Ref)
		if err != nil || !ok || after != nil {
			return nil, err
		}
		return []candidate{{doc: doc, position: []byte(f.Ref)}}, nil
	}
}

// granted finds the documents of a narrowed token.
func (s *Service) granted(c Caller) func([]byte, int) ([]candidate, error) {
	var docs []id.DocumentID
	for _, text := range c.Docs {
		if doc, err := id.Parse(text); err == nil {
			docs = append(docs, doc)
		}
	}
	slices.SortFunc(docs, func(a, b id.DocumentID) int { return bytes.Compare(a[:], b[:]) })
	return func(after []byte, n int) ([]candidate, error) {
		var found []candidate
		for _, doc := range docs {
			if len(found) < n && bytes.Compare(doc[:], after) > 0 {
				found = append(found, candidate{doc: doc, position: slices.Clone(doc[:])})
			}
		}
		return found, nil
	}
}

// ofType finds the documents of a type, by ref.
func (s *Service) ofType(c Caller, f Filter) func([]byte, int) ([]candidate, error) {
	prefix := keyText(f.Type, "")
	return func(after []byte, n int) ([]candidate, error) {
		part := store.Range{Prefix: prefix}
		if after != nil {
			part.From = slices.Concat(prefix, after, []byte{0})
		}
		var found []candidate
		err := s.store.Scan(c.Company, store.TableReferences, part, func(key, value []byte) error {
			found = append(found, candidate{doc: id.DocumentID(value), position: slices.Clone(key[len(prefix):])})
			return stopAt(len(found), n)
		})
		return found, err
	}
}

// all finds all documents, or those that a user has changed.
func (s *Service) all(c Caller, f Filter) func([]byte, int) ([]candidate, error) {
	return func(after []byte, n int) ([]candidate, error) {
		var from id.DocumentID
		copy(from[:], after)
		var found []candidate
		add := func(info store.DocumentInfo) error {
			found = append(found, candidate{doc: info.Document, position: slices.Clone(info.Document[:]), info: info, known: true})
			return stopAt(len(found), n)
		}
		var err error
		if f.EditedBy != "" {
			err = s.store.DocumentsOf(c.Company, f.EditedBy, from, add)
		} else {
			err = s.store.Documents(c.Company, from, add)
		}
		return found, err
	}
}

func stopAt(have, n int) error {
	if have >= n {
		return store.ErrStop
	}
	return nil
}

// listed returns a candidate as it is shown; false if the filter leaves it out.
func (s *Service) listed(c Caller, f Filter, cand candidate) (l Listed, ok bool, err error) {
	key := c.key(cand.doc)
	if !c.MayOpen(cand.doc.String()) {
		return l, false, nil
	}
	if !cand.known {
		if cand.info, ok, err = s.info(key); err != nil || !ok {
			return l, false, err
		}
	}
	if cand.info.Damaged != nil || cand.info.Last.Received.Before(f.ChangedSince) {
		return l, false, nil
	}
	if f.EditedBy != "" && !cand.known {
		if ok, err = s.editedBy(key, f.EditedBy); err != nil || !ok {
			return l, false, err
		}
	}
	docType, ref, err := s.keyOf(key)
	if err != nil || f.Type != "" && docType != f.Type {
		return l, false, err
	}
	return Listed{
		Document: Document{ID: cand.doc, Type: docType, Ref: ref, Heads: hashes(cand.info.Heads)},
		Changes:  cand.info.Changes, Bytes: cand.info.Bytes, Last: cand.info.Last,
	}, true, nil
}

// info returns what a list shows of a document.
func (s *Service) info(key store.DocKey) (info store.DocumentInfo, ok bool, err error) {
	d, ok, err := s.store.Document(key)
	if errors.Is(err, store.ErrPurged) {
		return info, false, nil
	}
	if err != nil || !ok {
		return info, false, err
	}
	info = store.DocumentInfo{Document: key.Document, Changes: d.Changes, Bytes: d.Bytes, Heads: d.Heads}
	err = s.store.Attributions(key, d.Changes-1, d.Changes, func(r store.Run) error {
		info.Last = r.Attribution
		return nil
	})
	return info, true, err
}

// editedBy reports whether a user has ever changed a document.
func (s *Service) editedBy(key store.DocKey, user string) (ok bool, err error) {
	doc := key.Document
	before := doc
	for i := len(before) - 1; i >= 0 && doc != (id.DocumentID{}); i-- {
		before[i]--
		if before[i] != 0xff {
			break
		}
	}
	err = s.store.DocumentsOf(key.Company, user, before, func(info store.DocumentInfo) error {
		ok = info.Document == doc
		return stopAt(bytes.Compare(info.Document[:], doc[:]), 0)
	})
	return ok, err
}
