package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"concord/internal/id"
)

// contents describes all that a backup has of a store, one thing to a line.
func contents(t testing.TB, s *Store) (lines []string) {
	t.Helper()
	companies, err := s.Companies()
	if err != nil {
		t.Fatal(err)
	}
	for _, company := range companies {
		lines = append(lines, companyContents(t, s, company)...)
	}
	revocations, err := s.Revocations()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range revocations {
		lines = append(lines, fmt.Sprintf("%s revocation %+v", r.Company, r))
	}
	slices.Sort(lines)
	return lines
}

func companyContents(t testing.TB, s *Store, company string) (lines []string) {
	t.Helper()
	note := func(format string, args ...any) {
		lines = append(lines, company+" "+fmt.Sprintf(format, args...))
	}
	users := make(map[string]bool)
	err := s.Documents(company, id.DocumentID{}, func(d DocumentInfo) error {
		key := DocKey{company, d.Document}
		list, _, err := readWhole(s, key)
		if err != nil {
			t.Errorf("document %s: %v", d.Document, err)
		}
		note("document %s: %+v, changes %x", d.Document, d, list)
		return s.Attributions(key, 0, math.MaxUint64, func(r Run) error {
			note("document %s: run %+v", d.Document, r)
			users[r.User] = true
			return nil
		})
	})
	for user := range users {
		err = errors.Join(err, s.DocumentsOf(company, user, id.DocumentID{}, func(d DocumentInfo) error {
			note("document %s of %s", d.Document, user)
			return nil
		}))
	}
	for _, def := range allBuckets {
		if def.table {
			err = errors.Join(err, s.Scan(company, Table(def.name), Range{}, func(k, v []byte) error {
				note("%s %x %x", def.name, k, v)
				return nil
			}))
		}
		if def.numbered {
			last, lastErr := s.Last(company, Table(def.name))
			err = errors.Join(err, lastErr)
			note("%s %d", def.name, last)
		}
	}
	err = errors.Join(err, s.Audit(company, 0, func(e AuditEntry) error {
		note("audit %+v", e)
		return nil
	}))
	err = errors.Join(err, s.Tombstones(company, id.DocumentID{}, func(d id.DocumentID, t Tombstone) error {
		note("tombstone %s %s %s %s", d, t.By, t.At, t.Reason)
		return nil
	}))
	rejections, rejErr := s.Rejections(company, 1000, 0)
	for _, r := range rejections {
		note("rejection %+v", r)
	}
	if err = errors.Join(err, rejErr); err != nil {
		t.Error(err)
	}
	return lines
}

func backUp(t testing.TB, s *Store, since *Manifest) ([]byte, Manifest) {
	t.Helper()
	var b bytes.Buffer
	m, err := s.Backup(t.Context(), &b, BackupOptions{Since: since})
	if err != nil {
		t.Fatalf("back up: %v", err)
	}
	read, err := ReadManifest(bytes.NewReader(b.Bytes()))
	if diff := cmp.Diff(m, read, cmp.AllowUnexported(Manifest{}, companyManifest{}, documentCount{}, auditHead{}), timeInMillis); err != nil || diff != "" {
		t.Errorf("manifest: %v (-made +read):\n%s", err, diff)
	}
	return b.Bytes(), m
}

var timeInMillis = cmp.Comparer(func(a, b time.Time) bool { return a.UnixMilli() == b.UnixMilli() })

func tryRestore(t testing.TB, o RestoreOptions, backups ...[]byte) (dir string, r Report, err error) {
	t.Helper()
	if o.Verify == nil {
		o.Verify = newChain
	}
	dir = filepath.Join(t.TempDir(), "restored")
	r, err = Restore(context.Background(), dir, readersOf(backups), o)
	return dir, r, err
}

func readersOf(backups [][]byte) (list []io.Reader) {
	for _, b := range backups {
		list = append(list, bytes.NewReader(b))
	}
	return list
}

