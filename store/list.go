package store

import (
	"errors"
	"fmt"

	"concord/internal/id"
)

// DocumentInfo is what the store knows of a listed document. Its slices are the caller's.
type DocumentInfo struct {
	Document       id.DocumentID
	Changes, Bytes uint64 // as in Info
	Heads          []Hash
	Last           Attribution // of the latest Append

	// Damaged says why the rest is empty, when the document's records can't be read; else it is nil.
	Damaged error
}

// Documents calls fn for the committed documents of a company, in the order of their IDs, from the first one after
// after. The rules of Scan hold for fn.
func (s *Store) Documents(company string, after id.DocumentID, fn func(DocumentInfo) error) error {
	return s.iterate("list documents", func(r reader, call func(func() error) error) error {
		number, ok, err := r.company(company)
		if err != nil || !ok {
			return err
		}
		part := Range{From: following(after)}
		return r.scanSealed(documentsBucket, number, part, func(k, _ []byte) error {
			return r.listed(number, k[companySize:], func(info DocumentInfo) error { return call(func() error { return fn(info) }) })
		})
	})
}

// DocumentsOf is Documents for those that a user has ever changed.
func (s *Store) DocumentsOf(company, user string, after id.DocumentID, fn func(DocumentInfo) error) error {
	return s.iterate("list documents of a user", func(r reader, call func(func() error) error) error {
		number, ok, err := r.company(company)
		if err != nil || !ok {
			return err
		}
		label, ok, err := r.number(labelsBucket, append(appendU32(nil, number), user...))
		if err != nil || !ok || user == "" {
			return err
		}
		prefix := appendU32(nil, label)
		part := Range{Prefix: prefix, From: append(prefix, following(after)...)}
		return r.scanSealed(editorsBucket, number, part, func(k, _ []byte) error {
			return r.listed(number, k[companySize+len(prefix):], func(info DocumentInfo) error { return call(func() error { return fn(info) }) })
		})
	})
}

// following is the beginning of all keys of documents after one; the zero ID is before all.
func following(after id.DocumentID) []byte {
	if after == (id.DocumentID{}) {
		return nil
	}
	return append(after[:], 0)
}

// listed calls fn for a document; not when it doesn't exist, as when it is being purged.
func (r reader) listed(company uint32, doc []byte, fn func(DocumentInfo) error) error {
	if len(doc) != id.DocumentIDSize {
		return documentsBucket.corrupt(doc, "key is malformed")
	}
	info, ok, err := r.info(append(appendU32(make([]byte, 0, indexedKeySize), company), doc...))
	if err != nil && !errors.Is(err, ErrPurged) {
		info, ok = DocumentInfo{Damaged: err}, true
	}
	if !ok {
		return nil
	}
	info.Document = id.DocumentID(doc)
	return fn(info)
}

func (r reader) info(key []byte) (info DocumentInfo, ok bool, err error) {
	d, ok, err := r.document(key)
	if err != nil || !ok {
		return DocumentInfo{}, false, err
	}
	last, err := r.run(key, d.lastRun)
	if err != nil {
		return DocumentInfo{}, false, err
	}
	at, err := r.attribution(u32(key), last)
	if err != nil {
		return DocumentInfo{}, false, err
	}
	return DocumentInfo{Changes: d.changes, Bytes: d.bytes, Heads: splitHashes(d.heads), Last: at}, true, nil
}

// Companies returns the names of all companies that anything was ever stored for, in the order of their first use.
func (s *Store) Companies() (names []string, err error) {
	err = s.view(nil, func(r reader) error {
		return r.eachCompany(func(_ uint32, name string) error {
			names = append(names, name)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list companies: %w", err)
	}
	return names, nil
}

// eachCompany calls fn for all companies in the order of their numbers.
func (r reader) eachCompany(fn func(number uint32, name string) error) error {
	bk, err := r.bucket(companyNamesBucket)
	if err != nil {
		return err
	}
	return bk.ForEach(func(k, v []byte) error {
		name, err := companyNamesBucket.unseal(k, v)
		if err != nil {
			return err
		}
		if len(k) != companySize {
			return companyNamesBucket.corrupt(k, "key is malformed")
		}
		return fn(u32(k), string(name))
	})
}
