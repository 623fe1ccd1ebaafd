package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

// oneOfEach makes a record of document n in every table.
func oneOfEach(n byte) (list []Record) {
	d := doc("", n).Document
	for _, def := range allBuckets {
		if !def.table {
			continue
		}
		r := Record{Table: Table(def.name), Key: append(bytes.Clone(d[:]), "and more"...), Value: []byte("value")}
		switch r.Table {
		case TableReferences:
			r.Key, r.Value = []byte{'a', 0, n}, bytes.Clone(d[:])
		case TableConflictTimes:
			r.Key, r.Value = append([]byte("8B  time"), r.Key...), []byte{}
		case TableEvents:
			r.Key, r.Next, r.Value = nil, true, append(d[:], "an event of the document, which tells something"...)
		case TableEventState, TablePresence:
			r.Value = append(d[:], "state of the document, which tells something"...)
		}
		list = append(list, r)
	}
	return list
}

// stored returns records as they are kept: the first of a company has the number 1.
func stored(list []Record) []Record {
	for i := range list {
		if list[i].Next {
			list[i].Next, list[i].Key = false, appendU64(nil, 1)
		}
	}
	return list
}

func auditEntry(action string) AuditEntry {
	return AuditEntry{
		Time: testTime, User: "alice", Action: action, Document: doc("", 1).Document, Detail: json.RawMessage(`{"bytes":1}`),
	}
}

func putRecords(t testing.TB, s *Store, company string, records []Record, audit ...AuditEntry) error {
	t.Helper()
	return wait(t, func(done func(error)) error { return s.Put(t.Context(), company, records, audit, done) })
}

func mustPutRecords(t testing.TB, s *Store, company string, records []Record, audit ...AuditEntry) {
	t.Helper()
	if err := putRecords(t, s, company, records, audit...); err != nil {
		t.Fatalf("put records: %v", err)
	}
}

// keysOf returns the ends of the keys that a scan gives.
func keysOf(t testing.TB, s *Store, company string, table Table, part Range) (keys string) {
	t.Helper()
	err := s.Scan(company, table, part, func(key, value []byte) error {
		keys += string(key[id.DocumentIDSize:]) + "=" + string(value) + " "
		return nil
	})
	if err != nil {
		t.Errorf("scan: %v", err)
	}
	return strings.TrimSuffix(keys, " ")
}

func TestRecordsSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	mustPut(t, s, appendOf(doc("acme", 1), 0, 1))
	list := oneOfEach(1)
	mustPutRecords(t, s, "acme", list)
	closeAndCheck(t, s, dir)
	s = open(t, dir, Options{})
	for _, r := range stored(list) {
		if v, ok, err := s.Get("acme", r.Table, r.Key); !ok || err != nil || !bytes.Equal(v, r.Value) || v == nil {
			t.Errorf("table %s: %q, %v, %v", r.Table, v, ok, err)
		}
		for _, other := range []string{"acm", "globex"} {
			if v, ok, err := s.Get(other, r.Table, r.Key); ok || err != nil {
				t.Errorf("table %s of company %s: %q, %v, %v", r.Table, other, v, ok, err)
			}
		}
		if _, ok, err := s.Get("acme", r.Table, r.Key[:len(r.Key)-1]); ok || err != nil {
			t.Errorf("table %s, shorter key: %v, %v", r.Table, ok, err)
		}
	}
	if _, _, err := s.Get("acme", "changes", nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("bucket that is no table: %v, want ErrInvalid", err)
	}
	for i := range list {
		list[i].Value = nil
	}
	mustPutRecords(t, s, "acme", append(list, list...)) // what isn't there can be deleted
	for _, r := range list {
		if v, ok, err := s.Get("acme", r.Table, r.Key); ok || err != nil {
			t.Errorf("table %s after deletion: %q, %v, %v", r.Table, v, ok, err)
		}
	}
	closeAndCheck(t, s, dir)
}

