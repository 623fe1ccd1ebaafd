package store

import (
	"bytes"
	"context"
	"fmt"
)

// Append queues changes for the next group commit and returns at once; the package comment says how done is called.
// The slices within a belong to the store until then. done gets ErrGap when First isn't the number of changes stored,
// and ErrCorrupt when the document's own records are damaged; other documents go on.
func (s *Store) Append(ctx context.Context, a Append, done func(error)) error {
	if err := a.validate(); err != nil {
		return fmt.Errorf("append to document %s: %w", a.Doc.Document, err)
	}
	size := hashSize * len(a.Heads)
	for _, c := range a.Changes {
		size += indexedKeySize + hashSize + len(c.Bytes)
	}
	apply := func(b *batch) error {
		if err := b.append(&a); err != nil {
			return fmt.Errorf("append to document %s: %w", a.Doc.Document, err)
		}
		return nil
	}
	return s.submit(ctx, size, apply, done)
}

func (a *Append) validate() error {
	if len(a.Changes) == 0 {
		return fmt.Errorf("there are no changes: %w", ErrInvalid)
	}
	if len(a.Heads) == 0 || len(a.Heads) > MaxHeads {
		return fmt.Errorf("there are %d heads, 1 to %d are allowed: %w", len(a.Heads), MaxHeads, ErrInvalid)
	}
	for _, c := range a.Changes {
		if !plausible(c.Hash[:], c.Bytes) {
			return fmt.Errorf("change %x isn't a type 1 chunk with that hash: %w", c.Hash, ErrInvalid)
		}
	}
	if err := checkText("company", a.Doc.Company, false); err != nil {
		return err
	}
	if err := checkText("user", a.By.User, false); err != nil {
		return err
	}
	return checkText("device", a.By.Device, true)
}

var changeMagic = []byte{0x85, 0x6f, 0x4a, 0x83}

// A chunk begins with 4B magic, the first 4B of its hash, and 1B type, which is 1 for a change.
const minChunk = 4 + 4 + 1

// plausible tells whether a chunk's header fits the hash, without computing it.
func plausible(hash, chunk []byte) bool {
	return len(chunk) >= minChunk && bytes.Equal(chunk[:4], changeMagic) && bytes.Equal(chunk[4:8], hash[:4]) &&
		chunk[8] == 1
}

// append checks all that can be refused before it writes.
func (b *batch) append(a *Append) error {
	company, err := b.mintCompany(a.Doc.Company)
	if err != nil {
		return err
	}
	key := append(appendU32(make([]byte, 0, indexedKeySize), company), a.Doc.Document[:]...)
	doc, _, err := b.document(key)
	if err != nil {
		return err
	}
	if doc.changes != a.First {
		return fmt.Errorf("first index is %d, %d changes are stored: %w", a.First, doc.changes, ErrGap)
	}
	run, err := b.nextRun(key, company, doc, a)
	if err != nil {
		return err
	}
	for i, c := range a.Changes {
		value := make([]byte, 0, hashSize+len(c.Bytes)+crcSize)
		value = append(append(value, c.Hash[:]...), c.Bytes...)
		b.put(changesBucket, appendU64(key, a.First+uint64(i)), value)
		doc.bytes += uint64(len(c.Bytes))
	}
	b.put(attributionsBucket, appendU64(key, run.first), run.encode())
	doc.changes += uint64(len(a.Changes))
	doc.lastRun = run.first
	b.put(documentsBucket, key, doc.encode(a.Heads))
	return nil
}

// document is the payload of a record in documents; heads alias the transaction's memory.
type document struct {
	changes, bytes, lastRun uint64
	heads                   []byte
}

const documentHeader = 8 + 8 + 8

func (r reader) document(key []byte) (document, bool, error) {
	v, ok, err := r.get(documentsBucket, key)
	if err != nil || !ok {
		return document{}, false, err
	}
	d, ok := decodeDocument(v)
	if !ok {
		return document{}, false, documentsBucket.corrupt(key, "record is malformed")
	}
	return d, true, nil
}

func decodeDocument(v []byte) (document, bool) {
	if len(v) < documentHeader || (len(v)-documentHeader)%hashSize != 0 {
		return document{}, false
	}
	d := document{changes: u64(v), bytes: u64(v[8:]), lastRun: u64(v[16:]), heads: v[documentHeader:]}
	return d, d.changes > 0 && d.lastRun < d.changes && len(d.heads) > 0
}

func (d document) encode(heads []Hash) []byte {
	v := make([]byte, 0, documentHeader+hashSize*len(heads)+crcSize)
	v = appendU64(appendU64(appendU64(v, d.changes), d.bytes), d.lastRun)
	for i := range heads {
		v = append(v, heads[i][:]...)
	}
	return v
}
