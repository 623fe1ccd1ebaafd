package store

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"concord/internal/id"
)

// listOf returns the first bytes of the documents that a user has changed, of all without a user.
func listOf(t testing.TB, s *Store, company, user string, after byte) (list string) {
	t.Helper()
	fn := func(d DocumentInfo) error {
		if d.Damaged != nil {
			t.Errorf("document %s: %v", d.Document, d.Damaged)
		}
		list += fmt.Sprint(d.Document[0])
		return nil
	}
	last := id.DocumentID{}
	if after > 0 {
		last = doc("", after).Document
	}
	var err error
	if user == "" {
		err = s.Documents(company, last, fn)
	} else {
		err = s.DocumentsOf(company, user, last, fn)
	}
	if err != nil {
		t.Errorf("documents: %v", err)
	}
	return list
}

// by makes an Append another user's.
func by(user string, a Append) Append {
	a.By.User = user
	return a
}

func TestDocuments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for _, a := range []Append{
		by("bob", appendOf(doc("acme", 3), 0, 2)), by("bob", appendOf(doc("acme", 1), 0, 1)),
		by("alice", appendOf(doc("acme", 2), 0, 1)), by("alice", appendOf(doc("acme", 3), 2, 1)),
		by("bob", appendOf(doc("acme", 3), 3, 4)), by("carol", appendOf(doc("globex", 1), 0, 1)),
		by("bob", appendOf(doc("globex", 4), 0, 1)),
	} {
		mustPut(t, s, a)
	}
	for _, tt := range []struct {
		company, user string
		after         byte
		want          string
	}{
		{"acme", "", 0, "123"}, {"acme", "", 1, "23"}, {"acme", "", 3, ""}, {"globex", "", 0, "14"}, {"initech", "", 0, ""},
		{"acme", "alice", 0, "23"}, {"acme", "bob", 0, "13"}, {"acme", "bob", 1, "3"}, {"acme", "bob", 2, "3"},
		{"acme", "bob", 3, ""}, {"acme", "carol", 0, ""}, {"globex", "carol", 0, "1"}, {"globex", "bob", 0, "4"},
		{"acme", "phone", 0, ""}, {"acme", "nobody", 0, ""}, {"initech", "bob", 0, ""},
	} {
		if got := listOf(t, s, tt.company, tt.user, tt.after); got != tt.want {
			t.Errorf("documents of %q in %s after %d: %s, want %s", tt.user, tt.company, tt.after, got, tt.want)
		}
	}
	if err := s.DocumentsOf("acme", "", id.DocumentID{}, func(DocumentInfo) error { return errors.New("called") }); err != nil {
		t.Errorf("documents of nobody: %v", err)
	}
	names, err := s.Companies()
	if diff := cmp.Diff([]string{"acme", "globex"}, names); err != nil || diff != "" {
		t.Errorf("companies: %v (-want +got):\n%s", err, diff)
	}
	list := changes(doc("acme", 3), 0, 7)
	want := DocumentInfo{
		Document: doc("", 3).Document, Changes: 7, Heads: []Hash{list[6].Hash},
		Last: Attribution{User: "bob", Device: "phone", Received: testTime.Add(3 * time.Millisecond)},
	}
	for _, c := range list {
		want.Bytes += uint64(len(c.Bytes))
	}
	err = s.DocumentsOf("acme", "alice", doc("", 2).Document, func(d DocumentInfo) error {
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("info (-want +got):\n%s", diff)
		}
		return ErrStop
	})
	if err != nil {
		t.Error(err)
	}
	closeAndCheck(t, s, dir)
}