func TestScan(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for _, company := range []string{"a", "acme", "z"} {
		for n := byte(1); n < 4; n++ {
			mustPut(t, s, appendOf(doc(company, n), 0, 1))
			for i := range 5 {
				mustPutRecords(t, s, company, []Record{record(n, fmt.Sprint(i), company)})
			}
		}
	}
	at := func(n byte, key string) []byte { return record(n, key, "").Key }
	for _, tt := range []struct {
		part Range
		want string
	}{
		{Range{Prefix: at(2, "")}, "0 1 2 3 4"},
		{Range{Prefix: at(2, ""), Reverse: true}, "4 3 2 1 0"},
		{Range{Prefix: at(2, ""), From: at(2, "2")}, "2 3 4"},
		{Range{Prefix: at(2, ""), From: at(2, "11")}, "2 3 4"},
		{Range{Prefix: at(2, ""), To: at(2, "2")}, "0 1"},
		{Range{Prefix: at(2, ""), From: at(2, "1"), To: at(2, "3"), Reverse: true}, "2 1"},
		{Range{Prefix: at(2, ""), From: at(1, "1"), To: at(3, "3")}, "0 1 2 3 4"},
		{Range{Prefix: at(2, ""), To: []byte{}}, ""},
		{Range{Prefix: at(2, "5")}, ""},
		{Range{From: at(2, "3"), To: at(3, "1")}, "3 4 0"},
		{Range{From: at(3, "3")}, "3 4"},
		{Range{To: at(1, "2"), Reverse: true}, "1 0"},
		{Range{}, "0 1 2 3 4 0 1 2 3 4 0 1 2 3 4"},
		{Range{Reverse: true}, "4 3 2 1 0 4 3 2 1 0 4 3 2 1 0"},
		{Range{Prefix: bytes.Repeat([]byte{0xff}, 20), Reverse: true}, ""},
	} {
		for _, company := range []string{"a", "acme", "z"} {
			want := strings.ReplaceAll(tt.want+" ", " ", "="+company+" ")
			if tt.want == "" {
				want = ""
			}
			if got := keysOf(t, s, company, TableConflicts, tt.part); got != strings.TrimSuffix(want, " ") {
				t.Errorf("scan %+v: %s, want %s", tt.part, got, want)
			}
		}
	}
	if got := keysOf(t, s, "globex", TableConflicts, Range{}); got != "" {
		t.Errorf("unknown company: %s", got)
	}
	n, stop := 0, errors.New("enough")
	for _, end := range []error{ErrStop, stop} {
		err := s.Scan("acme", TableConflicts, Range{}, func(_, _ []byte) error { n++; return end })
		if want := map[error]error{stop: stop}[end]; err != want {
			t.Errorf("fn returned %v: %v, want %v", end, err, want)
		}
	}
	if n != 2 {
		t.Errorf("fn was called %d times, want 2", n)
	}
	closeAndCheck(t, s, dir)
}

// record makes one in the table of conflicts.
func record(n byte, key, value string) Record {
	d := doc("", n).Document
	return Record{Table: TableConflicts, Key: append(d[:], key...), Value: []byte(value)}
}

func TestAbsentRecords(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	mustPut(t, s, appendOf(doc("acme", 1), 0, 1))
	absent := func(key, value string) Record {
		r := record(1, key, value)
		r.Absent = true
		return r
	}
	gone := func(key string) Record { return Record{Table: TableConflicts, Key: record(1, key, "").Key} }
	for _, tt := range []struct {
		name    string
		records []Record
		want    error
		keys    string
	}{
		{"first", []Record{absent("a", "1")}, nil, "a=1"},
		{"again", []Record{record(1, "b", "2"), absent("a", "2")}, ErrExists, "a=1"},
		{"twice in one write", []Record{absent("c", "3"), absent("c", "3")}, ErrExists, "a=1"},
		{"after a record of the same write", []Record{record(1, "c", "3"), absent("c", "4")}, ErrExists, "a=1"},
		{"deleted in the same write", []Record{gone("a"), absent("a", "5")}, nil, "a=5"},
		{"deleted before", []Record{gone("a")}, nil, ""},
		{"and made again", []Record{absent("a", "6")}, nil, "a=6"},
	} {
		if err := putRecords(t, s, "acme", tt.records); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if got := keysOf(t, s, "acme", TableConflicts, Range{}); got != tt.keys {
			t.Errorf("%s: records are %q, want %q", tt.name, got, tt.keys)
		}
	}
	a := appendOf(doc("acme", 2), 0, 3)
	a.Records = []Record{record(2, "x", "1"), absent("a", "7")}
	if err := put(t, s, a); !errors.Is(err, ErrExists) {
		t.Errorf("append: %v, want ErrExists", err)
	}
	if _, ok, _ := s.Document(a.Doc); ok {
		t.Error("the changes of a refused write were stored")
	}
	closeAndCheck(t, s, dir)
}

