package store

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

func readAll(t testing.TB, s *Store, d DocKey) []Change {
	t.Helper()
	var list []Change
	err := s.Changes(d, 0, math.MaxUint64, func(i uint64, c Change) error {
		if i != uint64(len(list)) {
			t.Errorf("change %d came as number %d", i, len(list))
		}
		list = append(list, Change{c.Hash, bytes.Clone(c.Bytes)})
		return nil
	})
	if err != nil {
		t.Fatalf("changes: %v", err)
	}
	return list
}

func TestAppendSurvivesReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	s := open(t, dir, Options{})
	d, other := doc("acme", 1), doc("globex", 1)
	mustPut(t, s, appendOf(d, 0, 3))
	mustPut(t, s, appendOf(d, 3, 2))
	mustPut(t, s, appendOf(other, 0, 1))
	storageID := s.StorageID()
	closeAndCheck(t, s, dir)

	s = open(t, dir, Options{})
	if s.StorageID() != storageID {
		t.Errorf("storage ID changed from %s to %s", storageID, s.StorageID())
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(storageID) {
		t.Errorf("storage ID %q is no version 4 UUID", storageID)
	}
	want := changes(d, 0, 5)
	if diff := cmp.Diff(want, readAll(t, s, d)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	size := 0
	for _, c := range want {
		size += len(c.Bytes)
	}
	info, ok, err := s.Document(d)
	if err != nil || !ok {
		t.Fatalf("document: %v %v", ok, err)
	}
	if diff := cmp.Diff(Info{Changes: 5, Heads: []Hash{want[4].Hash}, Bytes: uint64(size), TailBytes: uint64(size)}, info); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	if b, err := s.Change(d, 4); err != nil || !bytes.Equal(b, want[4].Bytes) {
		t.Errorf("change 4: %x, %v", b, err)
	}
	if _, err := s.Change(d, 5); !errors.Is(err, ErrNotFound) {
		t.Errorf("change 5: %v, want ErrNotFound", err)
	}
	if _, err := s.Change(d, math.MaxUint64); !errors.Is(err, ErrNotFound) {
		t.Errorf("last possible change: %v, want ErrNotFound", err)
	}
	if n := len(readAll(t, s, other)); n != 1 {
		t.Errorf("the other company's document has %d changes, want 1", n)
	}
	r := closeAndCheck(t, s, dir)
	if r.Documents != 2 || r.Changes != 6 {
		t.Errorf("check counted %d documents and %d changes, want 2 and 6", r.Documents, r.Changes)
	}
}

func TestUnknownDocumentIsEmpty(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	mustPut(t, s, appendOf(doc("acme", 1), 0, 1))
	for _, d := range []DocKey{doc("acme", 2), doc("globex", 1), doc("acm", 1), doc("", 1)} {
		if _, ok, err := s.Document(d); ok || err != nil {
			t.Errorf("document %v: %v, %v", d, ok, err)
		}
		if n := len(readAll(t, s, d)); n != 0 {
			t.Errorf("document %v has %d changes", d, n)
		}
	}
	closeAndCheck(t, s, dir)
}

func TestChangesRange(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 7)
	mustPut(t, s, appendOf(d, 0, 10))
	stop := errors.New("enough")
	for _, tt := range []struct {
		from, to uint64
		want     int
	}{{0, 10, 10}, {3, 7, 4}, {9, 100, 1}, {10, 11, 0}, {7, 3, 0}, {math.MaxUint64, math.MaxUint64, 0}} {
		n := 0
		if err := s.Changes(d, tt.from, tt.to, func(i uint64, _ Change) error { n++; return nil }); err != nil {
			t.Errorf("changes %d to %d: %v", tt.from, tt.to, err)
		}
		if n != tt.want {
			t.Errorf("changes %d to %d: %d, want %d", tt.from, tt.to, n, tt.want)
		}
	}
	if err := s.Changes(d, 0, 10, func(uint64, Change) error { return stop }); err != stop {
		t.Errorf("error of fn came back as %v", err)
	}
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("panic of fn came back as %v", p)
			}
		}()
		s.Changes(d, 0, 10, func(uint64, Change) error { panic("mine") })
	}()
	closeAndCheck(t, s, dir)
}

func TestAppendRefusesGapAlone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	mustPut(t, s, appendOf(d, 0, 2))
	for _, first := range []uint64{0, 1, 3, math.MaxUint64} {
		if err := put(t, s, appendOf(d, first, 1)); !errors.Is(err, ErrGap) {
			t.Errorf("first %d: %v, want ErrGap", first, err)
		}
	}
	mustPut(t, s, appendOf(d, 2, 1))
	closeAndCheck(t, s, dir)
}

