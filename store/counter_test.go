package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

// event makes a record for the table of events, of document n; 0 is none.
func event(n byte, text string) Record {
	var d id.DocumentID
	if n > 0 {
		d = doc("", n).Document
	}
	return Record{Table: TableEvents, Next: true, Value: append(d[:], text...)}
}

// eventsOf returns the numbers and texts of the events of a company.
func eventsOf(t testing.TB, s *Store, company string) (list []string) {
	t.Helper()
	err := s.Scan(company, TableEvents, Range{}, func(key, value []byte) error {
		list = append(list, fmt.Sprintf("%d %s", u64(key), value[id.DocumentIDSize:]))
		return nil
	})
	if err != nil {
		t.Errorf("scan: %v", err)
	}
	return list
}

// told collects what a store tells of numbered records.
type told struct {
	mu   sync.Mutex
	list map[string][]string
}

func (o *told) note(company string, table Table, first uint64, values [][]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.list == nil {
		o.list = make(map[string][]string)
	}
	for i, v := range values {
		o.list[company] = append(o.list[company], fmt.Sprintf("%d %s", first+uint64(i), v[id.DocumentIDSize:]))
	}
}

func (o *told) of(company string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.list[company]
}

func TestNumbersAreInTheOrderOfCommits(t *testing.T) {
	dir := t.TempDir()
	var o told
	s := open(t, dir, Options{OnNumbered: o.note})
	mustPut(t, s, appendOf(doc("acme", 1), 0, 1))
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 50 {
				company := []string{"acme", "globex"}[i%2]
				list := []Record{event(0, fmt.Sprintf("%d/%d", w, i)), event(0, fmt.Sprintf("%d/%d again", w, i))}
				before := len(o.of(company))
				if err := putRecords(t, s, company, list); err != nil {
					t.Error(err)
				}
				if len(o.of(company)) < before+2 {
					t.Error("a write was done before its numbers were told")
				}
			}
		})
	}
	writers.Wait()
	// Every way to write gives numbers, refused writes give none.
	a, b := appendOf(doc("acme", 1), 1, 1), appendOf(doc("acme", 2), 0, 1)
	a.Records, b.Records = []Record{event(1, "one"), event(2, "two")}, []Record{event(0, "three")}
	if err := appendAll(t, s, a, b); err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]Record{
		{event(0, "lost"), event(9, "of no document")},
		{event(0, "lost"), {Table: TableConflicts, Key: record(9, "k", "").Key, Value: []byte("v")}},
	} {
		if err := putRecords(t, s, "acme", list); !errors.Is(err, ErrNotFound) {
			t.Errorf("put: %v, want ErrNotFound", err)
		}
	}
	p := purgeOf
	p.Records = []Record{event(0, "gone")}
	purge(t, s, doc("acme", 2), p)
	awaitWipe(t, s, doc("acme", 2))
	want := 8*50 + 4
	if n, err := s.Last("acme", TableEvents); n != uint64(want) || err != nil {
		t.Errorf("last number is %d, %v, want %d", n, err, want)
	}
	if n, err := s.Last("nobody", TableEvents); n != 0 || err != nil {
		t.Errorf("last number of a company without any: %d, %v", n, err)
	}
	if _, err := s.Last("acme", TableConflicts); !errors.Is(err, ErrInvalid) {
		t.Errorf("last number in a table without: %v, want ErrInvalid", err)
	}
	list := o.of("acme")
	for i := range list {
		if !strings.HasPrefix(list[i], fmt.Sprintf("%d ", i+1)) {
			t.Fatalf("number %d was told as %q", i+1, list[i])
		}
	}
	stored := eventsOf(t, s, "acme")
	purged := append(append([]string(nil), list[:len(list)-3]...), list[len(list)-2:]...) // "two" is gone
	if diff := cmp.Diff(purged, stored); diff != "" {
		t.Errorf("what was told, without the purged document's, and what is stored:\n%s", diff)
	}
	if diff := cmp.Diff(o.of("globex"), eventsOf(t, s, "globex")); diff != "" {
		t.Errorf("what was told and what is stored:\n%s", diff)
	}
	closeAndCheck(t, s, dir)
}

