package store

import (
	"fmt"
	"hash/fnv"
)

// boltMeta is what a meta page says.
type boltMeta struct {
	pageSize              int64
	root, freelist, limit uint64 // pages; limit is the first page never used
	txid                  uint64
}

// checkMeta reads both meta pages and takes the later valid one, as bbolt does.
func (c *checker) checkMeta(w *pageWalker) bool {
	// The second page's place depends on the page size, which any valid meta page tells.
	var metas []boltMeta
	if m, ok := w.readMeta(0); ok {
		metas = append(metas, m)
		if m2, ok := w.readMeta(m.pageSize); ok {
			metas = append(metas, m2)
		} else {
			c.fault(adviceMeta, "meta page 1 is damaged")
		}
	} else {
		c.fault(adviceMeta, "meta page 0 is damaged")
		for size := int64(1024); size <= 64<<10; size *= 2 {
			if m, ok := w.readMeta(size); ok && m.pageSize == size {
				metas = append(metas, m)
				break
			}
		}
	}
	for _, m := range metas {
		if m.txid >= w.meta.txid {
			w.meta = m
		}
	}
	if len(metas) == 0 || w.meta.limit < 2 || w.meta.limit > uint64(w.size/w.meta.pageSize) {
		c.fault(adviceRestore, "the file is shorter than its meta pages say, or has none that is valid")
		return false
	}
	w.begin()
	return true
}

func (w *pageWalker) readMeta(at int64) (boltMeta, bool) {
	b := make([]byte, pageHeader+metaSize+8)
	if _, err := w.f.ReadAt(b, at); err != nil {
		return boltMeta{}, false
	}
	v := b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(v[:metaSize])
	if native.Uint32(v) != metaMagic || native.Uint32(v[4:]) != metaVersion ||
		native.Uint64(v[metaSize:]) != sum.Sum64() {
		return boltMeta{}, false
	}
	m := boltMeta{
		pageSize: int64(native.Uint32(v[8:])),
		root:     native.Uint64(v[16:]),
		freelist: native.Uint64(v[32:]),
		limit:    native.Uint64(v[40:]),
		txid:     native.Uint64(v[48:]),
	}
	return m, m.pageSize >= 512 && m.pageSize <= 1<<20
}

// readFreelist marks the free pages. A count of 0xffff means that the first 8B hold it.
func (w *pageWalker) readFreelist() error {
	page := w.meta.freelist
	if page == noFreelist {
		return nil
	}
	p, err := w.load(page, true)
	if err != nil {
		return err
	}
	b := p.b
	if native.Uint16(b[8:]) != pageFreelist {
		return &errPage{page, "page is no freelist"}
	}
	count, ids := uint64(native.Uint16(b[10:])), b[pageHeader:]
	if count == 0xffff {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return &errPage{page, "freelist runs over the end of the page"}
	}
	for i := range count {
		id := native.Uint64(ids[i*8:])
		switch {
		case id < 2 || id >= w.meta.limit:
			return &errPage{page, fmt.Sprintf("free page %d is out of bounds", id)}
		case bit(w.free, id):
			return &errPage{page, fmt.Sprintf("free page %d is listed twice", id)}
		case bit(w.used, id):
			return &errPage{page, fmt.Sprintf("free page %d is in use", id)}
		}
		mark(w.free, id)
	}
	return nil
}

// checkUse looks for pages that are neither used nor free.
func (c *checker) checkUse(w *pageWalker) {
	if c.unsafe || w.meta.freelist == noFreelist {
		return // pages under a damaged one were not reached
	}
	lost := 0
	for id := uint64(2); id < w.meta.limit; id++ {
		if !bit(w.used, id) && !bit(w.free, id) {
			lost++
		}
	}
	if lost > 0 {
		c.fault(adviceUnused, "%d pages are neither used nor free", lost)
	}
}