// restoreAll restores backups and returns what the folder holds.
func restoreAll(t testing.TB, o RestoreOptions, backups ...[]byte) (lines []string, dir string) {
	t.Helper()
	dir, _, err := tryRestore(t, o, backups...)
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	if list, err := os.ReadDir(dir); len(list) != 1 || err != nil {
		t.Errorf("folder after the restore: %v, %v", list, err)
	}
	checkClean(t, dir)
	s := open(t, dir, Options{Now: func() time.Time { return testTime }})
	lines = contents(t, s)
	closeAndCheck(t, s, dir)
	return lines, dir
}

// busyStore has something of everything.
func busyStore(t testing.TB) (s *Store, dir string) {
	t.Helper()
	dir = t.TempDir()
	s = open(t, dir, Options{Now: func() time.Time { return testTime }})
	for _, company := range []string{"acme", "globex"} {
		for n := byte(1); n < 6; n++ {
			for i := range uint64(4) {
				a := appendOf(doc(company, n), i*10, 10)
				a.By.User = fmt.Sprint("user", i%3)
				mustPut(t, s, a)
			}
			mustPutRecords(t, s, company, oneOfEach(n), auditEntry(ActionImport))
		}
		reject(t, s, Rejection{Company: company, Document: doc("", 2).Document, User: "alice", Reason: "seq-gap", Last: testTime})
		reject(t, s, Rejection{Company: company, User: "alice", Reason: "seq-gap", Last: testTime})
		for i, kind := range []RevocationKind{RevokeToken, RevokeUser} {
			r := Revocation{Company: company, Kind: kind, ID: "someone", At: testTime, By: "admin"}
			if i == 0 {
				r.Until = testTime.Add(time.Hour)
			}
			if err := s.PutRevocation(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	big := appendOf(doc("acme", 7), 0, 1)
	big.Changes[0] = chunk(1, 3*changePiece+17)
	big.Heads = []Hash{big.Changes[0].Hash}
	mustPut(t, s, big)
	mustSnapshot(t, s, doc("acme", 3), 25)
	mustSnapshot(t, s, doc("globex", 4), 40)
	mustPurge(t, s, doc("acme", 5))
	states := []SyncState{{SyncKey{"acme", "alice", "phone", doc("", 1).Document}, []byte("state")}}
	if err := wait(t, func(done func(error)) error { return s.PutSyncStates(t.Context(), states, done) }); err != nil {
		t.Fatal(err)
	}
	settle(t, s)
	return s, dir
}

// mustPurge purges a document and waits until it is wiped.
func mustPurge(t testing.TB, s *Store, d DocKey) {
	t.Helper()
	startPurge(t, s, d)
	if err := s.AwaitWipe(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func startPurge(t testing.TB, s *Store, d DocKey) {
	t.Helper()
	p := Purge{By: "admin", At: testTime, Reason: "asked for", Audit: []AuditEntry{auditEntry(ActionPurge)}}
	for _, r := range stored(oneOfEach(d.Document[0])) {
		if def := tableBucket(r.Table); !def.documents {
			p.Records = append(p.Records, Record{Table: r.Table, Key: r.Key})
		}
	}
	if err := wait(t, func(done func(error)) error { return s.Purge(t.Context(), d, p, done) }); err != nil {
		t.Fatalf("purge: %v", err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	s, dir := busyStore(t)
	want := contents(t, s)
	backup, m := backUp(t, s, nil)
	if m.Documents != 10 || m.Changes != 9*40+1 || m.StorageID != s.StorageID() || m.Previous != "" {
		t.Errorf("manifest: %+v", m)
	}
	closeAndCheck(t, s, dir)
	got, restored := restoreAll(t, RestoreOptions{}, backup)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("restored (-want +got):\n%s", diff)
	}
	r := open(t, restored, Options{})
	if r.StorageID() == m.StorageID {
		t.Error("the restored folder has the storage ID of the other")
	}
	if _, ok, err := r.SyncState(SyncKey{"acme", "alice", "phone", doc("", 1).Document}); ok || err != nil {
		t.Errorf("sync state was restored: %v", err)
	}
	if ts, ok, err := r.Tombstone(doc("acme", 5)); !ok || err != nil || ts.Wiped.IsZero() {
		t.Errorf("tombstone: %+v, %v, %v", ts, ok, err)
	}
	mustPut(t, r, appendOf(doc("acme", 1), 40, 3))
	_, m2 := backUp(t, r, nil)
	if _, err := r.Backup(t.Context(), io.Discard, BackupOptions{Since: &m}); !errors.Is(err, ErrBackup) {
		t.Errorf("a backup that continues one of before the restore: %v, want ErrBackup", err)
	}
	if m2.Changes != m.Changes+3 {
		t.Errorf("manifest: %+v", m2)
	}
	closeAndCheck(t, r, restored)
}

// A stopped folder, and one of an old format, can be backed up too.
func TestBackupOfFormat2(t *testing.T) {
	dir := t.TempDir()
	unpack(t, "testdata/format2.db.gz", dbPath(dir))
	s, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	backup, _ := backUp(t, s, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, restored := restoreAll(t, RestoreOptions{}, backup)
	r := open(t, restored, Options{})
	for n := range byte(3) {
		if list, _, err := readWhole(r, doc("acme", n)); err != nil || !sameChanges(list, changes(doc("acme", n), 0, 30)) {
			t.Errorf("document %d: %d changes, %v", n, len(list), err)
		}
	}
	closeAndCheck(t, r, restored)
}

// TestIncrementalBackups makes random writes between backups, and restores the first, the first two, and so on.
func TestIncrementalBackups(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "round")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s, err := Open(filepath.Join(dir, "data"), Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { s.Close() }()
		m := model{
			docs: make(map[DocKey]*modelDoc), states: make(map[SyncKey]string),
			records: make(map[string]string), audit: make(map[string][]string),
		}
		var backups [][]byte
		var since *Manifest
		for range rapid.IntRange(1, 3).Draw(rt, "backups") {
			for range rapid.IntRange(0, 8).Draw(rt, "steps") {
				switch rapid.IntRange(0, 7).Draw(rt, "step") {
				case 0, 1:
					m.snapshot(rt, t, s)
				case 2:
					m.putRecords(rt, t, s)
				case 3:
					m.appendAll(rt, t, s)
				default:
					m.append(rt, t, s)
				}
			}
			if err := wait(t, func(done func(error)) error { return s.PutSyncStates(t.Context(), nil, done) }); err != nil {
				rt.Fatal(err) // all writes before are durable then
			}
			backup, manifest := backUp(t, s, since)
			backups, since = append(backups, backup), &manifest
			want := contents(t, s)
			to := filepath.Join(dir, fmt.Sprint("restored", len(backups)))
			if _, err := Restore(t.Context(), to, readersOf(backups), RestoreOptions{Verify: newChain}); err != nil {
				rt.Fatalf("restore of %d backups: %v", len(backups), err)
			}
			r, err := OpenReadOnly(to)
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(want, contents(t, r)); diff != "" {
				rt.Fatalf("restored from %d backups (-want +got):\n%s", len(backups), diff)
			}
			if err := r.Close(); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// An incremental backup holds what is new, and a document's changes again only when a snapshot has taken them.
func TestIncrementalBackupIsSmall(t *testing.T) {
	s, dir := busyStore(t)
	full, m := backUp(t, s, nil)
	mustPut(t, s, appendOf(doc("acme", 3), 40, 1))
	small, m := backUp(t, s, &m)
	if len(small) > len(full)/20 {
		t.Errorf("one change makes a backup of %d bytes, the full one has %d", len(small), len(full))
	}
	mustSnapshot(t, s, doc("acme", 3), 30) // of changes that are in the backups
	same, m := backUp(t, s, &m)
	if len(same) > len(small) {
		t.Errorf("a snapshot of what was backed up makes %d bytes, more than %d", len(same), len(small))
	}
	want := contents(t, s)
	closeAndCheck(t, s, dir)
	if got, _ := restoreAll(t, RestoreOptions{}, full, small, same); cmp.Diff(want, got) != "" {
		t.Errorf("restored (-want +got):\n%s", cmp.Diff(want, got))
	}
}

func TestPurgedDocumentsStayPurged(t *testing.T) {
	s, dir := busyStore(t)
	secret := changes(doc("acme", 2), 0, 1)[0].Bytes
	full, m := backUp(t, s, nil)
	if !bytes.Contains(full, secret) {
		t.Fatal("the full backup doesn't hold the document")
	}
	mustPurge(t, s, doc("acme", 2))
	increment, _ := backUp(t, s, &m)
	again, _ := backUp(t, s, nil)
	want := contents(t, s)
	closeAndCheck(t, s, dir)
	for _, backups := range [][][]byte{{full, increment}, {again}} {
		got, restored := restoreAll(t, RestoreOptions{}, backups...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("restored (-want +got):\n%s", diff)
		}
		file, err := os.ReadFile(dbPath(restored))
		if err != nil || bytes.Contains(file, secret) {
			t.Errorf("the restored file holds what was purged; %v", err)
		}
		d := doc("", 2).Document
		if _, _, err := tryRestore(t, RestoreOptions{Company: "acme", Document: &d}, backups...); !errors.Is(err, ErrPurged) {
			t.Errorf("restore of the purged document: %v, want ErrPurged", err)
		}
	}
	if bytes.Contains(again, secret) {
		t.Error("a full backup holds what was purged before")
	}
}

// slowWriter calls fn before each write.
type slowWriter struct {
	io.Writer
	fn func()
}

func (w slowWriter) Write(b []byte) (int, error) {
	w.fn()
	return w.Writer.Write(b)
}

// Writers go on while a backup is made, which holds all that was acknowledged before, and each document as it was.
func TestBackupWhileOthersWrite(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for n := range byte(40) {
		big := appendOf(doc("acme", n), 0, 20)
		for i := range big.Changes {
			big.Changes[i] = chunk(uint64(n)<<16|uint64(i), 20_000)
		}
		big.Heads = []Hash{big.Changes[19].Hash}
		big.Records = []Record{record(n, "count", "20")}
		mustPut(t, s, big)
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for n := range byte(39) {
		writers.Go(func() {
			for i := uint64(20); ; i++ {
				a := appendOf(doc("acme", n), i, 1)
				a.Records = []Record{record(n, "count", fmt.Sprint(i+1))}
				a.Audit = []AuditEntry{auditEntry(ActionImport)}
				if err := put(t, s, a); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	var b bytes.Buffer
	writes := 0
	w := slowWriter{&b, func() {
		if n := s.db.Stats().OpenTxN; writes == 2 && n > 0 { // before the purge, nobody else reads
			t.Errorf("%d read transactions are open while the backup is written", n)
		}
		if writes++; writes == 3 {
			startPurge(t, s, doc("acme", 39))
			mustPut(t, s, appendOf(doc("acme", 50), 0, 1))
		}
	}}
	before := make(map[id.DocumentID]uint64)
	count := func(d DocumentInfo) error { before[d.Document] = d.Changes; return nil }
	if err := s.Documents("acme", id.DocumentID{}, count); err != nil {
		t.Fatal(err)
	}
	m, err := s.Backup(t.Context(), w, BackupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	close(stop)
	writers.Wait()
	closeAndCheck(t, s, dir)
	if writes < 10 || m.Documents != 40 {
		t.Errorf("%d writes, %d documents", writes, m.Documents)
	}
	to, _, err := tryRestore(t, RestoreOptions{}, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, to, Options{})
	documents := 0
	err = r.Documents("acme", id.DocumentID{}, func(d DocumentInfo) error {
		documents++
		v, _, err := r.Get("acme", TableConflicts, record(d.Document[0], "count", "").Key)
		if string(v) != fmt.Sprint(d.Changes) || d.Changes < before[d.Document] {
			t.Errorf("document %d has %d changes, its record says %s, before the backup it had %d", d.Document[0], d.Changes, v, before[d.Document])
		}
		return err
	})
	if err != nil || documents != 39 {
		t.Errorf("%d documents, %v", documents, err)
	}
	closeAndCheck(t, r, to)
}
