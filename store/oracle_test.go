package store

import (
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"concord/internal/id"
)

// model is what the store should hold.
type model struct {
	docs    map[DocKey]*modelDoc
	states  map[SyncKey]string
	records map[string]string   // by company and key, in the table of conflicts
	audit   map[string][]string // actions by company
}

type modelDoc struct {
	changes []Change
	heads   []Hash
	runs    []Run
	covered int // changes in the snapshot
}

// TestAgainstOracle compares random writes, some of them in one batch, and reopening with a map.
func TestAgainstOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "oracle")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s, err := Open(dir, Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { s.Close() }()
		m := model{
			docs: make(map[DocKey]*modelDoc), states: make(map[SyncKey]string),
			records: make(map[string]string), audit: make(map[string][]string),
		}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				if s, err = Open(dir, Options{}); err != nil {
					rt.Fatal(err)
				}
			case 1, 2:
				m.putState(rt, t, s)
			case 3, 4:
				m.snapshot(rt, t, s)
			case 5:
				m.putRecords(rt, t, s)
			case 6:
				m.appendAll(rt, t, s)
			default:
				m.append(rt, t, s)
			}
			if rapid.Bool().Draw(rt, "flush") {
				if err := wait(t, func(done func(error)) error { return s.PutSyncStates(t.Context(), nil, done) }); err != nil {
					rt.Fatal(err)
				}
				m.compare(rt, s)
			}
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
		r, err := Check(t.Context(), dir, CheckOptions{NewDocument: newChain})
		if err != nil || !r.OK() || r.Documents != uint64(len(m.docs)) {
			rt.Fatalf("check: %+v, %v", r, err)
		}
	})
}

func (m *model) append(rt *rapid.T, t *testing.T, s *Store) {
	a := m.nextAppend(rt)
	m.drawRecords(rt, a.Doc.Company, &a.Records, &a.Audit)
	if err := s.Append(t.Context(), a, noError(t)); err != nil {
		rt.Fatal(err)
	}
}

func noError(t *testing.T) func(error) {
	return func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
}

// appendAll writes to several documents, or often to the same, at once.
func (m *model) appendAll(rt *rapid.T, t *testing.T, s *Store) {
	var list []Append
	for range rapid.IntRange(1, 5).Draw(rt, "appends") {
		a := m.nextAppend(rt)
		m.drawRecords(rt, a.Doc.Company, &a.Records, &a.Audit)
		list = append(list, a)
	}
	if err := s.AppendAll(t.Context(), list, noError(t)); err != nil {
		rt.Fatal(err)
	}
}

// nextAppend draws an Append and notes what it does.
func (m *model) nextAppend(rt *rapid.T) Append {
	d := doc(rapid.SampledFrom([]string{"a", "ab", "b"}).Draw(rt, "company"), byte(rapid.IntRange(0, 3).Draw(rt, "document")))
	md := m.docs[d]
	if md == nil {
		md = &modelDoc{}
		m.docs[d] = md
	}
	first, n := uint64(len(md.changes)), rapid.IntRange(1, 40).Draw(rt, "changes")
	a := appendOf(d, first, n)
	a.By = Attribution{
		User:     rapid.SampledFrom([]string{"alice", "bob"}).Draw(rt, "user"),
		Device:   rapid.SampledFrom([]string{"", "phone"}).Draw(rt, "device"),
		Received: time.UnixMilli(rapid.Int64Range(-1e12, 1e13).Draw(rt, "time")).UTC(),
	}
	md.changes = append(md.changes, a.Changes...)
	md.heads = a.Heads
	md.runs = append(md.runs, Run{First: first, Count: uint64(n), Attribution: a.By})
	return a
}

func (m *model) putRecords(rt *rapid.T, t *testing.T, s *Store) {
	company := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "company")
	var records []Record
	var audit []AuditEntry
	m.drawRecords(rt, company, &records, &audit)
	if len(records)+len(audit) == 0 {
		return
	}
	if err := s.Put(t.Context(), company, records, audit, noError(t)); err != nil {
		rt.Fatal(err)
	}
}

// drawRecords draws records of documents that exist, and audit entries.
func (m *model) drawRecords(rt *rapid.T, company string, records *[]Record, audit *[]AuditEntry) {
	for range rapid.IntRange(0, 3).Draw(rt, "records") {
		n := byte(rapid.IntRange(0, 3).Draw(rt, "owner"))
		r := record(n, rapid.SampledFrom([]string{"", "k", "key"}).Draw(rt, "key"), "")
		name := company + "/" + string(r.Key)
		switch _, there := m.records[name]; {
		case rapid.IntRange(0, 3).Draw(rt, "delete") == 0:
			r.Value = nil
			delete(m.records, name)
		case m.docs[doc(company, n)] == nil:
			continue
		default:
			r.Value = rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(rt, "value")
			r.Absent = !there
			m.records[name] = string(r.Value)
		}
		*records = append(*records, r)
	}
	for range rapid.IntRange(0, 2).Draw(rt, "entries") {
		e := auditEntry(rapid.SampledFrom([]string{ActionRestore, ActionImport}).Draw(rt, "action"))
		m.audit[company] = append(m.audit[company], e.Action)
		*audit = append(*audit, e)
	}
}

