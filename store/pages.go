package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.etcd.io/bbolt"
)

// This file reads bbolt's page structure from the file itself. bbolt trusts the pages that it maps: a page that names
// its own ancestor as a child would make it recurse until the process dies, which can't be recovered. Page numbers,
// bounds, order of keys and single use of each page are therefore settled before bbolt reads a record.
//
// bbolt writes integers in the byte order of the machine. A page begins with 8B number, 2B flags, 2B count, 4B number
// of further pages that belong to it.

const (
	pageHeader  = 16
	elementSize = 16 // leaf: 4B flags, 4B position, 4B key size, 4B value size; branch: 4B position, 4B key size, 8B page

	pageBranch   = 0x01
	pageLeaf     = 0x02
	pageFreelist = 0x10

	leafBucket = 0x01

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSize    = 4 + 4 + 4 + 4 + 16 + 8 + 8 + 8 // before the 8B FNV-1a checksum
	noFreelist  = 1<<64 - 1

	maxDepth = 64
)

var native = binary.NativeEndian

// errPage is a fault of one page, found while walking.
type errPage struct {
	page    uint64
	problem string
}

func (e *errPage) Error() string { return fmt.Sprintf("page %d: %s", e.page, e.problem) }

// pageWalker walks the pages of one file.
type pageWalker struct {
	f     *os.File
	size  int64
	meta  boltMeta
	used  []uint64 // bit per page
	free  []uint64
	count uint64 // records

	keys   bool                        // values aren't read, but for those of buckets
	loaded func(page uint64, b []byte) // called with the bytes of each page without faults; may be nil, as with keys
}

// pageBytes is a page with those that belong to it.
type pageBytes struct {
	w    *pageWalker
	page uint64 // 0 for a page within another one
	size uint64
	b    []byte // all bytes, or the first ones
}

// at returns some of the bytes.
func (p *pageBytes) at(from, to uint64) ([]byte, error) {
	if to <= uint64(len(p.b)) {
		return p.b[from:to], nil
	}
	b := make([]byte, to-from)
	if _, err := p.w.f.ReadAt(b, int64(p.page)*p.w.meta.pageSize+int64(from)); err != nil {
		return nil, p.w.readError(p.page, err)
	}
	return b, nil
}

// begin makes room for the pages that are found.
func (w *pageWalker) begin() {
	w.used = make([]uint64, w.meta.limit/64+1)
	w.free = make([]uint64, w.meta.limit/64+1)
	mark(w.used, 0)
	mark(w.used, 1)
}

func bit(set []uint64, page uint64) bool { return set[page/64]&(1<<(page%64)) != 0 }
func mark(set []uint64, page uint64)     { set[page/64] |= 1 << (page % 64) }

// checkPages walks the whole file, but for values if only keys are to be read. Faults in the trees set unsafe.
func (c *checker) checkPages(path string, keys bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w := &pageWalker{f: f, size: info.Size(), keys: keys}
	c.pages = w
	if !c.checkMeta(w) {
		c.unsafe = true
		return nil
	}
	if err := c.walkTree(w); err != nil {
		return err
	}
	err = w.readFreelist()
	if c.noFree = c.pageFault("", err); c.noFree {
		return ioOnly(err)
	}
	c.checkUse(w)
	return nil
}

// verifyPages refuses a file whose pages bbolt can't be trusted with. bbolt walks them when it opens a file for writing, on
// a goroutine of its own: a panic there, or a page that is its own ancestor, would end the process. A page that claims
// others too would give these away when it is freed. A list of free pages that names one twice counts one that nobody
// gets, so that a wipe would look for it until the disk is full.
func verifyPages(path string) error {
	if info, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	db, err := openBolt(path, bbolt.Options{ReadOnly: true}) // nobody writes meanwhile
	if err != nil {
		return err
	}
	defer db.Close()
	c := &checker{ctx: context.Background(), o: CheckOptions{MaxFaults: 10}}
	if err := c.checkPages(path, true); err != nil || !c.unsafe && !c.noFree {
		return err
	}
	fault := c.report.Faults[len(c.report.Faults)-1] // after one of a meta page, with which the file could be read
	return fmt.Errorf("page structure is damaged (%s): %w", strings.TrimSuffix(fault.String(), "; "+fault.Advice), ErrCorrupt)
}

