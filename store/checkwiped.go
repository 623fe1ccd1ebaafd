package store

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"

	"concord/internal/id"
)

// maxSearched bounds the fingerprints that are looked for at once; more make the check read the file again.
const maxSearched = 4 << 20

// maxFound is how many windows of a document are counted.
const maxFound = 1000

// search looks for fingerprints of wiped documents in all bytes of the file that no record is made of: free pages, the
// ends of pages in use, and what is behind the last page.
type search struct {
	k      *recordChecker
	wiping bool // some documents are not wiped
	docs   []searchedDocument
	prints []print
	err    error

	f        *os.File
	pages    *pageWalker
	filter   []uint64 // bit for each value of the upper bits of a rolling hash that there is
	shift    int
	lastLeaf staleLeaf
}

type print struct {
	roll  uint32
	proof [proofSize]byte
	doc   int // index in docs
}

type searchedDocument struct {
	key  []byte
	salt [saltSize]byte

	found   uint64 // windows
	unknown uint64 // those of them that were in a record of nobody knows whom
	first   int64  // offset of the first one
}

func newSearch(k *recordChecker) *search { return &search{k: k, wiping: k.purging()} }

// add takes a record of fingerprints, of documents in the order of their keys.
func (s *search) add(key, payload []byte) {
	if s.err != nil {
		return
	}
	if len(s.docs) == 0 || !bytes.Equal(s.docs[len(s.docs)-1].key, key) {
		t, ok, err := s.k.tombstone(key)
		if err != nil || !ok || t.Wiped.IsZero() {
			return // a fault of its own, or too early
		}
		if len(s.prints) >= maxSearched {
			s.err = s.finish()
		}
		s.docs = append(s.docs, searchedDocument{key: bytes.Clone(key), salt: t.salt})
	}
	for ; len(payload) >= printSize; payload = payload[printSize:] {
		s.prints = append(s.prints, print{u32(payload), [proofSize]byte(payload[4:]), len(s.docs) - 1})
	}
}

// finish looks for what was added, and reports it.
func (s *search) finish() error {
	if s.err != nil || len(s.prints) == 0 {
		return s.err
	}
	slices.SortFunc(s.prints, func(a, b print) int { return cmp.Compare(a.roll, b.roll) })
	size := min(32, max(16, bits.Len(uint(len(s.prints)))+5))
	s.shift = 32 - size
	s.filter = make([]uint64, 1<<size/64)
	for _, p := range s.prints {
		mark(s.filter, uint64(p.roll>>s.shift))
	}
	if err := s.file(); err != nil {
		return err
	}
	for i := range s.docs {
		if d := &s.docs[i]; d.found > 0 {
			name, _ := s.k.companyName(u32(d.key))
			s.k.add(Fault{
				Company: name, Document: id.DocumentID(d.key[companySize:]).String(), Advice: adviceWipe,
				Problem: fmt.Sprintf("document is wiped, but %d pieces of its content are in unused parts of the file, the first at byte %d"+
					" (%d where a clone may have left them)", d.found, d.first, d.unknown),
			})
		}
	}
	s.docs, s.prints = nil, nil
	return nil
}

// file goes through the unused bytes of the whole file.
func (s *search) file() (err error) {
	if s.f, err = os.Open(s.k.pages.f.Name()); err != nil {
		return err
	}
	defer s.f.Close()
	old := s.k.pages
	s.pages = &pageWalker{f: s.f, size: old.size, meta: old.meta}
	s.pages.begin()
	s.pages.loaded = func(page uint64, b []byte) {
		end := usedEnd(b)
		s.region(int64(page)*s.pages.meta.pageSize+int64(end), b[end:], false)
	}
	if err := s.k.walkTree(s.pages); err != nil {
		return err
	}
	for page := int64(0); page < 2; page++ {
		if err := s.stretch(page*old.meta.pageSize+pageHeader+metaSize+8, (page+1)*old.meta.pageSize); err != nil {
			return err
		}
	}
	limit := s.pages.meta.limit
	for from := uint64(2); from < limit; from++ {
		if bit(s.pages.used, from) {
			continue
		}
		to := from
		for to < limit && !bit(s.pages.used, to) {
			to++
		}
		if err := s.stretch(int64(from)*old.meta.pageSize, int64(to)*old.meta.pageSize); err != nil {
			return err
		}
		from = to
	}
	return s.stretch(int64(limit)*old.meta.pageSize, old.size)
}

// stretch reads a part of the file in pieces that overlap by less than a window.
func (s *search) stretch(from, to int64) error {
	buf := make([]byte, min(1<<20, to-from))
	for from+windowSize <= to {
		if err := s.k.ctx.Err(); err != nil {
			return err
		}
		n, err := s.f.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		if err != nil && err != io.EOF {
			return err
		}
		if n < windowSize {
			return nil
		}
		s.region(from, buf[:n], true)
		from += int64(n - windowSize + 1)
	}
	return nil
}