// snapshot replaces some of a document's changes, after the writes before it.
func (m *model) snapshot(rt *rapid.T, t *testing.T, s *Store) {
	d := doc("a", byte(rapid.IntRange(0, 3).Draw(rt, "document")))
	md := m.docs[d]
	if md == nil || md.covered == len(md.changes) {
		return
	}
	n := rapid.IntRange(md.covered+1, len(md.changes)).Draw(rt, "covered")
	flush := func(done func(error)) error { return s.PutSyncStates(t.Context(), nil, done) }
	if err := wait(t, flush); err != nil {
		rt.Fatal(err)
	}
	hash := func(i uint64) Hash { return md.changes[i].Hash }
	if err := s.PutSnapshot(t.Context(), d, snapshotOf(md.changes[:n]), hash, noError(t)); err != nil {
		rt.Fatal(err)
	}
	md.covered = n
}

func (m *model) putState(rt *rapid.T, t *testing.T, s *Store) {
	key := SyncKey{
		Company:   rapid.SampledFrom([]string{"a", "c"}).Draw(rt, "company"),
		User:      rapid.SampledFrom([]string{"alice", "bob"}).Draw(rt, "user"),
		StorageID: "phone",
	}
	state := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "state")
	if err := s.PutSyncStates(t.Context(), []SyncState{{key, state}}, nil); err != nil {
		rt.Fatal(err)
	}
	m.states[key] = string(state)
}

func (m *model) compare(rt *rapid.T, s *Store) {
	for d, md := range m.docs {
		info, ok, err := s.Document(d)
		if err != nil || !ok || info.Changes != uint64(len(md.changes)) || !cmp.Equal(info.Heads, md.heads) {
			rt.Fatalf("document %v: %+v, %v, %v", d, info, ok, err)
		}
		got, covered, err := readWhole(s, d)
		if err != nil || covered != md.covered || uint64(covered) != info.SnapshotChanges || !sameChanges(got, md.changes) {
			rt.Fatalf("document %v: %d changes of %d, %d of %d in the snapshot, %v", d, len(got), len(md.changes), covered, md.covered, err)
		}
		var runs []Run
		err = s.Attributions(d, 0, math.MaxUint64, func(r Run) error { runs = append(runs, r); return nil })
		if diff := cmp.Diff(md.runs, runs); err != nil || diff != "" {
			rt.Fatalf("runs of %v: %v\n%s", d, err, diff)
		}
	}
	for key, want := range m.states {
		got, ok, err := s.SyncState(key)
		if err != nil || ok != (want != "") || string(got) != want {
			rt.Fatalf("sync state %+v: %q, %v, %v", key, got, ok, err)
		}
	}
	m.compareRecords(rt, s)
}

func (m *model) compareRecords(rt *rapid.T, s *Store) {
	records, audit := make(map[string]string), make(map[string][]string)
	for _, company := range []string{"a", "ab", "b"} {
		err := s.Scan(company, TableConflicts, Range{}, func(key, value []byte) error {
			records[company+"/"+string(key)] = string(value)
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		err = s.Audit(company, 0, func(e AuditEntry) error {
			audit[company] = append(audit[company], e.Action)
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
		for _, user := range []string{"alice", "bob"} {
			m.compareDocumentsOf(rt, s, company, user)
		}
	}
	if diff := cmp.Diff(m.records, records) + cmp.Diff(m.audit, audit); diff != "" {
		rt.Fatalf("records and audit entries (-want +got):\n%s", diff)
	}
}

func (m *model) compareDocumentsOf(rt *rapid.T, s *Store, company, user string) {
	want, got := make(map[DocKey]uint64), make(map[DocKey]uint64)
	for d, md := range m.docs {
		if d.Company == company && slices.ContainsFunc(md.runs, func(r Run) bool { return r.User == user }) {
			want[d] = uint64(len(md.changes))
		}
	}
	err := s.DocumentsOf(company, user, id.DocumentID{}, func(d DocumentInfo) error {
		key := DocKey{company, d.Document}
		got[key] = d.Changes
		if runs := m.docs[key].runs; d.Last != runs[len(runs)-1].Attribution {
			rt.Fatalf("document %v was changed by %+v, want %+v", key, d.Last, runs[len(runs)-1])
		}
		return d.Damaged
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		rt.Fatalf("documents of %s: %v (-want +got):\n%s", user, err, diff)
	}
}
