package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// maxRun bounds the payload of a run record in bytes.
const (
	runHeader = 4 + 4 + 8
	maxRun    = runHeader + 256
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

// nextRun returns the document's last run extended by a, or a new one.
func (b *batch) nextRun(key []byte, company uint32, doc document, a *Append) (run, error) {
	user, err := b.mintLabel(company, a.By.User)
	if err != nil {
		return run{}, err
	}
	device, err := b.mintLabel(company, a.By.Device)
	if err != nil {
		return run{}, err
	}
	entry := func(at int64) []byte {
		e := binary.AppendUvarint(nil, uint64(len(a.Changes)))
		return binary.AppendVarint(e, a.By.Received.UnixMilli()-at)
	}
	if doc.changes > 0 {
		last, err := b.run(key, doc.lastRun)
		if err != nil {
			return run{}, err
		}
		if e := entry(last.end()); last.user == user && last.device == device && len(last.entries)+len(e)+runHeader <= maxRun {
			last.entries = append(bytes.Clone(last.entries), e...)
			return last, nil
		}
	}
	at := a.By.Received.UnixMilli()
	return run{first: a.First, user: user, device: device, at: at, entries: entry(at)}, nil
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

// run is a record in attributions.
type run struct {
	first        uint64
	user, device uint32
	at           int64 // milliseconds
	entries      []byte
}

func (r reader) run(key []byte, first uint64) (run, error) {
	k := appendU64(bytes.Clone(key), first)
	v, ok, err := r.get(attributionsBucket, k)
	if err != nil {
		return run{}, err
	}
	if !ok {
		return run{}, attributionsBucket.corrupt(k, "record is missing")
	}
	return decodeRun(k, v)
}

// decodeRun reads a run whose entries it has checked; they alias v.
func decodeRun(key, v []byte) (run, error) {
	if len(key) != indexedKeySize || len(v) < runHeader {
		return run{}, attributionsBucket.corrupt(key, "record is malformed")
	}
	r := run{first: u64(key[documentKeySize:]), user: u32(v), device: u32(v[4:]), at: int64(u64(v[8:])), entries: v[runHeader:]}
	total := uint64(0)
	for rest := r.entries; len(rest) > 0; {
		count, n := binary.Uvarint(rest)
		if n <= 0 || count == 0 || total+count < total {
			return run{}, attributionsBucket.corrupt(key, "entry is malformed")
		}
		_, m := binary.Varint(rest[n:])
		if m <= 0 {
			return run{}, attributionsBucket.corrupt(key, "entry is malformed")
		}
		total, rest = total+count, rest[n+m:]
	}
	if total == 0 || r.first+total < r.first || r.user == 0 {
		return run{}, attributionsBucket.corrupt(key, "record is malformed")
	}
	return r, nil
}

func (r run) encode() []byte {
	v := make([]byte, 0, runHeader+len(r.entries)+crcSize)
	v = appendU64(appendU32(appendU32(v, r.user), r.device), uint64(r.at))
	return append(v, r.entries...)
}

// each calls fn with the first index, the count and the time of every append in the run.
func (r run) each(fn func(first, count uint64, at time.Time) error) error {
	first, at := r.first, r.at
	for rest := r.entries; len(rest) > 0; {
		count, n := binary.Uvarint(rest)
		delta, m := binary.Varint(rest[n:])
		rest, at = rest[n+m:], at+delta
		if err := fn(first, count, time.UnixMilli(at).UTC()); err != nil {
			return err
		}
		first += count
	}
	return nil
}

// end returns the time of the last append in milliseconds.
func (r run) end() int64 {
	at := r.at
	for rest := r.entries; len(rest) > 0; {
		_, n := binary.Uvarint(rest)
		delta, m := binary.Varint(rest[n:])
		rest, at = rest[n+m:], at+delta
	}
	return at
}

// count returns the number of changes.
func (r run) count() uint64 {
	total := uint64(0)
	for rest := r.entries; len(rest) > 0; {
		count, n := binary.Uvarint(rest)
		_, m := binary.Varint(rest[n:])
		rest, total = rest[n+m:], total+count
	}
	return total
}
