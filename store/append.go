package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
)

// Append queues changes for the next group commit and returns at once; the package comment says how done is called.
// The slices within a belong to the store until then. done gets ErrGap when First isn't the number of changes stored,
// ErrPurged when the document was purged, what Put's done gets for records and audit entries, and ErrCorrupt when the
// document's own records are damaged; other documents go on.
func (s *Store) Append(ctx context.Context, a Append, done func(error)) error {
	if err := a.validate(); err != nil {
		return fmt.Errorf("append to document %s: %w", a.Doc.Document, err)
	}
	u := a.unit()
	apply := func(b *batch) error { return b.putUnits([]unit{u}) }
	return s.submit(ctx, u.size(), apply, done)
}

// AppendAll queues several Appends as one write: all of them take effect, in their order, or none. Of two to one
// document, the second has to continue the first.
func (s *Store) AppendAll(ctx context.Context, list []Append, done func(error)) error {
	if len(list) == 0 {
		return fmt.Errorf("append nothing: %w", ErrInvalid)
	}
	units, size := make([]unit, len(list)), 0
	for i := range list {
		if err := list[i].validate(); err != nil {
			return fmt.Errorf("append to document %s: %w", list[i].Doc.Document, err)
		}
		units[i] = list[i].unit()
		size += units[i].size()
	}
	return s.submit(ctx, size, func(b *batch) error { return b.putUnits(units) }, done)
}

func (a *Append) unit() unit {
	return unit{company: a.Doc.Company, changes: a, records: a.Records, audit: a.Audit}
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
	if err := checkText("user", a.By.User, false); err != nil {
		return err
	}
	if err := checkText("device", a.By.Device, true); err != nil {
		return err
	}
	u := a.unit()
	return u.validate()
}

var changeMagic = []byte{0x85, 0x6f, 0x4a, 0x83}

// A chunk begins with 4B magic, the first 4B of its hash, and 1B type, which is 1 for a change.
const minChunk = 4 + 4 + 1

// plausible tells whether a chunk's header fits the hash, without computing it.
func plausible(hash, chunk []byte) bool {
	return len(chunk) >= minChunk && bytes.Equal(chunk[:4], changeMagic) && bytes.Equal(chunk[4:8], hash[:4]) &&
		chunk[8] == 1
}

// plannedAppend is an Append that can't be refused any more.
type plannedAppend struct {
	*Append
	company uint32
	key     []byte
	doc     document // as it will be, but for the heads
	run     run      // the one that the changes are in
}

// planAppend checks all that can be refused. Those planned before in the same write are taken as done.
func (b *batch) planAppend(a *Append, earlier []plannedAppend) (plannedAppend, error) {
	company, err := b.mintCompany(a.Doc.Company)
	if err != nil {
		return plannedAppend{}, err
	}
	p := plannedAppend{Append: a, company: company}
	p.key = append(appendU32(make([]byte, 0, indexedKeySize), company), a.Doc.Document[:]...)
	var last *run
	if i := slices.IndexFunc(earlier, func(e plannedAppend) bool { return bytes.Equal(e.key, p.key) }); i >= 0 {
		for _, e := range earlier[i:] {
			if bytes.Equal(e.key, p.key) {
				p.doc, last = e.doc, &e.run
			}
		}
	} else if p.doc, _, err = b.document(p.key); err != nil {
		return plannedAppend{}, err
	}
	if p.doc.changes != a.First {
		return plannedAppend{}, fmt.Errorf("first index is %d, %d changes are stored: %w", a.First, p.doc.changes, ErrGap)
	}
	if p.doc.changes > 0 && last == nil {
		stored, err := b.run(p.key, p.doc.lastRun)
		if err != nil {
			return plannedAppend{}, err
		}
		last = &stored
	}
	if p.run, err = b.nextRun(company, last, Run{First: a.First, Count: uint64(len(a.Changes)), Attribution: a.By}); err != nil {
		return plannedAppend{}, err
	}
	p.doc.changes += uint64(len(a.Changes))
	p.doc.lastRun = p.run.first
	for _, c := range a.Changes {
		p.doc.bytes += uint64(len(c.Bytes))
	}
	return p, nil
}

func (b *batch) append(p plannedAppend) {
	for i, c := range p.Changes {
		value := make([]byte, 0, hashSize+len(c.Bytes)+crcSize)
		value = append(append(value, c.Hash[:]...), c.Bytes...)
		b.put(changesBucket, appendU64(p.key, p.First+uint64(i)), value)
	}
	b.put(attributionsBucket, appendU64(p.key, p.run.first), p.run.encode())
	b.put(documentsBucket, p.key, p.doc.encode(p.Heads))
	if p.run.first == p.First {
		b.putEditor(p.key, p.run.user)
	}
}

// document is the payload of a record in documents; heads alias the transaction's memory.
type document struct {
	changes, bytes, lastRun uint64
	heads                   []byte
}

const documentHeader = 8 + 8 + 8

// document returns ErrPurged for a document with a tombstone, which has no record.
func (r reader) document(key []byte) (document, bool, error) {
	v, ok, err := r.get(documentsBucket, key)
	if err != nil {
		return document{}, false, err
	}
	if !ok {
		return document{}, false, r.notPurged(key)
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