// region rolls over bytes of the file.
func (s *search) region(offset int64, b []byte, stale bool) {
	if len(b) < windowSize {
		return
	}
	h := uint64(0)
	for _, c := range b[:windowSize-1] {
		h = h*rollBase + uint64(c)
	}
	out := uint64(0)
	// Zeros alone, of which there are most, give 0.
	for i, c := range b[windowSize-1:] {
		h = h*rollBase + uint64(c) - out*rollOut
		out = uint64(b[i])
		if r := uint32(h >> 32); h != 0 && bit(s.filter, uint64(r>>s.shift)) {
			s.candidate(r, offset+int64(i), b[i:i+windowSize], stale)
		}
	}
}

// candidate compares a window with the fingerprints that have its rolling hash.
func (s *search) candidate(roll uint32, offset int64, window []byte, stale bool) {
	i, ok := slices.BinarySearchFunc(s.prints, roll, func(p print, r uint32) int { return cmp.Compare(p.roll, r) })
	for ; ok && i < len(s.prints) && s.prints[i].roll == roll; i++ {
		d := &s.docs[s.prints[i].doc]
		if d.found == maxFound || windowProof(d.salt[:], window) != s.prints[i].proof {
			continue
		}
		if stale {
			record := s.record(offset)
			switch {
			case record == nil && s.wiping:
				continue // may be of a clone that is being deleted
			case record == nil:
				d.unknown++
			case !bytes.Contains(record, d.key[companySize:]): // where keys don't begin with it, it is in the value
				continue
			}
		}
		if d.found++; d.found == 1 {
			d.first = offset
		}
	}
}

// staleLeaf is a leaf page that isn't in use any more, with the pages that belong to it.
type staleLeaf struct {
	page uint64
	b    []byte
}

// record returns the record, with its key, that was at an offset in unused pages: clones, and documents made from one
// template, share bytes. It is nil when the first of the record's pages has been used for something else.
func (s *search) record(offset int64) []byte {
	size := s.pages.meta.pageSize
	at := offset - int64(s.lastLeaf.page)*size
	if at < 0 || at >= int64(len(s.lastLeaf.b)) {
		s.lastLeaf = s.leafAround(uint64(offset / size))
		at = offset - int64(s.lastLeaf.page)*size
	}
	b := s.lastLeaf.b
	if len(b) == 0 {
		return nil
	}
	p := &pageBytes{size: uint64(len(b)), b: b}
	for i := range int(native.Uint16(b[10:])) {
		from := pageHeader + i*elementSize
		if from+elementSize > len(b) {
			return nil
		}
		e := b[from:]
		k, v, err := p.cut(from, native.Uint32(e[4:]), native.Uint32(e[8:]), native.Uint32(e[12:]), true)
		if err != nil {
			return nil
		}
		start := from + int(native.Uint32(e[4:]))
		if end := start + len(k) + len(v); int64(start) <= at && at < int64(end) {
			return b[start:end]
		}
	}
	return nil
}

// maxStale bounds how many pages are looked at for the first of those that a record was in.
const maxStale = 32 << 10

// leafAround finds the leaf that an unused page belonged to; without bytes when its first page has been used for
// something else.
func (s *search) leafAround(page uint64) staleLeaf {
	size := s.pages.meta.pageSize
	head := make([]byte, pageHeader)
	for first := page; first >= 2 && page-first < maxStale && !bit(s.pages.used, first); first-- {
		if _, err := s.f.ReadAt(head, int64(first)*size); err != nil {
			break
		}
		if native.Uint64(head) != first {
			continue
		}
		pages := uint64(native.Uint32(head[12:])) + 1
		if native.Uint16(head[8:]) != pageLeaf || page-first >= pages || pages > maxStale {
			break
		}
		b := make([]byte, int64(pages)*size)
		n, _ := s.f.ReadAt(b, int64(first)*size)
		return staleLeaf{first, b[:n]}
	}
	return staleLeaf{page: page}
}

// usedEnd returns where the content of a page ends that was walked without a fault.
func usedEnd(b []byte) int {
	end := pageHeader + int(native.Uint16(b[10:]))*elementSize
	for i := range int(native.Uint16(b[10:])) {
		from := pageHeader + i*elementSize
		e := b[from:]
		size := native.Uint32(e[4:]) // of a branch's key
		pos := native.Uint32(e)
		if native.Uint16(b[8:]) == pageLeaf {
			pos, size = native.Uint32(e[4:]), native.Uint32(e[8:])+native.Uint32(e[12:])
		}
		end = max(end, from+int(pos)+int(size))
	}
	return end
}