func TestRecordsNeedTheirDocument(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	mustPut(t, s, appendOf(doc("acme", 1), 0, 1))
	mustPut(t, s, appendOf(doc("globex", 2), 0, 1))
	for _, r := range oneOfEach(2) {
		if err := putRecords(t, s, "acme", []Record{r}); !errors.Is(err, ErrNotFound) {
			t.Errorf("table %s: %v, want ErrNotFound", r.Table, err)
		}
	}
	a := appendOf(doc("acme", 2), 0, 1)
	a.Records = oneOfEach(2)
	mustPut(t, s, a)
	b, c := appendOf(doc("acme", 3), 0, 1), appendOf(doc("acme", 4), 0, 1)
	b.Records, c.Records = oneOfEach(4), oneOfEach(3)
	if err := appendAll(t, s, b, c); err != nil {
		t.Errorf("records of each other's documents: %v", err)
	}
	closeAndCheck(t, s, dir)
}

func TestPutRefusesInvalid(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	mustPut(t, s, appendOf(doc("acme", 1), 0, 1))
	sound := record(1, "key", "value")
	for name, change := range map[string]func(r *Record, e *AuditEntry, company *string){
		"no company":   func(_ *Record, _ *AuditEntry, c *string) { *c = "" },
		"long company": func(_ *Record, _ *AuditEntry, c *string) { *c = strings.Repeat("c", MaxText+1) },
		"no table":     func(r *Record, _ *AuditEntry, _ *string) { r.Table = "" },
		"a bucket":     func(r *Record, _ *AuditEntry, _ *string) { r.Table = "audit" },
		"no key":       func(r *Record, _ *AuditEntry, _ *string) { r.Key = nil },
		"short key":    func(r *Record, _ *AuditEntry, _ *string) { r.Key = r.Key[:15] },
		"short time":   func(r *Record, _ *AuditEntry, _ *string) { r.Table, r.Key = TableConflictTimes, make([]byte, 23) },
		"no time":      func(r *Record, _ *AuditEntry, _ *string) { r.Table, r.Key = TableConflictTimes, make([]byte, 7) },
		"reference":    func(r *Record, _ *AuditEntry, _ *string) { r.Table = TableReferences },
		"long key":     func(r *Record, _ *AuditEntry, _ *string) { r.Key = make([]byte, MaxKey+1) },
		"long value":   func(r *Record, _ *AuditEntry, _ *string) { r.Value = make([]byte, MaxValue+1) },
		"absent":       func(r *Record, _ *AuditEntry, _ *string) { r.Absent, r.Value = true, nil },
		"no action":    func(_ *Record, e *AuditEntry, _ *string) { e.Action = "" },
		"long user":    func(_ *Record, e *AuditEntry, _ *string) { e.User = strings.Repeat("u", MaxText+1) },
		"no JSON":      func(_ *Record, e *AuditEntry, _ *string) { e.Detail = json.RawMessage("{") },
		"long detail":  func(_ *Record, e *AuditEntry, _ *string) { e.Detail = bytes.Repeat([]byte("1"), MaxDetail+1) },
	} {
		r, e, company := sound, auditEntry("backup"), "acme"
		change(&r, &e, &company)
		done := func(error) { t.Errorf("%s: done was called", name) }
		if err := s.Put(t.Context(), company, []Record{r}, []AuditEntry{e}, done); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
		a := appendOf(doc(company, 1), 1, 1)
		a.Records, a.Audit = []Record{r}, []AuditEntry{e}
		if err := s.AppendAll(t.Context(), []Append{a}, done); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s in an append: %v, want ErrInvalid", name, err)
		}
	}
	if err := s.Put(t.Context(), "acme", nil, nil, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("put nothing: %v, want ErrInvalid", err)
	}
	if err := s.AppendAll(t.Context(), nil, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("append nothing: %v, want ErrInvalid", err)
	}
	longest := record(1, strings.Repeat("k", MaxKey-id.DocumentIDSize), strings.Repeat("v", MaxValue))
	mustPutRecords(t, s, "acme", []Record{longest})
	if v, ok, err := s.Get("acme", TableConflicts, longest.Key); !ok || err != nil || !bytes.Equal(v, longest.Value) {
		t.Errorf("longest record: %d bytes, %v, %v", len(v), ok, err)
	}
	closeAndCheck(t, s, dir)
}

