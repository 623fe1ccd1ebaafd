package documents

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"concord/internal/id"
	"concord/store"
)

const (
	maxType = 64
	maxRef  = 256
)

// checkType refuses what is no type: a lower-case letter, then letters, digits
// and hyphens.
func checkType(t string) error {
	ok := t != "" && len(t) <= maxType && t[0] >= 'a' && t[0] <= 'z'
	for _, c := range []byte(t) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return refuse(ErrInput, "%q is no document type; one is a lower-case letter, then up to 63 of a to z, 0 to 9 and -", clip(t))
	}
	return nil
}

func checkRef(ref string) error {
	printable := utf8.ValidString(ref) && !strings.ContainsFunc(ref, func(r rune) bool { return !unicode.IsPrint(r) })
	if ref == "" || len(ref) > maxRef || !printable {
		return refuse(ErrInput, "a ref has 1 to %d bytes of printable characters", maxRef)
	}
	return nil
}

func checkKey(docType, ref string) error {
	if err := checkType(docType); err != nil {
		return err
	}
	return checkRef(ref)
}

// keyText is how a document's key stands in the tables: type 0x00 ref.
func keyText(docType, ref string) []byte { return []byte(docType + "\x00" + ref) }

func parseKeyText(b []byte) (docType, ref string) {
	t, r, _ := bytes.Cut(b, []byte{0})
	return string(t), string(r)
}

// keyRecords are the two records of a document's key. They are written in one
// transaction, which fails if another document has the key.
func keyRecords(docType, ref string, doc id.DocumentID) []store.Record {
	key := keyText(docType, ref)
	return []store.Record{
		{Table: store.TableReferences, Key: key, Value: doc[:], Absent: true},
		{Table: store.TableDocumentTypes, Key: doc[:], Value: key, Absent: true},
	}
}

// byKey returns the document with a key.
func (s *Service) byKey(company, docType, ref string) (doc id.DocumentID, ok bool, err error) {
	b, ok, err := s.store.Get(company, store.TableReferences, keyText(docType, ref))
	if err != nil || !ok {
		return doc, false, err
	}
	return id.DocumentID(b), true, nil
}

// keyOf returns a document's key; both are empty if it has none.
func (s *Service) keyOf(key store.DocKey) (docType, ref string, err error) {
	b, ok, err := s.store.Get(key.Company, store.TableDocumentTypes, key.Document[:])
	if err != nil || !ok {
		return "", "", err
	}
	docType, ref = parseKeyText(b)
	return docType, ref, nil
}
