package hub

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/wire"
)

// scribe is a Deriver for invoices that notes how it is called, and makes a record
// of each transition.
type scribe struct {
	mu    sync.Mutex // guards the following fields
	calls []string
	n     int
	fail  error
	panic bool
}

type scribing struct{ s *scribe }

func (s *scribe) note(format string, args ...any) {
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *scribe) set(fail error, panics bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.panic = fail, panics
}

// took returns the calls since the last time.
func (s *scribe) took() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.calls, ", ")
	s.calls = nil
	return all
}

func (s *scribe) For(_ store.DocKey, docType string) Derivation {
	s.mu.Lock()
	defer s.mu.Unlock()
	if docType != "invoice" {
		return nil
	}
	s.note("for")
	return &scribing{s: s}
}

func (s *scribe) Abandoned(key store.DocKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key == keyOf(docA) {
		s.note("abandoned")
	}
}

func (d *scribing) Begin(before crdt.View, exists bool) Transition {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.s.note("begin %s %t", before.AppendJSON(nil, crdt.Root), exists)
	return d
}

func (d *scribing) Size() int { return 1 << 20 }

func (d *scribing) Applied(a Applied) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.s.note("%s %s %d %s", a.User, a.Ref, len(a.Diff.Edits), a.Content.View().AppendJSON(nil, crdt.Root))
}

func (d *scribing) Records(e Ended) ([]store.Record, error) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if d.s.panic {
		panic("a fault of ours")
	}
	if d.s.fail != nil {
		return nil, d.s.fail
	}
	d.s.n++
	d.s.note("end %s/%s %s answered=%t imported=%t %s", e.Type, e.Ref, e.User, e.Answered, e.Imported, e.View.AppendJSON(nil, crdt.Root))
	return []store.Record{{Table: store.TableConflicts, Key: fmt.Appendf(e.Key.Document[:], "%16d", d.s.n), Value: fmt.Append(nil, d.s.n)}}, nil
}

func TestDeriverIsToldOfTransitions(t *testing.T) {
	s := new(scribe)
	r := newRig(t, Options{Deriver: s, Guards: new(fence)})
	expect := func(what, want string) {
		t.Helper()
		if got := s.took(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, want)
		}
	}
	r.edit(docB, "x", 1)
	expect("a document without a type", "")

	invoice(t, r, docA)
	expect("the first change", `for, begin {} false, olga 4711 1 {"x":1}, end invoice/4711 olga answered=false imported=false {"x":1}`)

	a := r.connect(alice(), "a", "")
	a.request(docA)
	a.quiet()
	y := a.edit(docA, "y")
	z := a.edit(docA, "z")
	a.push(docA, z) // waits for the other one
	a.push(docA, y)
	a.acked(docA, z.Hash)
	got := s.took()
	if strings.Count(got, "begin") != 1 || strings.Count(got, "alice 4711 1 ") != 2 || strings.Count(got, "end ") != 1 || strings.Contains(got, "for,") {
		t.Errorf("two changes together: %s", got)
	}

	x := a.edit(docA, "x")
	a.push(docA, x)
	a.until("the answer", func() bool { return a.doc(docA).graph.Len() == 5 })
	got = s.took()
	if strings.Count(got, " 4711 1 ") != 2 || !strings.Contains(got, "concord 4711 1 ") || !strings.Contains(got, "end invoice/4711 alice answered=true") {
		t.Errorf("a change with an answer: %s", got)
	}

	if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Records: []store.Record{record(docA, "other")}}); err != nil {
		t.Fatal(err)
	}
	expect("no change", "")
	if kept := r.kept(docA); len(kept) != 5 { // three, the guard's and the edit's
		t.Errorf("records %q", kept)
	}
	if size := r.hub.Stats().CacheBytes; size < 1<<20 {
		t.Errorf("the cache counts %d bytes, without the derivation", size)
	}
}

// record is a record of a document that lasts as long as it.
func record(doc id.DocumentID, name string) store.Record {
	return store.Record{Table: store.TableConflicts, Key: fmt.Appendf(doc[:], "%16s", name), Value: []byte(name)}
}

