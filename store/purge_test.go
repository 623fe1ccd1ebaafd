package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

func purge(t testing.TB, s *Store, d DocKey, p Purge) {
	t.Helper()
	if err := wait(t, func(done func(error)) error { return s.Purge(context.Background(), d, p, done) }); err != nil {
		t.Fatalf("purge: %v", err)
	}
}

var purgeOf = Purge{By: "alice", At: testTime, Reason: "asked for"}

func awaitWipe(t testing.TB, s *Store, d DocKey) {
	t.Helper()
	if err := s.AwaitWipe(t.Context(), d); err != nil {
		t.Fatalf("wait for the wipe: %v", err)
	}
}

// canary is what is to be found in a document's content, and after its purge nowhere. No two of its bytes are equal.
func canary(d DocKey) []byte {
	sum := sha256.Sum256([]byte(d.Company + d.Document.String()))
	c := []byte(fmt.Sprintf("%x", sum[:8]))
	for i := range c {
		c[i] = c[i]&0x0f | byte(i)<<4
	}
	return c
}

// secret returns random bytes with a document's canary in them every few hundred bytes.
func secret(rng *rand.Rand, d DocKey, size int) []byte {
	b := make([]byte, max(size, 40))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for at := 0; at+16 <= len(b); at += 200 + rng.IntN(300) {
		copy(b[at:], canary(d))
	}
	return b
}

// secretAppend is an append of changes with the document's canary.
func secretAppend(rng *rand.Rand, d DocKey, first uint64, sizes ...int) Append {
	a := appendOf(d, first, len(sizes))
	for i, size := range sizes {
		b := append(bytes.Clone(a.Changes[i].Bytes[:9]), secret(rng, d, size)...)
		h := sha256.Sum256(b[8:])
		copy(b[4:], h[:4])
		a.Changes[i] = Change{Hash: h, Bytes: b}
	}
	a.Heads = []Hash{a.Changes[len(sizes)-1].Hash}
	return a
}

// secrets puts a document with its canary everywhere that content may be: in small and large changes, two snapshots of
// which the second covers more, records of each table, rejections.
func secrets(t testing.TB, rng *rand.Rand, s *Store, d DocKey) {
	t.Helper()
	var list []Change
	for range 4 {
		a := secretAppend(rng, d, uint64(len(list)), 60, 700, 3000, 40_000, 100, 5000, 90)
		a.Records = []Record{record(d.Document[0], fmt.Sprint(len(list)), string(secret(rng, d, 300)))}
		mustPut(t, s, a)
		list = append(list, a.Changes...)
		if n := len(list); n > 10 {
			err := wait(t, func(done func(error)) error {
				return s.PutSnapshot(t.Context(), d, snapshotOf(list[:n-3]), func(i uint64) Hash { return list[i].Hash }, done)
			})
			if err != nil {
				t.Fatalf("put snapshot: %v", err)
			}
		}
	}
	records := oneOfEach(d.Document[0])
	for i := range records {
		switch records[i].Table {
		case TableReferences, TableConflictTimes:
			records[i].Key = append(records[i].Key, canary(d)...)
		case TableEvents, TableEventState, TablePresence:
			records[i].Value = append(d.Document[:], secret(rng, d, 100<<i)...)
		default:
			records[i].Value = secret(rng, d, 100<<i)
		}
	}
	mustPutRecords(t, s, d.Company, records)
	for i := range 3 {
		reject(t, s, Rejection{
			Company: d.Company, Document: d.Document, User: "alice", Reason: fmt.Sprint("reason", i), Last: testTime,
			Detail: string(canary(d)),
		})
	}
	state := SyncState{SyncKey{d.Company, "alice", "phone", d.Document}, secret(rng, d, 100)}
	if err := s.PutSyncStates(t.Context(), []SyncState{state}, nil); err != nil {
		t.Fatal(err)
	}
}