// pageFault records a fault of the page structure.
func (c *checker) pageFault(bucketName string, err error) bool {
	if p := new(errPage); errors.As(err, &p) {
		c.add(Fault{Bucket: bucketName, Problem: p.Error(), Advice: adviceRestore})
	}
	return err != nil
}

// ioOnly returns err unless it is a fault that was recorded.
func ioOnly(err error) error {
	if errors.As(err, new(*errPage)) {
		return nil
	}
	return err
}

// walkTree walks the root bucket and the buckets in it, one by one, so that a fault in one doesn't hide the others'.
func (c *checker) walkTree(w *pageWalker) error {
	type child struct {
		name string
		root uint64
	}
	var children []child
	err := w.walk(w.meta.root, nil, nil, 0, func(key, value []byte, flags uint32) error {
		if flags&leafBucket == 0 || len(value) < 16 {
			return &errPage{w.meta.root, fmt.Sprintf("%q is no bucket", key)}
		}
		if root := native.Uint64(value); root != 0 {
			children = append(children, child{string(key), root})
			return nil
		}
		// A small bucket lives in its parent's leaf, as a page after the 16B that describe it.
		inner := bytes.Clone(value[16:])
		return w.elements(&pageBytes{w: w, size: uint64(len(inner)), b: inner}, nil, nil, 0, w.record)
	})
	if c.pageFault("", err) {
		c.unsafe = true
		if err := ioOnly(err); err != nil {
			return err
		}
	}
	for _, ch := range children {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		err := w.walk(ch.root, nil, nil, 0, w.record)
		if c.pageFault(ch.name, err) {
			c.unsafe = true
			if err := ioOnly(err); err != nil {
				return err
			}
		}
	}
	c.report.Records = w.count
	return nil
}

func (w *pageWalker) record(_, _ []byte, flags uint32) error {
	if flags != 0 {
		return &errPage{0, "a record is marked as a bucket"}
	}
	w.count++
	return nil
}

type visitRecord func(key, value []byte, flags uint32) error

// walk visits the records under a page whose keys must be within low <= key < high (nil means open).
func (w *pageWalker) walk(page uint64, low, high []byte, depth int, visit visitRecord) error {
	if depth > maxDepth {
		return &errPage{page, "tree is too deep"}
	}
	p, err := w.load(page, !w.keys)
	if err != nil {
		return err
	}
	if err := w.elements(p, low, high, depth, visit); err != nil || w.loaded == nil {
		return err
	}
	w.loaded(page, p.b)
	return nil
}

// load reads a page, with those that belong to it if the whole is wanted, and marks them as used.
func (w *pageWalker) load(page uint64, whole bool) (*pageBytes, error) {
	if page < 2 || page >= w.meta.limit {
		return nil, &errPage{page, "number is out of bounds"}
	}
	at := int64(page) * w.meta.pageSize
	b := make([]byte, w.meta.pageSize)
	if _, err := w.f.ReadAt(b, at); err != nil {
		return nil, w.readError(page, err)
	}
	if got := native.Uint64(b); got != page {
		return nil, &errPage{page, fmt.Sprintf("page says that it is %d", got)}
	}
	pages := uint64(native.Uint32(b[12:])) + 1
	if pages > w.meta.limit-page {
		return nil, &errPage{page, "page runs over the end of the file"}
	}
	for i := range pages {
		if bit(w.used, page+i) {
			return nil, &errPage{page + i, "page is used twice"}
		}
		mark(w.used, page+i)
	}
	p := &pageBytes{w: w, page: page, size: pages * uint64(w.meta.pageSize), b: b}
	if need := uint64(pageHeader + int(native.Uint16(b[10:]))*elementSize); pages > 1 && (whole || need > uint64(len(b))) {
		p.b = make([]byte, p.size)
		if _, err := w.f.ReadAt(p.b, at); err != nil {
			return nil, w.readError(page, err)
		}
	}
	return p, nil
}