func TestDeriverOfAnImport(t *testing.T) {
	s := new(scribe)
	r := newRig(t, Options{Deriver: s})
	d := crdt.New()
	d.SetActor("someone")
	for i := range 3 {
		if _, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { _, err := tx.Set(crdt.Root, "x", i); return err }); err != nil {
			t.Fatal(err)
		}
	}
	kind := store.Record{Table: store.TableDocumentTypes, Key: docA[:], Value: []byte("invoice\x004711")}
	r.bring(d.Save(), kind)
	if got, want := s.took(), `for, begin {"x":2} false, end invoice/4711 olga answered=false imported=true {"x":2}`; got != want {
		t.Errorf("a new document: %s, want %s", got, want)
	}
	since := d.Heads()
	if _, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { _, err := tx.Set(crdt.Root, "y", 1); return err }); err != nil {
		t.Fatal(err)
	}
	r.bring(d.SaveSince(since))
	if got, want := s.took(), `begin {"x":2} true, olga 4711 1 {"x":2,"y":1}, end invoice/4711 olga answered=false imported=false {"x":2,"y":1}`; got != want {
		t.Errorf("more of it: %s, want %s", got, want)
	}
}

// What couldn't be derived, or wasn't committed, is given up with its changes, and
// the deriver is told.
func TestFailingDeriverAbandonsTheDocument(t *testing.T) {
	for name, fail := range map[string]func(*scribe, *hookedStore){
		"error": func(s *scribe, _ *hookedStore) { s.set(errors.New("no"), false) },
		"panic": func(s *scribe, _ *hookedStore) { s.set(nil, true) },
		"store": func(_ *scribe, s *hookedStore) {
			s.set(func(s *hookedStore) {
				s.onAppend = func(store.Append, func() error, func(error)) error { return errors.New("no") }
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(scribe)
			r, hooks := newHookedRig(t, Options{Deriver: s})
			invoice(t, r, docA)
			a := r.connect(alice(), "a", "")
			a.request(docA)
			a.quiet()
			fail(s, hooks)
			a.push(docA, a.edit(docA, "y"))
			if code, _ := a.closed(); code != wire.CloseTryLater {
				t.Errorf("closed with %d", code)
			}
			waitFor(t, "the deriver to be told", func() bool { return strings.HasSuffix(s.took(), "abandoned") })
			if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Write: put("z", 1)}); err == nil {
				t.Error("an edit of which nothing is derived is taken")
			}
			s.set(nil, false)
			hooks.set(func(s *hookedStore) { s.onAppend = nil })
			s.took()
			r.edit(docA, "z", 1)
			if got := s.took(); !strings.HasPrefix(got, `for, begin {"x":1} true`) {
				t.Errorf("after it: %s", got)
			}
			if kept := r.kept(docA); len(kept) != 2 {
				t.Errorf("records %q", kept)
			}
		})
	}
}

// The last records of an edit see what it, and everything before it, has done.
func TestLastRecordsOfAnEdit(t *testing.T) {
	r := newRig(t, Options{})
	r.edit(docA, "x", 1)
	last := func(e Ended) ([]store.Record, error) {
		return []store.Record{{Table: store.TableConflicts, Key: append(e.Key.Document[:], "0123456789abcdef"...), Value: e.View.AppendJSON(nil, crdt.Root)}}, nil
	}
	if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Write: put("y", 2), Last: last}); err != nil {
		t.Fatal(err)
	}
	if kept := r.kept(docA); kept["0123456789abcdef"] != `{"x":1,"y":2}` {
		t.Errorf("records %q", kept)
	}
	e, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Last: last})
	if err != nil || e.Change != nil {
		t.Errorf("edited %+v, %v", e, err)
	}
	no := errors.New("no")
	if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Last: func(Ended) ([]store.Record, error) { return nil, no }}); !errors.Is(err, no) {
		t.Error(err)
	}
	if _, err := r.hub.Edit(t.Context(), keyOf(docB), Edit{By: office, Last: last}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if content, _ := r.json(docA); content != `{"x":1,"y":2}` {
		t.Errorf("content %s", content)
	}
}