func TestAppendRefusesInvalid(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	long := strings.Repeat("x", MaxText+1)
	for name, spoil := range map[string]func(*Append){
		"no changes":     func(a *Append) { a.Changes = nil },
		"no heads":       func(a *Append) { a.Heads = nil },
		"too many heads": func(a *Append) { a.Heads = make([]Hash, MaxHeads+1) },
		"no company":     func(a *Append) { a.Doc.Company = "" },
		"long company":   func(a *Append) { a.Doc.Company = long },
		"no user":        func(a *Append) { a.By.User = "" },
		"long user":      func(a *Append) { a.By.User = long },
		"long device":    func(a *Append) { a.By.Device = long },
		"no bytes":       func(a *Append) { a.Changes[0].Bytes = nil },
		"other hash":     func(a *Append) { a.Changes[0].Hash[0]++ },
		"document chunk": func(a *Append) { a.Changes[0].Bytes[8] = 0 },
	} {
		a := appendOf(doc("acme", 1), 0, 1)
		spoil(&a)
		err := s.Append(t.Context(), a, func(error) { t.Errorf("%s: done was called", name) })
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	closeAndCheck(t, s, dir)
}

func TestBigValuesAndLongNames(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{QueueBytes: 1 << 20})
	d := doc(strings.Repeat("c", MaxText), 1)
	big := []Change{chunk(1, 24), chunk(2, 9<<20), chunk(3, 5000), chunk(4, 24)}
	a := Append{Doc: d, Changes: big, Heads: []Hash{big[3].Hash}}
	a.By = Attribution{User: strings.Repeat("u", MaxText), Device: strings.Repeat("d", MaxText), Received: time.Time{}}
	mustPut(t, s, a)
	for i, c := range readAll(t, s, d) {
		if c.Hash != big[i].Hash || !bytes.Equal(c.Bytes, big[i].Bytes) {
			t.Errorf("change %d came back differently", i)
		}
	}
	err := s.Attributions(d, 0, 4, func(r Run) error {
		if diff := cmp.Diff(Run{First: 0, Count: 4, Attribution: a.By}, r); diff != "" {
			t.Errorf("run (-want +got):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	closeAndCheck(t, s, dir)
}

func TestManyHeads(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	a := appendOf(d, 0, 1500)
	a.Heads = nil
	for _, c := range a.Changes {
		a.Heads = append(a.Heads, c.Hash)
	}
	mustPut(t, s, a)
	info, _, err := s.Document(d)
	if err != nil || !cmp.Equal(info.Heads, a.Heads) {
		t.Errorf("heads came back differently: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Check(t.Context(), dir, CheckOptions{})
	if err != nil || !r.OK() {
		t.Errorf("check: %v %v", r.Faults, err)
	}
}

func TestOpenRefusals(t *testing.T) {
	t.Run("held", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, Options{})
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
			t.Errorf("open: %v, want ErrLocked that names %s", err, dir)
		}
		if _, err := Check(t.Context(), dir, CheckOptions{}); !errors.Is(err, ErrLocked) {
			t.Errorf("check: %v, want ErrLocked", err)
		}
		closeAndCheck(t, s, dir)
	})
	t.Run("newer", func(t *testing.T) {
		dir := t.TempDir()
		open(t, dir, Options{}).Close()
		edit(t, dir, func(tx *bbolt.Tx) {
			b := tx.Bucket([]byte("meta"))
			b.Put(formatKey, metaBucket.seal(formatKey, appendU32(nil, formatVersion+1)))
		})
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrVersion) {
			t.Errorf("open: %v, want ErrVersion", err)
		}
		if _, err := Check(t.Context(), dir, CheckOptions{}); !errors.Is(err, ErrVersion) {
			t.Errorf("check: %v, want ErrVersion", err)
		}
	})
	t.Run("not a database", func(t *testing.T) {
		dir := t.TempDir()
		os.WriteFile(dbPath(dir), bytes.Repeat([]byte("not a database"), 4096), 0o600)
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("open: %v, want ErrCorrupt", err)
		}
		if r, err := Check(t.Context(), dir, CheckOptions{}); err != nil || r.OK() {
			t.Errorf("check: %v, %v, want a fault", r, err)
		}
	})
	t.Run("another program's database", func(t *testing.T) {
		dir := t.TempDir()
		edit(t, dir, func(tx *bbolt.Tx) { tx.CreateBucket([]byte("theirs")) })
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("open: %v, want ErrCorrupt", err)
		}
	})
	t.Run("check nothing", func(t *testing.T) {
		if _, err := Check(t.Context(), t.TempDir(), CheckOptions{}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("check: %v, want that there is no file", err)
		}
	})
	t.Run("options", func(t *testing.T) {
		for _, o := range []Options{{QueueBytes: -1}, {RejectionLimit: -1}} {
			if _, err := Open(t.TempDir(), o); err == nil {
				t.Errorf("options %+v were accepted", o)
			}
		}
	})
}

func TestCheckStopsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	mustPut(t, s, appendOf(doc("acme", 1), 0, 5000))
	closeAndCheck(t, s, dir)
	ctx, cancel := context.WithCancel(t.Context())
	var last Progress
	_, err := Check(ctx, dir, CheckOptions{Progress: func(p Progress) {
		if last = p; p.Done > 0 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || last.Total < 5000 || last.Done > 2*progressEvery {
		t.Errorf("check: %v at %+v, want it canceled after the first step", err, last)
	}
}

// edit changes the closed file behind the store's back.
func edit(t testing.TB, dir string, fn func(tx *bbolt.Tx)) {
	t.Helper()
	db, err := bbolt.Open(dbPath(dir), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(func(tx *bbolt.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}