// readError makes an end of file, where the meta page promises a page, a fault.
func (w *pageWalker) readError(page uint64, err error) error {
	if errors.Is(err, io.EOF) {
		return &errPage{page, "page is beyond the end of the file"}
	}
	return err
}

// elements visits the elements of a page.
func (w *pageWalker) elements(p *pageBytes, low, high []byte, depth int, visit visitRecord) error {
	page, b := p.page, p.b
	if len(b) < pageHeader {
		return &errPage{page, "page is too short"}
	}
	flags, count := native.Uint16(b[8:]), int(native.Uint16(b[10:]))
	if flags != pageLeaf && (flags != pageBranch || page == 0) {
		return &errPage{page, fmt.Sprintf("page has type %#x, a leaf or branch was expected", flags)}
	}
	if pageHeader+count*elementSize > len(b) {
		return &errPage{page, "elements don't fit into the page"}
	}
	if flags == pageBranch {
		return w.branch(p, count, low, high, depth, visit)
	}
	last, first := low, true
	for i := range count {
		at := pageHeader + i*elementSize
		e := b[at:]
		kind := native.Uint32(e)
		key, value, err := p.cut(at, native.Uint32(e[4:]), native.Uint32(e[8:]), native.Uint32(e[12:]), !w.keys || kind != 0)
		if err != nil {
			return err
		}
		if !inOrder(last, key, high, first) {
			return &errPage{page, fmt.Sprintf("key %x is out of order", key)}
		}
		if err := visit(key, value, kind); err != nil {
			if p := new(errPage); errors.As(err, &p) && p.page == 0 {
				p.page = page
			}
			return err
		}
		last, first = key, false
	}
	return nil
}

func (w *pageWalker) branch(p *pageBytes, count int, low, high []byte, depth int, visit visitRecord) error {
	if count == 0 {
		return &errPage{p.page, "branch has no children"}
	}
	keys, pages := make([][]byte, count+1), make([]uint64, count)
	last, first := low, true
	for i := range count {
		at := pageHeader + i*elementSize
		e := p.b[at:]
		key, _, err := p.cut(at, native.Uint32(e), native.Uint32(e[4:]), 0, false)
		if err != nil {
			return err
		}
		if !inOrder(last, key, high, first) {
			return &errPage{p.page, fmt.Sprintf("key %x is out of order", key)}
		}
		keys[i], pages[i] = key, native.Uint64(e[8:])
		last, first = key, false
	}
	keys[count] = high
	for i, child := range pages {
		if err := w.walk(child, keys[i], keys[i+1], depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

// cut returns key and, if wanted, value of the element at a place, with positions counted from that place.
func (p *pageBytes) cut(at int, pos, ksize, vsize uint32, wanted bool) (key, value []byte, err error) {
	start := uint64(at) + uint64(pos)
	mid := start + uint64(ksize)
	end := mid + uint64(vsize)
	if end > p.size {
		return nil, nil, &errPage{p.page, "element runs over the end of the page"}
	}
	if key, err = p.at(start, mid); err == nil && wanted {
		value, err = p.at(mid, end)
	}
	return key, value, err
}

// inOrder tells whether key follows last (may equal it for the first key of a page) and is below high.
func inOrder(last, key, high []byte, first bool) bool {
	if c := bytes.Compare(last, key); c > 0 || c == 0 && !first {
		return false
	}
	return high == nil || bytes.Compare(key, high) < 0
}
