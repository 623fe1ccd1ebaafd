package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// recorder is a Ledger that keeps what it is told, and a record of each change.
type recorder struct {
	mu      sync.Mutex // guards the following fields
	watches int
	told    []Applied
	sources map[store.DocKey]Source
	fail    error
	broken  bool // panics
}

type recording struct {
	r       *recorder
	key     store.DocKey
	records []store.Record
}

func (r *recorder) Watch(key store.DocKey, src Source) (Watcher, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watches++
	if r.sources == nil {
		r.sources = make(map[store.DocKey]Source)
	}
	r.sources[key] = src
	return &recording{r: r, key: key}, nil
}

func (w *recording) Applied(a Applied) error {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	if w.r.broken {
		panic("a fault of ours")
	}
	if w.r.fail != nil {
		return w.r.fail
	}
	w.r.told = append(w.r.told, a)
	key := slices.Concat(w.key.Document[:], a.Change.Hash[:16])
	w.records = append(w.records, store.Record{Table: store.TableConflicts, Key: key, Value: fmt.Append(nil, a.Index)})
	return nil
}

func (w *recording) Records() []store.Record {
	records := w.records
	w.records = nil
	return records
}

func (w *recording) Size() int { return 1 << 20 }

func (r *recorder) all() []Applied {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

func (r *recorder) set(change func(*recorder)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

// kept returns the records of a document, by the start of the change's hash.
func (r *rig) kept(doc id.DocumentID) map[string]string {
	r.tb.Helper()
	kept := make(map[string]string)
	if err := r.store.Scan("acme", store.TableConflicts, store.Range{Prefix: doc[:]}, func(key, value []byte) error {
		kept[string(key[16:])] = string(value)
		return nil
	}); err != nil {
		r.tb.Fatal(err)
	}
	return kept
}

func TestLedgerIsToldOfEveryChange(t *testing.T) {
	ledger := new(recorder)
	r := newRig(t, Options{Ledger: ledger})
	kind := store.Record{Table: store.TableDocumentTypes, Key: docA[:], Value: []byte("invoice\x004711")}
	if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Create: true, Records: []store.Record{kind}, Write: put("x", 1)}); err != nil {
		t.Fatal(err)
	}
	s := alice()
	s.Roles = []string{"editor", "sales"}
	a, b := r.connect(s, "a", ""), r.connect(bob(), "b", "storage-of-b")
	a.request(docA)
	a.quiet()
	first := a.edit(docA, "y")
	second := a.edit(docA, "z")
	a.push(docA, second) // waits for the first, and is released by it
	a.push(docA, first)
	a.quiet()
	foreign := b.edit(docA, "w") // knows nothing of all that
	b.push(docA, foreign)
	waitFor(t, "changes", func() bool { return len(ledger.all()) == 4 })
	type fact struct {
		index        int
		user, device string
		roles        []string
		current      bool
	}
	want := []fact{
		{0, "olga", "api", nil, true}, {1, "alice", "a", s.Roles, true}, {2, "alice", "a", s.Roles, true}, {3, "bob", "storage-of-b", nil, false},
	}
	for i, a := range ledger.all() {
		got := fact{a.Index, a.User, a.Device, a.Roles, a.Current}
		if fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("change %d: %v, want %v", i, got, want[i])
		}
		if a.Type != "invoice" || a.Key != keyOf(docA) || a.Diff != nil || a.Before != nil || a.Received.IsZero() {
			t.Errorf("change %d: %+v", i, a)
		}
	}
	b.acked(docA, foreign.Hash)
	kept := r.kept(docA)
	for i, a := range ledger.all() {
		if kept[string(a.Change.Hash[:16])] != fmt.Sprint(i) {
			t.Errorf("record of change %d: %q", i, kept[string(a.Change.Hash[:16])])
		}
	}
	if size := r.hub.Stats().CacheBytes; size < 1<<20 {
		t.Errorf("the cache counts %d bytes, without the watcher", size)
	}
}