func TestNumbersAreNeverGivenTwice(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for range 3 {
		mustPutRecords(t, s, "acme", []Record{event(0, "a"), event(0, "b")})
		for n := range uint64(20) {
			mustPutRecords(t, s, "acme", []Record{{Table: TableEvents, Key: appendU64(nil, n)}})
		}
		closeAndCheck(t, s, dir)
		s = open(t, dir, Options{})
	}
	mustPutRecords(t, s, "acme", []Record{event(0, "c")})
	if diff := cmp.Diff([]string{"7 c"}, eventsOf(t, s, "acme")); diff != "" {
		t.Error(diff)
	}
	backup, _ := backUp(t, s, nil)
	mustPutRecords(t, s, "acme", []Record{{Table: TableEvents, Key: appendU64(nil, 7)}})
	closeAndCheck(t, s, dir)
	_, restored := restoreAll(t, RestoreOptions{}, backup)
	s = open(t, restored, Options{})
	mustPutRecords(t, s, "acme", []Record{event(0, "d")})
	if diff := cmp.Diff([]string{"7 c", "8 d"}, eventsOf(t, s, "acme")); diff != "" {
		t.Errorf("after a restore:\n%s", diff)
	}
	closeAndCheck(t, s, restored)
}

func TestNumbersAreTheStoresOwn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	sound := event(0, "sound")
	for name, change := range map[string]func(*Record){
		"a number of its own":  func(r *Record) { r.Next, r.Key = false, appendU64(nil, 9) },
		"a key and the next":   func(r *Record) { r.Key = appendU64(nil, 9) },
		"deletion of the next": func(r *Record) { r.Value = nil },
		"absent":               func(r *Record) { r.Absent = true },
		"no owner":             func(r *Record) { r.Value = r.Value[:15] },
		"too large":            func(r *Record) { r.Value = make([]byte, MaxValue+1) },
		"another table":        func(r *Record) { r.Table = TableEventState },
		"a longer key":         func(r *Record) { *r = Record{Table: TableEvents, Key: make([]byte, 9)} },
	} {
		r := sound
		change(&r)
		if err := putRecords(t, s, "acme", []Record{r}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	closeAndCheck(t, s, dir)
}

// Records whose values begin with the document go with it, and those of none stay.
func TestPurgeTakesOwnedRecords(t *testing.T) {
	rng := newRand(t, 3)
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for n := byte(1); n < 3; n++ {
		d := doc("acme", n)
		mustPut(t, s, appendOf(d, 0, 1))
		for i := range 300 {
			size := 20 << rng.IntN(8)
			list := []Record{
				event(n, string(secret(rng, d, size))), event(0, "of none"),
				{Table: TableEventState, Key: fmt.Appendf(nil, "%d/%d", n, i), Value: append(d.Document[:], secret(rng, d, size)...)},
			}
			mustPutRecords(t, s, "acme", list)
		}
	}
	if n := inFile(t, dir, doc("acme", 1)); n < 600 {
		t.Fatalf("the file has %d canaries before the purge", n)
	}
	purge(t, s, doc("acme", 1), purgeOf)
	count := func() (events, states int) {
		events = len(eventsOf(t, s, "acme"))
		s.Scan("acme", TableEventState, Range{}, func(_, _ []byte) error { states++; return nil })
		return events, states
	}
	if events, states := count(); events != 900 || states != 300 {
		t.Errorf("right after the purge: %d events and %d others, want 900 and 300", events, states)
	}
	awaitWipe(t, s, doc("acme", 1))
	if events, states := count(); events != 900 || states != 300 {
		t.Errorf("%d events and %d others, want 900 and 300", events, states)
	}
	if n := inFile(t, dir, doc("acme", 1)); n > 0 {
		t.Errorf("%d canaries after the wipe", n)
	}
	closeAndCheck(t, s, dir)
}

// The check finds what is left of records that a purge has found by their values.
func TestCheckFindsOwnedContent(t *testing.T) {
	rng := newRand(t, 4)
	dir := t.TempDir()
	s := open(t, dir, Options{hooks: commitHooks{keepFree: true}})
	d := doc("acme", 1)
	mustPut(t, s, appendOf(d, 0, 1))
	for range 40 {
		mustPutRecords(t, s, "acme", []Record{event(1, string(secret(rng, d, 2000)))})
	}
	purge(t, s, d, purgeOf)
	awaitWipe(t, s, d)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := faults(t, dir)
	if r.Count != 1 || r.Faults[0].Document != d.Document.String() {
		t.Fatalf("check: %v, want one fault that names the document", r.Faults)
	}
	var pieces int
	if _, err := fmt.Sscanf(r.Faults[0].Problem, "document is wiped, but %d pieces", &pieces); err != nil || pieces < 20 {
		t.Errorf("check: %s, want 20 pieces", r.Faults[0].Problem)
	}
}

func TestCheckComparesNumbers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	mustPutRecords(t, s, "acme", []Record{event(0, "a")})
	for name, spoil := range map[string]func(b *batch){
		"above the counter": func(b *batch) {
			b.put(eventsBucket, appendU64(appendU32(nil, 1), 2), bytes.Clone(event(0, "forged").Value))
		},
		"zero": func(b *batch) {
			b.put(eventsBucket, appendU64(appendU32(nil, 1), 0), bytes.Clone(event(0, "forged").Value))
		},
		"no counter":        func(b *batch) { b.delete(countersBucket, counterKey{1, eventsBucket}.bytes()) },
		"malformed counter": func(b *batch) { b.put(countersBucket, counterKey{1, eventsBucket}.bytes(), []byte("7")) },
		"stray counter":     func(b *batch) { b.put(countersBucket, counterKey{1, conflictsBucket}.bytes(), appendU64(nil, 7)) },
	} {
		copied := t.TempDir()
		spoiled, err := func() (*Store, error) {
			backup, _ := backUp(t, s, nil)
			if _, err := Restore(context.Background(), copied, readersOf([][]byte{backup}), RestoreOptions{}); err != nil {
				return nil, err
			}
			return Open(copied, Options{})
		}()
		if err != nil {
			t.Fatal(err)
		}
		if err := spoiled.writeLate(func(b *batch) error { spoil(b); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := spoiled.Close(); err != nil {
			t.Fatal(err)
		}
		if r := faults(t, copied); r.Count != 1 {
			t.Errorf("%s: check says %v, want one fault", name, r.Faults)
		}
	}
	closeAndCheck(t, s, dir)
}

// A damaged counter refuses what needs it, and nothing else.
func TestDamagedCounter(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	mustPutRecords(t, s, "acme", []Record{event(0, "a")})
	if err := s.writeLate(func(b *batch) error {
		b.put(countersBucket, counterKey{1, eventsBucket}.bytes(), []byte("7"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := putRecords(t, s, "acme", []Record{event(0, "b")}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("put: %v, want ErrCorrupt", err)
	}
	if _, err := s.Last("acme", TableEvents); !errors.Is(err, ErrCorrupt) {
		t.Errorf("last: %v, want ErrCorrupt", err)
	}
	mustPutRecords(t, s, "globex", []Record{event(0, "c")})
	mustPut(t, s, appendOf(doc("acme", 1), 0, 1))
	if r := func() Report { s.Close(); return faults(t, dir) }(); r.Count != 1 {
		t.Errorf("check: %v, want one fault", r.Faults)
	}
}

// TestFormat3 brings a file up to date that was written by the last program of format 3.
func TestFormat3(t *testing.T) {
	dir := t.TempDir()
	unpack(t, "testdata/format3.db.gz", dbPath(dir))
	checkClean(t, dir)
	old, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := contentsOfFormat3(t, old)
	if n, err := old.Last("acme", TableEvents); n != 0 || err != nil {
		t.Errorf("last number of an old file: %d, %v", n, err)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	s := open(t, dir, Options{})
	if diff := cmp.Diff(before, contentsOfFormat3(t, s)); diff != "" || len(before) < 20 {
		t.Errorf("%d lines before (-before +after):\n%s", len(before), diff)
	}
	mustPutRecords(t, s, "acme", oneOfEach(1))
	if list := eventsOf(t, s, "acme"); len(list) != 1 {
		t.Errorf("events: %q", list)
	}
	closeAndCheck(t, s, dir)
}

func contentsOfFormat3(t *testing.T, s *Store) []string {
	t.Helper()
	return slices.Sorted(slices.Values(append(companyContents(t, s, "acme"), companyContents(t, s, "globex")...)))
}
