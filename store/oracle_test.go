package store

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// model is what the store should hold.
type model struct {
	docs   map[DocKey]*modelDoc
	states map[SyncKey]string
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
		m := model{docs: make(map[DocKey]*modelDoc), states: make(map[SyncKey]string)}
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
	if err := s.Append(t.Context(), a, func(err error) {
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
		rt.Fatal(err)
	}
	md.changes = append(md.changes, a.Changes...)
	md.heads = a.Heads
	md.runs = append(md.runs, Run{First: first, Count: uint64(n), Attribution: a.By})
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
	if err := s.PutSnapshot(t.Context(), d, snapshotOf(md.changes[:n]), hash, func(err error) {
		if err != nil {
			t.Error(err)
		}
	}); err != nil {
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
}