// inFile counts the canaries of a document in the raw bytes of the file.
func inFile(t testing.TB, dir string, d DocKey) int {
	t.Helper()
	b, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, canary(d))
}

func newRand(t testing.TB, seed uint64) *rand.Rand {
	t.Helper()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

func TestPurgeLeavesNothing(t *testing.T) {
	rng := newRand(t, 1)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for n := range byte(6) {
		secrets(t, rng, s, doc("acme", n))
		secrets(t, rng, s, doc("other", n))
	}
	gone := []DocKey{doc("acme", 1), doc("other", 2), doc("acme", 4)}
	for _, d := range gone {
		if n := inFile(t, dir, d); n < 50 {
			t.Fatalf("the file has %d canaries of document %s before its purge", n, d.Document)
		}
		purge(t, s, d, purgeOf)
	}
	for _, d := range gone {
		awaitWipe(t, s, d)
		if n := inFile(t, dir, d); n > 0 {
			t.Errorf("%d canaries of document %s after its wipe", n, d.Document)
		}
	}
	closeAndCheck(t, s, dir)
	s = open(t, dir, Options{})
	for n := range byte(6) {
		for _, d := range []DocKey{doc("acme", n), doc("other", n)} {
			got, covered, err := readWhole(s, d)
			if slices.Contains(gone, d) {
				if n := inFile(t, dir, d); n > 0 || !errors.Is(err, ErrPurged) {
					t.Errorf("document %s after the restart: %d canaries, %v", d.Document, n, err)
				}
			} else if len(got) != 28 || covered != 25 || err != nil || inFile(t, dir, d) < 50 {
				t.Errorf("document %s: %d changes, %d in the snapshot, %v", d.Document, len(got), covered, err)
			}
		}
	}
	closeAndCheck(t, s, dir)
}

// TestCheckFindsContent leaves out what overwrites free pages: the raw search and the check both have to see that.
func TestCheckFindsContent(t *testing.T) {
	rng := newRand(t, 2)
	dir := t.TempDir()
	s := open(t, dir, Options{hooks: commitHooks{keepFree: true}})
	d := doc("acme", 1)
	for n := range byte(3) {
		secrets(t, rng, s, doc("acme", n))
	}
	purge(t, s, d, purgeOf)
	awaitWipe(t, s, d)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if inFile(t, dir, d) == 0 {
		t.Error("there is no canary without a wipe")
	}
	r := faults(t, dir)
	if r.Count != 1 || r.Faults[0].Document != d.Document.String() || !strings.Contains(r.Faults[0].Problem, "pieces of its content") {
		t.Errorf("check: %v, want one fault that names the document", r.Faults)
	}
	sound, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	// The next wipe overwrites what the first has left.
	s = open(t, dir, Options{})
	purge(t, s, doc("acme", 2), purgeOf)
	awaitWipe(t, s, doc("acme", 2))
	if n := inFile(t, dir, d); n > 0 {
		t.Errorf("%d canaries after a whole wipe", n)
	}
	closeAndCheck(t, s, dir)
	findOnePage(t, dir, sound, d)
}

// findOnePage puts one page with content back at a time, from a file that wasn't wiped into one that was: wherever a
// piece of some length is, the check has to find it.
func findOnePage(t *testing.T, dir string, before []byte, d DocKey) {
	t.Helper()
	after, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{ctx: t.Context(), o: CheckOptions{MaxFaults: 1}}
	if err := c.checkPages(dbPath(dir), false); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(dbPath(dir), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := os.Getpagesize()
	tried := 0
	for at := 2 * size; at+size <= min(len(before), len(after)) && tried < 6; at += size {
		page := before[at : at+size]
		if bytes.Count(page, canary(d)) < 8 || bit(c.pages.used, uint64(at/size)) {
			continue
		}
		if _, err := f.WriteAt(page, int64(at)); err != nil {
			t.Fatal(err)
		}
		if r := faults(t, dir); r.Count != 1 || r.Faults[0].Document != d.Document.String() {
			t.Errorf("page %d with the content: check says %v", at/size, r.Faults)
		}
		if _, err := f.WriteAt(after[at:at+size], int64(at)); err != nil {
			t.Fatal(err)
		}
		tried++
	}
	if tried < 6 {
		t.Errorf("only %d pages were tried", tried)
	}
}

func TestPurgedDocument(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Now: func() time.Time { return testTime.Add(time.Hour) }})
	d, never := doc("acme", 1), doc("nobody", 9)
	mustPut(t, s, appendOf(d, 0, 50))
	mustSnapshot(t, s, d, 20)
	mustPutRecords(t, s, "acme", oneOfEach(1))
	if err := s.AwaitWipe(t.Context(), d); !errors.Is(err, ErrNotFound) {
		t.Errorf("wait for the wipe of a document that wasn't purged: %v, want ErrNotFound", err)
	}
	p := purgeOf
	p.Records = []Record{{Table: TableReferences, Key: oneOfEach(1)[0].Key}}
	p.Audit = []AuditEntry{auditEntry(ActionPurge)}
	purge(t, s, d, p)
	unreadable := func() {
		t.Helper()
		_, _, docErr := s.Document(d)
		_, changeErr := s.Change(d, 30)
		for what, err := range map[string]error{
			"document":     docErr,
			"change":       changeErr,
			"changes":      s.Changes(d, 0, math.MaxUint64, func(uint64, Change) error { return nil }),
			"attributions": s.Attributions(d, 0, math.MaxUint64, func(Run) error { return nil }),
			"append":       put(t, s, appendOf(d, 50, 1)),
			"first append": put(t, s, appendOf(d, 0, 1)),
			"records":      putRecords(t, s, "acme", []Record{record(1, "k", "v")}),
			"reference":    putRecords(t, s, "acme", oneOfEach(1)[:1]),
			"snapshot":     putSnapshotOf(t, s, d, 30),
			"rejection": wait(t, func(done func(error)) error {
				return s.PutRejection(t.Context(), Rejection{Company: "acme", Document: d.Document, User: "u", Reason: "r", Last: testTime}, done)
			}),
		} {
			if !errors.Is(err, ErrPurged) {
				t.Errorf("%s: %v, want ErrPurged", what, err)
			}
		}
		if _, ok, err := s.Snapshot(d); ok || err != nil {
			t.Errorf("snapshot: %t, %v", ok, err)
		}
		for _, r := range stored(oneOfEach(1)) {
			if _, ok, err := s.Get("acme", r.Table, r.Key); ok || err != nil {
				t.Errorf("record in %s: %t, %v", r.Table, ok, err)
			}
			s.Scan("acme", r.Table, Range{}, func(k, _ []byte) error { t.Errorf("scan of %s gives %q", r.Table, k); return nil })
		}
		list := func(i DocumentInfo) error { t.Errorf("listed: %+v", i); return nil }
		if err := errors.Join(s.Documents("acme", id.DocumentID{}, list), s.DocumentsOf("acme", "alice", id.DocumentID{}, list)); err != nil {
			t.Error(err)
		}
	}
	unreadable()
	purge(t, s, never, Purge{At: testTime})
	purge(t, s, d, Purge{By: "bob", At: testTime.Add(time.Hour), Audit: p.Audit})
	awaitWipe(t, s, d)
	awaitWipe(t, s, never)
	unreadable()
	want := Tombstone{By: "alice", At: testTime, Reason: "asked for", Wiped: testTime.Add(time.Hour)}
	got, ok, err := s.Tombstone(d)
	if diff := cmp.Diff(want, got); !ok || err != nil || diff != "" {
		t.Errorf("tombstone: %t, %v (-want +got):\n%s", ok, err, diff)
	}
	var stones []string
	for _, company := range []string{"acme", "nobody", "unknown"} {
		if err := s.Tombstones(company, id.DocumentID{}, func(doc id.DocumentID, t Tombstone) error {
			stones = append(stones, fmt.Sprint(company, doc[0], t.By))
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"acme1alice", "nobody9"}, stones); diff != "" {
		t.Errorf("tombstones (-want +got):\n%s", diff)
	}
	if seq, _, err := s.AuditHead("acme"); seq != 1 || err != nil {
		t.Errorf("%d audit entries, %v, want 1", seq, err)
	}
	closeAndCheck(t, s, dir)
	if err := s.AwaitWipe(t.Context(), d); !errors.Is(err, ErrClosed) {
		t.Errorf("wait for the wipe after close: %v, want ErrClosed", err)
	}
}

func TestInvalidPurges(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	long := strings.Repeat("x", MaxText+1)
	for _, p := range []Purge{
		{By: long}, {Reason: long}, {Audit: []AuditEntry{{}}}, {Records: []Record{{Table: "unknown", Key: []byte("k")}}},
	} {
		if err := s.Purge(t.Context(), doc("acme", 1), p, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("purge %+v: %v, want ErrInvalid", p, err)
		}
	}
	if err := s.Purge(t.Context(), doc("", 1), purgeOf, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("purge without a company: %v, want ErrInvalid", err)
	}
	bad := purgeOf
	bad.Records = []Record{record(1, "k", "v")}
	err := wait(t, func(done func(error)) error { return s.Purge(t.Context(), doc("acme", 1), bad, done) })
	if _, purged, _ := s.Tombstone(doc("acme", 1)); !errors.Is(err, ErrNotFound) || purged {
		t.Errorf("purge with a record of a document that doesn't exist: %v, purged %t", err, purged)
	}
	closeAndCheck(t, s, dir)
}

// TestWipeAwaitsReaders has a read transaction that sees the document while it is purged: its pages stay until the end.
func TestWipeAwaitsReaders(t *testing.T) {
	rng := newRand(t, 3)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	a := secretAppend(rng, d, 0, slices.Repeat([]int{3000}, 100)...)
	mustPut(t, s, a)
	err := s.Changes(d, 0, math.MaxUint64, func(i uint64, c Change) error {
		if i == 0 {
			purge(t, s, d, purgeOf)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := s.AwaitWipe(ctx, d); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("wiped while a reader was open: %v", err)
			}
		}
		if !bytes.Equal(c.Bytes, a.Changes[i].Bytes) {
			t.Errorf("change %d changed while it was read", i)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	awaitWipe(t, s, d)
	if n := inFile(t, dir, d); n > 0 {
		t.Errorf("%d canaries after the wipe", n)
	}
	closeAndCheck(t, s, dir)
}

// TestWipeBesideAWriter writes without a pause beside a wipe, and frees pages each time.
func TestWipeBesideAWriter(t *testing.T) {
	rng := newRand(t, 7)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d, other := doc("acme", 1), doc("acme", 2)
	mustPut(t, s, secretAppend(rng, d, 0, slices.Repeat([]int{3000}, 300)...))
	purge(t, s, d, purgeOf)
	wiped := make(chan error, 1)
	go func() { wiped <- s.AwaitWipe(context.Background(), d) }()
	for first := uint64(0); len(wiped) == 0 && first < 10_000; first++ {
		mustPut(t, s, secretAppend(rng, other, first, 20_000))
	}
	if len(wiped) == 0 {
		t.Fatal("the wipe doesn't end")
	}
	if err := <-wiped; err != nil || inFile(t, dir, d) > 0 {
		t.Errorf("%d canaries after the wipe, %v", inFile(t, dir, d), err)
	}
	closeAndCheck(t, s, dir)
}

// TestCloseDuringWipe closes stores with a wipe at any stage; the last one finishes it.
func TestCloseDuringWipe(t *testing.T) {
	rng := newRand(t, 4)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	var docs []DocKey
	for n := range byte(5) {
		d := doc("acme", n)
		docs = append(docs, d)
		mustPut(t, s, secretAppend(rng, d, 0, slices.Repeat([]int{3000}, 300)...))
	}
	for _, d := range docs {
		purge(t, s, d, purgeOf)
		for range 5 {
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond)
			closeAndCheck(t, s, dir)
			s = open(t, dir, Options{})
		}
	}
	for _, d := range docs {
		awaitWipe(t, s, d)
		if n := inFile(t, dir, d); n > 0 {
			t.Errorf("%d canaries of %s", n, d.Document)
		}
	}
	closeAndCheck(t, s, dir)
}

// TestWipeBehindTheLastPage finds content where a killed process has written behind the pages in use.
func TestWipeBehindTheLastPage(t *testing.T) {
	rng := newRand(t, 5)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	a := secretAppend(rng, d, 0, 3000, 3000)
	mustPut(t, s, a)
	closeAndCheck(t, s, dir)
	f, err := os.OpenFile(dbPath(dir), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{info.Size() - 100_000, info.Size() + 1_000_000} {
		if _, err := f.WriteAt(a.Changes[1].Bytes, at); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	s = open(t, dir, Options{})
	purge(t, s, d, purgeOf)
	awaitWipe(t, s, d)
	if n := inFile(t, dir, d); n > 0 {
		t.Errorf("%d canaries", n)
	}
	closeAndCheck(t, s, dir)
}

// TestClonesRaiseNoAlarm purges a document whose bytes another one has too, which goes on changing.
func TestClonesRaiseNoAlarm(t *testing.T) {
	rng := newRand(t, 6)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d, clone := doc("acme", 1), doc("acme", 2)
	a := secretAppend(rng, d, 0, 60, 300, 200, 400, 100, 300, 90)
	mustPut(t, s, a)
	purge(t, s, d, purgeOf)
	awaitWipe(t, s, d)
	a.Doc = clone
	mustPut(t, s, a)
	for first := range uint64(3) {
		mustPut(t, s, secretAppend(rng, clone, 7+first, 50)) // leaves former pages of the clone behind
	}
	if now, live := inFile(t, dir, d), bytes.Count(joined(a.Changes), canary(d)); now <= live {
		t.Errorf("%d canaries, %d of them in the clone: no former page has any", now, live)
	}
	closeAndCheck(t, s, dir)
}

func joined(list []Change) (all []byte) {
	for _, c := range list {
		all = append(all, c.Bytes...)
	}
	return all
}

func TestPurgeLeavesGapsInRejections(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{RejectionLimit: 6})
	for i := range 6 {
		reject(t, s, Rejection{Company: "acme", Document: doc("", byte(i%3)).Document, User: "u", Reason: fmt.Sprint("r", i), Last: testTime})
	}
	reject(t, s, Rejection{Company: "next", Document: doc("", 1).Document, User: "u", Reason: "r", Last: testTime})
	for n := range byte(3) {
		d := doc("acme", n)
		purge(t, s, d, purgeOf)
		awaitWipe(t, s, d)
		for i := range 3 {
			reject(t, s, Rejection{Company: "acme", Document: doc("", 9).Document, User: "u", Reason: fmt.Sprint("s", n, i), Last: testTime})
		}
		list, err := s.Rejections("acme", 10, 0)
		if err != nil || len(list) < 3 || len(list) > 6 || list[0].Reason != fmt.Sprint("s", n, 2) {
			t.Errorf("%d rejections after purge %d, %v", len(list), n, err)
		}
		for _, r := range list {
			if r.Document[0] <= n {
				t.Errorf("rejection %q of a purged document", r.Reason)
			}
		}
	}
	if list, err := s.Rejections("next", 10, 0); err != nil || len(list) != 1 {
		t.Errorf("%d rejections of another company, %v", len(list), err)
	}
	closeAndCheck(t, s, dir)
}
