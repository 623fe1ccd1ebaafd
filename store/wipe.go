package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Deleting a record leaves its bytes in pages that bbolt counts as free. A wipe gets rid of them by having bbolt use
// each free page for something else:
//
//   - A page that bbolt writes is written whole, with zeros after its content.
//   - After the last record was deleted, no page that is in use holds any of the content: a page is written anew without
//     the record. What is freed later therefore holds nothing of it either.
//   - bbolt gives pages that a transaction has freed to the transactions after it, unless a read transaction is open that
//     may see them. When those that began before the next commit have ended, all pages that may hold content are
//     free to be used.
//   - So filler is written until a commit leaves no free page. Each page that was free has been written then. The file
//     has pages behind those that were ever used only where a process was killed while it made the file longer; when
//     there is anything in these, filler is written until they are used too.
//   - Then the filler is deleted.
//
// What is written are as many bytes as were free, in small writes that go with those of others.
//
// That the count of free pages is true follows from how the file was opened, see verifyPages: bbolt takes only what is in
// use off the list of free pages, and panics over a page that it would free twice.

const (
	// fillPages is how many pages of filler one write has: others wait for it.
	fillPages = 32
	// maxSlack bounds how much longer a wipe makes the file, in pages.
	maxSlack = 4096
	// clearRecords is how many records of filler one write deletes.
	clearRecords = 200
	// fillerPerPage is how many records share a page of filler: bbolt puts no fewer on pages that it splits.
	fillerPerPage = 2
	// maxWipes is how many documents one round wipes.
	maxWipes = 1000
)

// wipe is the payload of a record in wipes, which a document has from its purge until it is wiped. It counts the
// fingerprints.
type wipe struct {
	every uint64 // one of so many windows is kept
	seen  uint64 // windows
	kept  uint32
	count uint32 // records in fingerprints
}

const wipeSize = 8 + 8 + 4 + 4

func (w wipe) encode() []byte {
	v := appendU64(appendU64(make([]byte, 0, wipeSize+crcSize), w.every), w.seen)
	return appendU32(appendU32(v, w.kept), w.count)
}

func decodeWipe(v []byte) (w wipe, ok bool) {
	if len(v) != wipeSize {
		return wipe{}, false
	}
	w = wipe{every: u64(v), seen: u64(v[8:]), kept: u32(v[16:]), count: u32(v[20:])}
	return w, w.every > 0
}

// wipe makes one round: it deletes what is left of purged documents, and wipes it. It returns false when there are none.
func (s *Store) wipe() (bool, error) {
	keys, err := s.wipes()
	if err != nil || len(keys) == 0 {
		return false, err
	}
	if keys, err = s.deletePurged(keys); err != nil || len(keys) == 0 {
		return err == nil, err
	}
	if err := s.sweep(keys); err != nil {
		return false, fmt.Errorf("delete records of purged documents: %w", err)
	}
	for done := false; !done; {
		if done, err = s.overwrite(); err != nil {
			return false, fmt.Errorf("wipe purged documents: %w", err)
		}
		if !done {
			s.o.Logger.Info("wipe goes on later, others free too many pages", "documents", len(keys), "pause", wipePause)
			if err := s.wiper.pause(); err != nil {
				return false, err
			}
		}
	}
	now := s.o.Now()
	return true, s.writeLate(func(b *batch) error { return b.putWiped(keys, now) })
}

// deletePurged deletes the records of purged documents, and returns the keys of those where that could be done: what is
// damaged keeps no other document from being wiped.
func (s *Store) deletePurged(keys [][]byte) (deleted [][]byte, err error) {
	for _, key := range keys {
		err := s.deleteRecords(key)
		switch {
		case err == nil:
			deleted = append(deleted, key)
		case errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrFailed):
			s.o.Logger.Error("purged document isn't wiped before the next start", "error", err)
			s.wiper.giveUp(key, err)
		default:
			return nil, err
		}
	}
	return deleted, nil
}

func (s *Store) deleteRecords(key []byte) error {
	for more := true; more; {
		err := s.writeLate(func(b *batch) (err error) {
			more, err = b.purgeStep(key)
			return err
		})
		if err != nil {
			return fmt.Errorf("delete purged document %x: %w", key, err)
		}
	}
	return nil
}