// One document whose records are damaged doesn't hide the others.
func TestDamagedDocumentIsListed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for n := range byte(3) {
		mustPut(t, s, appendOf(doc("acme", n), 0, 1))
	}
	closeAndCheck(t, s, dir)
	edit(t, dir, func(tx *bbolt.Tx) { tx.Bucket([]byte("documents")).Put(documentKey(1), []byte("damaged")) })
	s = open(t, dir, Options{})
	var damaged []bool
	err := s.Documents("acme", id.DocumentID{}, func(d DocumentInfo) error {
		damaged = append(damaged, errors.Is(d.Damaged, ErrCorrupt) && d.Document == doc("", 1).Document)
		return nil
	})
	if diff := cmp.Diff([]bool{false, true, false}, damaged); err != nil || diff != "" {
		t.Errorf("documents: %v (-want +got):\n%s", err, diff)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// testdata/format2.db.gz was written by the last program of format 2.
func TestFormat2(t *testing.T) {
	dir := t.TempDir()
	unpack(t, "testdata/format2.db.gz", dbPath(dir))
	checkClean(t, dir)
	old, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	checkFormat2(t, old)
	for _, r := range stored(oneOfEach(1)) {
		if _, ok, err := old.Get("acme", r.Table, r.Key); ok || err != nil {
			t.Errorf("table %s of an old file: %v, %v", r.Table, ok, err)
		}
		if got := keysOf(t, old, "acme", r.Table, Range{}); got != "" {
			t.Errorf("table %s of an old file: %s", r.Table, got)
		}
	}
	if err := old.Audit("acme", 0, func(AuditEntry) error { return errors.New("called") }); err != nil {
		t.Errorf("audit entries of an old file: %v", err)
	}
	if seq, _, err := old.AuditHead("acme"); seq != 0 || err != nil {
		t.Errorf("audit head of an old file: %d, %v", seq, err)
	}
	if err := old.DocumentsOf("acme", "user0", id.DocumentID{}, func(DocumentInfo) error { return nil }); err == nil {
		t.Error("documents of a user were listed without their index")
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	s := open(t, dir, Options{})
	checkFormat2(t, s)
	for company, users := range map[string]string{"acme": "user0 user10 user20", "globex": "alice"} {
		for user := range strings.FieldsSeq(users) {
			if got := listOf(t, s, company, user, 0); got != listOf(t, s, company, "", 0) {
				t.Errorf("documents of %s: %s", user, got)
			}
		}
	}
	mustPut(t, s, by("zoe", appendOf(doc("acme", 1), 30, 1)))
	mustPutRecords(t, s, "acme", oneOfEach(1), auditEntry(ActionImport))
	if got := listOf(t, s, "acme", "zoe", 0); got != "1" {
		t.Errorf("documents of zoe: %s", got)
	}
	closeAndCheck(t, s, dir)
}

func checkFormat2(t *testing.T, s *Store) {
	t.Helper()
	for n, covered := range []int{0, 0, 20} {
		checkCovered(t, s, doc("acme", byte(n)), covered, changes(doc("acme", byte(n)), uint64(covered), 30-covered))
	}
	if got := listOf(t, s, "acme", "", 0) + listOf(t, s, "globex", "", 0); got != "0121" {
		t.Errorf("documents: %s", got)
	}
	if state, ok, err := s.SyncState(SyncKey{"acme", "alice", "phone", doc("", 1).Document}); string(state) != "state" || !ok || err != nil {
		t.Errorf("sync state: %q, %v, %v", state, ok, err)
	}
	if got := rejections(t, s, "acme", 10, 0); got != "1:*1" {
		t.Errorf("rejections: %s", got)
	}
	if list, err := s.Revocations(); len(list) != 1 || err != nil {
		t.Errorf("revocations: %v, %v", list, err)
	}
}

func unpack(t *testing.T, from, to string) {
	t.Helper()
	f, err := os.Open(filepath.FromSlash(from))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Each user of a document has one entry among the editors, however many runs they have.
func TestEditorsAreWrittenOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	for i := range 500 {
		a := by(fmt.Sprint("user", i%2), appendOf(d, uint64(i), 1))
		a.By.Device = fmt.Sprint("device", i%3)
		if err := s.Append(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, s, by("user0", appendOf(d, 500, 1)))
	closeAndCheck(t, s, dir)
	editors := 0
	for key := range dump(t, dir) {
		if strings.HasPrefix(key, "editors/") {
			editors++
		}
	}
	if editors != 2 {
		t.Errorf("there are %d entries, want 2", editors)
	}
}