// A watcher that fails, or has a fault, leaves neither change nor record, and
// the author sends the change again.
func TestFailingWatcherAbandonsTheDocument(t *testing.T) {
	for name, fail := range map[string]func(*recorder){
		"error": func(r *recorder) { r.fail = errors.New("no") },
		"panic": func(r *recorder) { r.broken = true },
	} {
		t.Run(name, func(t *testing.T) {
			ledger := new(recorder)
			r := newRig(t, Options{Ledger: ledger})
			a := r.connect(alice(), "a", "")
			a.save(docA, "x")
			ledger.set(fail)
			ch := a.edit(docA, "y")
			a.push(docA, ch)
			if code, _ := a.closed(); code != wire.CloseTryLater {
				t.Errorf("closed with %d", code)
			}
			if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Write: put("z", 1)}); err == nil {
				t.Error("an edit that isn't watched is taken")
			}
			if n := len(r.kept(docA)); n != 1 {
				t.Errorf("%d records", n)
			}
			ledger.set(func(r *recorder) { r.fail, r.broken = nil, false })
			again := r.connect(alice(), "a", "")
			again.docs = a.docs
			again.doc(docA).state = protocol.New(protocol.Options{})
			again.speak(docA)
			again.acked(docA, ch.Hash)
			if n := len(r.kept(docA)); n != 2 {
				t.Errorf("%d records", n)
			}
		})
	}
}

