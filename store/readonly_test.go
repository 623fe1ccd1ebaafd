package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

func TestOpenReadOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	want := []DocKey{doc("beta", 7), doc("beta", 9), doc("alpha", 1)} // companies by first use
	for _, d := range []DocKey{want[1], want[2], want[0]} {
		mustPut(t, s, appendOf(d, 0, 3))
	}
	if _, err := OpenReadOnly(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("opened beside a writer: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, dbPath(dir)} {
		checkReadOnly(t, path, want)
	}
	after, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("reading changed the file")
	}
}

func checkReadOnly(t *testing.T, path string, want []DocKey) {
	t.Helper()
	s, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := allDocuments(s)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("documents (-want +got):\n%s", d)
	}
	for _, key := range got {
		n := 0
		err := s.Changes(key, 0, 10, func(uint64, Change) error { n++; return nil })
		if err != nil || n != 3 {
			t.Errorf("document %s has %d changes, want 3: %v", key.Document, n, err)
		}
	}
	if err := s.Append(t.Context(), appendOf(want[0], 3, 1), nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a write gave %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenReadOnlyMakesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder gave %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReadOnly(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("an empty file gave %v", err)
	}
	if info, err := os.Stat(dbPath(dir)); err != nil || info.Size() != 0 {
		t.Errorf("the empty file was written to: %v", err)
	}
}

// allDocuments lists the documents of all companies.
func allDocuments(s *Store) (keys []DocKey, err error) {
	names, err := s.Companies()
	for _, name := range names {
		err = errors.Join(err, s.Documents(name, id.DocumentID{}, func(d DocumentInfo) error {
			keys = append(keys, DocKey{name, d.Document})
			return nil
		}))
	}
	return keys, err
}
