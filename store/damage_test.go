package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"go.etcd.io/bbolt"
)

// asServed makes a file what it is when a server has closed it: without a list of free pages.
func asServed(t testing.TB, dir string) {
	t.Helper()
	closeAndCheck(t, open(t, dir, Options{}), dir)
}

// walked returns what the check finds of the pages of a sound file.
func walked(t testing.TB, dir string) *pageWalker {
	t.Helper()
	c := &checker{ctx: t.Context(), o: CheckOptions{MaxFaults: 1}}
	if err := c.checkPages(dbPath(dir), false); err != nil || c.unsafe || c.noFree {
		t.Fatalf("pages aren't sound: %v, %v", c.report.Faults, err)
	}
	return c.pages
}

// refused expects that a damaged file is neither opened nor changed.
func refused(t testing.TB, dir, what string, bad []byte) {
	t.Helper()
	if err := os.WriteFile(dbPath(dir), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: open says %v, want ErrCorrupt", what, err)
	}
	if left, err := os.ReadFile(dbPath(dir)); err != nil || !bytes.Equal(left, bad) {
		t.Errorf("%s: the file has changed, %v", what, err)
	}
	if faults(t, dir).OK() {
		t.Errorf("%s: check finds no fault", what)
	}
}

// TestDamagedHeaders damages the header of each page in use: branches, leaves, roots of buckets, the list of free pages.
// bbolt would free pages that belong to others, follow pages that don't exist, or end the process.
func TestDamagedHeaders(t *testing.T) {
	dir := fill(t)
	for _, kind := range []string{"with free pages listed", "as served"} {
		if kind == "as served" {
			asServed(t, dir)
		}
		sound, err := os.ReadFile(dbPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		w := walked(t, dir)
		tried := 0
		for page := uint64(2); page < w.meta.limit; page++ {
			at := page * uint64(w.meta.pageSize)
			if !bit(w.used, page) || native.Uint64(sound[at:]) != page { // the latter belongs to another page
				continue
			}
			for what, place := range map[string]uint64{"number": 0, "type": 8, "overflow": 12, "large overflow": 14, "huge overflow": 15} {
				bad := bytes.Clone(sound)
				if bad[at+place] ^= 0x40; what == "overflow" {
					bad[at+place] = byte(w.meta.limit - page) // one more than there are
				}
				refused(t, dir, fmt.Sprintf("%s, page %d, %s", kind, page, what), bad)
				tried++
			}
		}
		if tried < 50 {
			t.Errorf("%s: only %d damages were tried", kind, tried)
		}
		os.WriteFile(dbPath(dir), sound, 0o600)
	}
	checkClean(t, dir)
}

// TestDamagedFreelist damages the list of free pages so that bbolt counts pages which nobody gets: a wipe would look for
// them until the disk is full.
func TestDamagedFreelist(t *testing.T) {
	dir := fill(t)
	edit(t, dir, func(tx *bbolt.Tx) {}) // puts what is pending into the list
	sound, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	w := walked(t, dir)
	at := w.meta.freelist * uint64(w.meta.pageSize)
	count, ids := native.Uint16(sound[at+10:]), at+pageHeader
	if count < 2 {
		t.Fatalf("%d pages are free", count)
	}
	for what, damage := range map[string]func(b []byte){
		"zeros at the end": func(b []byte) { native.PutUint16(b[at+10:], count+20) },
		"the same twice":   func(b []byte) { copy(b[ids:ids+8], b[ids+8:]) },
		"beyond all pages": func(b []byte) { native.PutUint64(b[ids+uint64(count-1)*8:], w.meta.limit) },
		"in use":           func(b []byte) { native.PutUint64(b[ids:], w.meta.root) },
		"more than fit":    func(b []byte) { native.PutUint16(b[at+10:], 0xfffe) },
		"a huge count":     func(b []byte) { native.PutUint16(b[at+10:], 0xffff); native.PutUint64(b[ids:], 1<<60) },
	} {
		bad := bytes.Clone(sound)
		damage(bad)
		refused(t, dir, what, bad)
	}
	os.WriteFile(dbPath(dir), sound, 0o600)
	checkClean(t, dir)
}