// What a watcher asks of stored changes is the same whether they are in the
// snapshot or after it.
func TestSourceTellsOfStoredChanges(t *testing.T) {
	ledger := new(recorder)
	r := newSnapshotRig(t, Options{Ledger: ledger, DocumentCache: 1, SaveInterval: 2 * time.Millisecond})
	a := r.connect(alice(), "a", "")
	for i := range 20 {
		a.save(docA, fmt.Sprint("k", i))
	}
	waitFor(t, "snapshot", func() bool {
		info, _, err := r.store.Document(keyOf(docA))
		return err == nil && info.SnapshotChanges > 0 && r.hub.Stats().CacheBytes == 0
	})
	d := r.hub.acquire(keyOf(docA))
	d.mu.Lock()
	if d.watcher != nil || d.ops != nil {
		t.Error("the watcher outlives the op set")
	}
	d.mu.Unlock()
	r.edit(docA, "x", 1)
	err := r.hub.Read(t.Context(), keyOf(docA), func(d Reading) error {
		ledger.mu.Lock()
		src := ledger.sources[keyOf(docA)]
		ledger.mu.Unlock()
		for i := range d.Graph.Len() {
			wantUser, claimed := "alice", int64(1) // see client.edit
			if i == 20 {
				wantUser, claimed = "olga", time.Now().Unix()
			}
			user, _, received, err := src.Attribution(i)
			if err != nil || user != wantUser || time.Since(received) > time.Hour {
				t.Errorf("change %d: %s at %v, %v", i, user, received, err)
			}
			at, err := src.ClaimedTime(i)
			if err != nil || at > claimed || at < claimed-3600 || i < 20 && at != claimed {
				t.Errorf("change %d claims %d, want %d, %v", i, at, claimed, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ledger.mu.Lock()
	defer ledger.mu.Unlock()
	if ledger.watches < 2 {
		t.Errorf("%d watchers, the op set was read at least twice", ledger.watches)
	}
}

// fence is a guard for invoices: the key "x" is for bosses.
type fence struct {
	refuse error // of the answer
	panics bool
	judged []string // whose changes
}

type trespass struct {
	wanted string
	before crdt.View
}

func (f *fence) For(_, docType string) Guard {
	if docType != "invoice" {
		return nil
	}
	return f
}

func (f *fence) Judge(a Applied, before crdt.View) (all []Violation) {
	f.judged = append(f.judged, a.User)
	if slices.Contains(a.Roles, "boss") {
		return nil
	}
	for _, e := range a.Diff.Edits {
		if e.Object == crdt.Root && e.Key.Name == "x" {
			all = append(all, trespass{a.Change.Hash.String(), before})
		}
	}
	return all
}

func (f *fence) Answer(all []Violation) *Answer {
	return &Answer{
		Message: "Guard: x",
		Write: func(tx *crdt.Tx) error {
			if f.panics {
				panic("a fault of the guard's")
			}
			was, ok := all[0].(trespass).before.Field(crdt.Root, "x")
			if ok {
				_, _ = tx.Set(crdt.Root, "x", was.Value)
			} else {
				_ = tx.Delete(crdt.Root, "x")
			}
			return f.refuse
		},
		Records: func(answer crdt.Hash) []store.Record {
			return []store.Record{{Table: store.TableConflicts, Key: slices.Concat(docA[:], answer[:16]), Value: []byte(all[0].(trespass).wanted)}}
		},
		Audit: []store.AuditEntry{{Time: time.UnixMilli(1), User: "concord", Action: "guard.revert", Document: docA}},
	}
}

func invoice(t *testing.T, r *rig, doc id.DocumentID) Edited {
	t.Helper()
	kind := store.Record{Table: store.TableDocumentTypes, Key: doc[:], Value: []byte("invoice\x004711")}
	e, err := r.hub.Edit(t.Context(), keyOf(doc), Edit{By: office, Create: true, Trusted: true, Records: []store.Record{kind}, Write: put("x", 1)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestGuardTakesChangesBack(t *testing.T) {
	rules := new(fence)
	r, s := newHookedRig(t, Options{Guards: rules})
	invoice(t, r, docA)
	a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	for _, c := range []*client{a, b} {
		c.request(docA)
		c.quiet()
	}
	b.save(docA, "free") // breaks no rule
	a.quiet()

	var writes []int
	s.set(func(s *hookedStore) {
		s.onAppend = func(_ store.Append, through func() error, _ func(error)) error {
			writes = append(writes, 0)
			return through()
		}
	})
	ch := a.edit(docA, "x")
	a.push(docA, ch)
	for _, c := range []*client{a, b} {
		c.until("the answer", func() bool { return c.doc(docA).graph.Len() == 4 })
	}
	if len(writes) != 1 {
		t.Errorf("change and answer came in %d writes", len(writes))
	}
	content, heads := r.json(docA)
	if content != `{"free":1,"x":1}` || !slices.Equal(heads, a.doc(docA).graph.Heads()) || !slices.Equal(heads, b.doc(docA).graph.Heads()) {
		t.Errorf("content %s, heads %v", content, heads)
	}
	kept := r.kept(docA)
	if len(kept) != 1 || kept[string(heads[0][:16])] != ch.Hash.String() {
		t.Errorf("records %q", kept)
	}
	entries := 0
	if err := r.store.Audit("acme", 1, func(e store.AuditEntry) error { entries++; return nil }); err != nil || entries != 1 {
		t.Errorf("%d audit entries, %v", entries, err)
	}
	a.quiet()
	if n := a.doc(docA).graph.Len(); n != 4 {
		t.Errorf("%d changes: the answer was answered", n)
	}
	if want := []string{"bob", "alice"}; !slices.Equal(rules.judged, want) {
		t.Errorf("changes of %q were judged, want %q", rules.judged, want)
	}
	var user string
	if err := r.store.Attributions(keyOf(docA), 3, 4, func(r store.Run) error { user = r.User; return nil }); err != nil || user != "concord" {
		t.Errorf("the answer is by %q, %v", user, err)
	}
}

func TestGuardSparesRolesAndTrustedEdits(t *testing.T) {
	r := newRig(t, Options{Guards: new(fence)})
	invoice(t, r, docA)
	boss := Author{User: "olga", Device: "api", Roles: []string{"editor", "boss"}}
	for i, c := range []struct {
		by      Author
		trusted bool
		want    string
	}{{office, false, `{"x":1}`}, {office, true, `{"x":11}`}, {boss, false, `{"x":12}`}, {office, false, `{"x":12}`}} {
		if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: c.by, Trusted: c.trusted, Write: put("x", 10+i)}); err != nil {
			t.Fatal(err)
		}
		if content, _ := r.json(docA); content != c.want {
			t.Errorf("edit %d: %s, want %s", i, content, c.want)
		}
	}
	// A document without a type has no rules.
	r.edit(docB, "x", 1)
	r.edit(docB, "x", 2)
	if content, _ := r.json(docB); content != `{"x":2}` {
		t.Errorf("content %s", content)
	}
}

// An answer that can't be made leaves the change as it is.
func TestFailingAnswer(t *testing.T) {
	for _, f := range []*fence{{refuse: errors.New("no")}, {panics: true}} {
		r := newRig(t, Options{Guards: f})
		invoice(t, r, docA)
		if _, err := r.hub.Edit(context.Background(), keyOf(docA), Edit{By: office, Write: put("x", 2)}); err != nil {
			t.Fatal(err)
		}
		if content, _ := r.json(docA); content != `{"x":2}` {
			t.Errorf("content %s", content)
		}
	}
}