func appendAll(t testing.TB, s *Store, list ...Append) error {
	t.Helper()
	return wait(t, func(done func(error)) error { return s.AppendAll(context.Background(), list, done) })
}

func TestAppendAll(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d, other := doc("acme", 1), doc("globex", 1)
	mustPut(t, s, appendOf(d, 0, 3))
	answer := appendOf(d, 5, 1)
	answer.By.User = "guard"
	answer.Audit = []AuditEntry{auditEntry(ActionRevert)}
	third := appendOf(d, 6, 2)
	third.By.User = "guard"
	if err := appendAll(t, s, appendOf(d, 3, 2), appendOf(other, 0, 1), answer, third); err != nil {
		t.Fatalf("append all: %v", err)
	}
	if diff := cmp.Diff(changes(d, 0, 8), readAll(t, s, d)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	var users []string
	err := s.Attributions(d, 0, 8, func(r Run) error {
		users = append(users, fmt.Sprint(r.User, r.First, r.Count))
		return nil
	})
	if diff := cmp.Diff([]string{"alice0 3", "alice3 2", "guard5 1", "guard6 2"}, users); err != nil || diff != "" {
		t.Errorf("attributions: %v (-want +got):\n%s", err, diff)
	}
	for name, list := range map[string][]Append{
		"gap in the last":         {appendOf(d, 8, 1), appendOf(other, 1, 1), appendOf(d, 8, 1)},
		"gap between two":         {appendOf(d, 8, 1), appendOf(d, 10, 1)},
		"gap in the first":        {appendOf(d, 9, 1), appendOf(other, 1, 1)},
		"gap in another document": {appendOf(other, 1, 1), appendOf(doc("new", 1), 1, 1)},
	} {
		if err := appendAll(t, s, list...); !errors.Is(err, ErrGap) {
			t.Errorf("%s: %v, want ErrGap", name, err)
		}
	}
	if n, m := len(readAll(t, s, d)), len(readAll(t, s, other)); n != 8 || m != 1 {
		t.Errorf("after refused writes there are %d and %d changes, want 8 and 1", n, m)
	}
	if seq, _, err := s.AuditHead("acme"); seq != 1 || err != nil {
		t.Errorf("audit head: %d, %v", seq, err)
	}
	closeAndCheck(t, s, dir)
}

// Owners of tables check the form of their records.
func TestCheckAsksTheOwnersOfTables(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	mustPut(t, s, appendOf(doc("acme", 1), 0, 1))
	mustPutRecords(t, s, "acme", oneOfEach(1))
	closeAndCheck(t, s, dir)
	var asked []Record
	own := map[Table]func(string, []byte, []byte) error{TableConflicts: func(company string, key, value []byte) error {
		if key == nil {
			return errors.New("something is missing")
		}
		asked = append(asked, Record{Table: Table(company), Key: bytes.Clone(key), Value: bytes.Clone(value)})
		return errors.New("not as it should be")
	}}
	r, err := Check(t.Context(), dir, CheckOptions{Tables: own})
	if err != nil || r.Count != 2 || r.Faults[1].Problem != "something is missing" {
		t.Fatalf("check: %+v, %v, want two faults", r, err)
	}
	f := r.Faults[0]
	if f.Bucket != "conflicts" || f.Company != "acme" || f.Document != doc("", 1).Document.String() || f.Problem != "not as it should be" {
		t.Errorf("fault: %+v", f)
	}
	if diff := cmp.Diff([]Record{{Table: "acme", Key: record(1, "and more", "").Key, Value: []byte("value")}}, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}