// wipes returns the first purged documents that aren't wiped, and can be.
func (s *Store) wipes() (keys [][]byte, err error) {
	err = s.view(nil, func(r reader) error {
		bk, err := r.bucket(wipesBucket)
		if err != nil {
			return err
		}
		c := bk.Cursor()
		for k, _ := c.First(); k != nil && len(keys) < maxWipes; k, _ = c.Next() {
			if s.wiper.gaveUp(k) == nil {
				keys = append(keys, bytes.Clone(k))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list purged documents: %w", err)
	}
	return keys, nil
}

// overwrite has every page written that is free when it is called. It returns false when it ended before that.
func (s *Store) overwrite() (done bool, err error) {
	// The pages that the last deletion has freed are to be older than the oldest read transaction.
	f := &filling{}
	if err := s.writeLate(func(b *batch) error { return b.putFiller(1) }); err != nil {
		return false, err
	}
	select {
	case <-s.readers.turn():
	case <-s.wiper.quit:
		return false, ErrClosed
	}
	if f.end, err = s.dirtyEnd(); err != nil {
		return false, err
	}
	for !f.full && !f.over && !s.o.hooks.keepFree {
		if err := s.writeLate(func(b *batch) error { return s.fill(b, f) }); err != nil {
			return false, err
		}
	}
	for more := true; more; {
		if err := s.writeLate(func(b *batch) (err error) {
			more, err = b.clearFiller()
			return err
		}); err != nil {
			return false, err
		}
	}
	return !f.over, nil
}

// Others free pages while filler is written. It is deleted again, and written anew after a pause, when there are
// maxFiller pages of it beyond twice what was free at first: so the file doesn't grow much.
const (
	maxFiller = 16 << 10
	wipePause = time.Minute
)

// filling is the state of one overwrite.
type filling struct {
	emptied bool  // a commit has left no free page, since the old read transactions ended
	full    bool  // and the file is in use up to end
	over    bool  // all filler that may be is written
	end     int64 // bytes
	slack   int   // pages to write beyond those that seem to be free
	most    int   // pages that may be written; 0 = not known yet
	written int   // pages
}

// fill writes some filler, or finds that there is no free page.
func (s *Store) fill(b *batch, f *filling) error {
	if f.full = f.emptied && b.tx.Size() >= f.end; f.full {
		return nil
	}
	free := s.db.Stats().FreePageN // after the commit before this one
	pages := free + int(max(0, f.end-b.tx.Size()))/s.pageSize()
	if f.most == 0 {
		f.most = 2*pages + maxFiller
	}
	if f.over = f.written > f.most; f.over {
		return nil
	}
	if pages < fillPages {
		// This commit may use more free pages than were counted: those that the one before it has freed.
		f.slack = min(max(4, 2*f.slack), maxSlack)
		pages += f.slack
	}
	// What others commit next frees pages again.
	b.committed = append(b.committed, func() {
		busy := s.o.hooks.busy != nil && s.o.hooks.busy()
		f.emptied = f.emptied || !busy && s.db.Stats().FreePageN == 0
	})
	pages = min(pages, max(fillPages, f.slack))
	f.written += pages
	return b.putFiller(pages)
}

func (s *Store) pageSize() int { return s.db.Info().PageSize }

// putFiller adds so many pages of filler.
func (b *batch) putFiller(pages int) error {
	last, _, err := b.lastUnder(fillerBucket, nil)
	if err != nil {
		return err
	}
	next := uint64(0)
	if last != nil {
		if len(last) != 8 {
			return fillerBucket.corrupt(last, "key is malformed")
		}
		next = u64(last) + 1
	}
	size := (b.tx.DB().Info().PageSize-pageHeader)/fillerPerPage - elementSize - 8
	for n := range uint64(pages * fillerPerPage) {
		b.put(fillerBucket, appendU64(nil, next+n), make([]byte, size-crcSize, size))
	}
	return nil
}

// clearFiller deletes the first records of filler; more is true when others are left.
func (b *batch) clearFiller() (more bool, err error) {
	bk, err := b.bucket(fillerBucket)
	if err != nil {
		return false, err
	}
	var keys [][]byte
	c := bk.Cursor()
	k, _ := c.First()
	for ; k != nil && len(keys) < clearRecords; k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, key := range keys {
		b.delete(fillerBucket, key)
	}
	return k != nil, nil
}

// dirtyEnd returns where the last byte of the file is that isn't zero, behind the pages that were ever used.
func (s *Store) dirtyEnd() (end int64, err error) {
	var from int64
	if err := s.view(nil, func(r reader) error { from = r.tx.Size(); return nil }); err != nil {
		return 0, err
	}
	f, err := os.Open(s.db.Path())
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for at := from; ; {
		n, err := f.ReadAt(buf, at)
		if used := len(bytes.TrimRight(buf[:n], "\x00")); used > 0 {
			end = at + int64(used)
		}
		at += int64(n)
		if err == io.EOF {
			return end, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// putWiped notes that documents are wiped.
func (b *batch) putWiped(keys [][]byte, now time.Time) error {
	stones := make([]tombstone, len(keys))
	for i, key := range keys {
		t, ok, err := b.tombstone(key)
		if err != nil {
			return err
		}
		if !ok {
			return tombstonesBucket.corrupt(key, "record is missing")
		}
		t.Wiped = now
		stones[i] = t
	}
	for i, key := range keys {
		b.put(tombstonesBucket, key, stones[i].encode())
		b.delete(wipesBucket, key)
	}
	return nil
}
