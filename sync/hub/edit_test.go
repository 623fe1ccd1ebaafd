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

var office = Author{User: "olga", Device: "api"}

func keyOf(doc id.DocumentID) store.DocKey { return alice().docKey(doc) }

// edit sets a key of the root through Hub.Edit.
func (r *rig) edit(doc id.DocumentID, key string, value any) Edited {
	r.tb.Helper()
	e, err := r.hub.Edit(r.tb.Context(), keyOf(doc), Edit{By: office, Create: true, Message: "set " + key, Write: put(key, value)})
	if err != nil {
		r.tb.Fatal(err)
	}
	return e
}

func put(key string, value any) func(*crdt.Tx, Reading) error {
	return func(tx *crdt.Tx, _ Reading) error {
		_, err := tx.Set(crdt.Root, key, value)
		return err
	}
}

// json returns a document as JSON, with its heads.
func (r *rig) json(doc id.DocumentID) (content string, heads []crdt.Hash) {
	r.tb.Helper()
	err := r.hub.Read(r.tb.Context(), keyOf(doc), func(d Reading) error {
		content, heads = string(d.View.AppendJSON(nil, crdt.Root)), d.Heads
		return nil
	})
	if err != nil {
		r.tb.Fatal(err)
	}
	return content, heads
}

func TestEditReachesPeersAndReaders(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	e := r.edit(docA, "y", 2)
	a.has(docA, e.Change.Hash)
	a.save(docA, "x")
	content, heads := r.json(docA)
	if content != `{"x":2,"y":2}` || !slices.Equal(heads, a.doc(docA).graph.Heads()) {
		t.Errorf("content %s, heads %v", content, heads)
	}
	if e.Change.Message != "set y" || !slices.Equal(e.Heads, []crdt.Hash{e.Change.Hash}) {
		t.Errorf("edited %+v", e)
	}
	var runs []store.Run
	if err := r.store.Attributions(keyOf(docA), 1, 2, func(r store.Run) error { runs = append(runs, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(runs) != 1 || runs[0].User != office.User || runs[0].Device != office.Device {
		t.Errorf("attributed to %+v", runs)
	}
}

func TestEditOfADocumentThatIsntThere(t *testing.T) {
	r := newRig(t, Options{})
	if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Write: put("x", 1)}); !errors.Is(err, ErrNotFound) {
		t.Errorf("edit: %v", err)
	}
	if err := r.hub.Read(t.Context(), keyOf(docA), func(Reading) error { return nil }); !errors.Is(err, ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	if n := r.hub.Stats().Documents; n != 0 {
		t.Errorf("%d documents in memory", n)
	}
	e, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Create: true})
	if err != nil || e.Change == nil || e.Change.NumOps != 0 {
		t.Errorf("create: %+v %v", e, err)
	}
	if content, heads := r.json(docA); content != "{}" || !slices.Equal(heads, e.Heads) {
		t.Errorf("content %s, heads %v", content, heads)
	}
	again, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Create: true})
	if err != nil || again.Change != nil || !slices.Equal(again.Heads, e.Heads) {
		t.Errorf("create again: %+v %v", again, err)
	}
	again, err = r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Empty: true})
	if err != nil || again.Change == nil || again.Change.NumOps != 0 {
		t.Errorf("empty change: %+v %v", again, err)
	}
}

func TestEditAtHeads(t *testing.T) {
	r := newRig(t, Options{})
	old := r.edit(docA, "x", 1).Heads
	now := r.edit(docA, "x", 2).Heads
	for _, c := range []struct {
		heads []crdt.Hash
		want  error
	}{{old, ErrHeads}, {[]crdt.Hash{}, ErrHeads}, {[]crdt.Hash{now[0], old[0]}, ErrHeads}, {now, nil}, {nil, nil}} {
		_, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Heads: c.heads})
		if !errors.Is(err, c.want) {
			t.Errorf("at %v: %v, want %v", c.heads, err, c.want)
		}
	}
}

// While an edit is on its way to the disk, the next one builds on it, but readers
// don't see it.
func TestEditBuildsOnWhatIsntDurable(t *testing.T) {
	r, s := newHookedRig(t, Options{})
	first := r.edit(docA, "n", crdt.Counter(1))
	submitted, submit := make(chan struct{}), make(chan func() error, 2)
	s.set(func(s *hookedStore) {
		s.onAppend = func(_ store.Append, through func() error, _ func(error)) error {
			submit <- through
			submitted <- struct{}{}
			return nil
		}
	})
	var wg sync.WaitGroup
	results := make([]error, 2)
	for i := range results {
		wg.Go(func() {
			_, results[i] = r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Write: func(tx *crdt.Tx, d Reading) error {
				if !slices.Equal(d.Heads, first.Heads) != (i == 1) {
					return fmt.Errorf("edit %d is shown heads %v", i, d.Heads)
				}
				return tx.Increment(crdt.Root, "n", 1)
			}})
		})
		<-submitted
		if content, heads := r.json(docA); content != `{"n":1}` || !slices.Equal(heads, first.Heads) {
			t.Errorf("readers see %s", content)
		}
		_, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Heads: first.Heads})
		if !errors.Is(err, ErrHeads) {
			t.Errorf("at the durable heads: %v", err)
		}
	}
	for range results {
		if err := (<-submit)(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if err := errors.Join(results...); err != nil {
		t.Error(err)
	}
	if content, _ := r.json(docA); content != `{"n":3}` {
		t.Errorf("content %s", content)
	}
}

func TestEditThatFailsLeavesNoTrace(t *testing.T) {
	r := newRig(t, Options{Changes: crdt.Limits{ChunkBytes: 1000, Ops: 50}})
	before := r.edit(docA, "x", 1)
	refused := errors.New("no")
	for name, c := range map[string]struct {
		write func(*crdt.Tx, Reading) error
		want  func(error) bool
	}{
		"error": {func(tx *crdt.Tx, _ Reading) error {
			_, _ = tx.Set(crdt.Root, "x", 2)
			return refused
		}, func(err error) bool { return errors.Is(err, refused) }},
		"panic": {func(*crdt.Tx, Reading) error { panic("a fault of the caller's") }, func(err error) bool { return err != nil }},
		"bytes": {put("x", crdt.BytesValue(make([]byte, 1000))), isLimit},
		"ops": {func(tx *crdt.Tx, _ Reading) error {
			_, err := tx.Set(crdt.Root, "x", make([]any, 50))
			return err
		}, isLimit},
	} {
		if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Write: c.write}); !c.want(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if content, heads := r.json(docA); content != `{"x":1}` || !slices.Equal(heads, before.Heads) {
		t.Errorf("content %s, heads %v", content, heads)
	}
	r.edit(docA, "x", 3)
}

func isLimit(err error) bool {
	var r *crdt.RefusalError
	return errors.As(err, &r) && r.Reason == crdt.ReasonLimit
}

func TestEditCommitsRecordsWithIt(t *testing.T) {
	r := newRig(t, Options{})
	ref := store.Record{Table: store.TableReferences, Key: []byte("invoice\x004711"), Value: docA[:], Absent: true}
	kind := store.Record{Table: store.TableDocumentTypes, Key: docA[:], Value: ref.Key}
	audit := store.AuditEntry{Time: time.UnixMilli(1), User: "olga", Action: "import", Document: docA}
	if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Create: true, Records: []store.Record{ref, kind}, Audit: []store.AuditEntry{audit}}); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := r.store.Get("acme", ref.Table, ref.Key); err != nil || !ok || string(v) != string(docA[:]) {
		t.Errorf("record: %x %v %v", v, ok, err)
	}
	// Another document can't have the same reference, and doesn't come into being.
	ref.Value = docB[:]
	if _, err := r.hub.Edit(t.Context(), keyOf(docB), Edit{By: office, Create: true, Records: []store.Record{ref}}); !errors.Is(err, store.ErrExists) {
		t.Errorf("second document: %v", err)
	}
	if _, found, err := r.store.Document(keyOf(docB)); found || err != nil {
		t.Errorf("second document exists: %v %v", found, err)
	}
	// A document that has one already goes on with its peers.
	a := r.connect(alice(), "a", "")
	a.request(docA)
	a.quiet()
	if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Records: []store.Record{ref}, Write: put("x", 1)}); !errors.Is(err, store.ErrExists) {
		t.Errorf("second reference: %v", err)
	}
	a.save(docA, "y")
	// Without a change.
	note := store.Record{Table: store.TableConflictNotes, Key: slices.Concat(docA[:], make([]byte, 24)), Value: []byte("note")}
	e, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Records: []store.Record{note}})
	if err != nil || e.Change != nil {
		t.Errorf("records alone: %+v %v", e, err)
	}
	if v, ok, err := r.store.Get("acme", note.Table, note.Key); err != nil || !ok || string(v) != "note" {
		t.Errorf("note: %s %v %v", v, ok, err)
	}
}

// An edit whose record somebody else writes first is refused and leaves no trace. Its document goes on, only what has
// built on it has to come again.
func TestLostRace(t *testing.T) {
	r, s := newHookedRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	a.quiet()
	var held []func() error
	// race has an edit wait for the store while another writes its record, and others build on it.
	race := func(name string, others ...func() error) (lost error) {
		held = nil
		ref := store.Record{Table: store.TableReferences, Key: []byte("r\x00" + name), Value: docA[:], Absent: true}
		submitted := make(chan struct{}, 2)
		s.set(func(s *hookedStore) {
			s.onAppend = func(_ store.Append, through func() error, _ func(error)) error {
				held = append(held, through)
				submitted <- struct{}{}
				return nil
			}
		})
		edits := append(others, func() error {
			_, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Records: []store.Record{ref}, Write: put("lost", 1)})
			return err
		})
		slices.Reverse(edits)
		results := make([]chan error, len(edits))
		for i, edit := range edits {
			results[i] = make(chan error, 1)
			go func() { results[i] <- edit() }()
			<-submitted
		}
		s.set(func(s *hookedStore) { s.onAppend = nil })
		if err := r.store.Put(t.Context(), "acme", []store.Record{ref}, nil, nil); err != nil {
			t.Fatal(err)
		}
		for _, through := range held {
			if err := through(); err != nil {
				t.Error(err)
			}
		}
		for i := range others {
			if err := <-results[1+i]; !errors.Is(err, ErrBusy) {
				t.Errorf("edit that has built on it: %v, want ErrBusy", err)
			}
		}
		return <-results[0]
	}
	if err := race("1"); !errors.Is(err, store.ErrExists) {
		t.Errorf("edit: %v, want ErrExists", err)
	}
	a.save(docA, "y")
	if content, _ := r.json(docA); content != `{"x":1,"y":2}` {
		t.Errorf("content %s", content)
	}
	if err := race("2", func() error {
		_, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Write: put("z", 1)})
		return err
	}); !errors.Is(err, store.ErrExists) {
		t.Errorf("edit: %v, want ErrExists", err)
	}
	if code, _ := a.closed(); code != wire.CloseTryLater {
		t.Errorf("closed with %d", code)
	}
	waitFor(t, "end of the writes", func() bool {
		_, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Write: put("z", 2)})
		return err == nil || !errors.Is(err, ErrBusy)
	})
	if content, _ := r.json(docA); content != `{"x":1,"y":2,"z":2}` {
		t.Errorf("content %s", content)
	}
}

// Many at once create a document under one reference; one of them does.
func TestConcurrentCreation(t *testing.T) {
	r := newRig(t, Options{})
	const n = 20
	var wg sync.WaitGroup
	results := make([]error, n)
	for i := range n {
		doc := id.DocumentID{0: byte(i), 15: 7}
		ref := store.Record{Table: store.TableReferences, Key: []byte("invoice\x004711"), Value: doc[:], Absent: true}
		wg.Go(func() {
			_, results[i] = r.hub.Edit(t.Context(), keyOf(doc), Edit{By: office, Create: true, Records: []store.Record{ref}})
		})
	}
	wg.Wait()
	made := 0
	for i, err := range results {
		_, found, _ := r.store.Document(keyOf(id.DocumentID{0: byte(i), 15: 7}))
		if found {
			made++
		}
		if found != (err == nil) || err != nil && !errors.Is(err, store.ErrExists) {
			t.Errorf("creation %d: exists %v, %v", i, found, err)
		}
	}
	if made != 1 {
		t.Errorf("%d documents were made", made)
	}
}

// Clients and the server edit at once, while snapshots are written and documents
// leave memory; everybody ends up with everything.
func TestEverybodyEdits(t *testing.T) {
	r := newSnapshotRig(t, Options{DocumentCache: 1, SaveInterval: 2 * time.Millisecond})
	const edits = 60
	var clients []*client
	for i := range 3 {
		clients = append(clients, r.connect(alice(), fmt.Sprint("c", i), ""))
	}
	r.edit(docA, "n", crdt.Counter(0))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range edits {
				if _, err := r.hub.Edit(context.Background(), keyOf(docA), Edit{By: office, Write: func(tx *crdt.Tx, _ Reading) error {
					return tx.Increment(crdt.Root, "n", 1)
				}}); err != nil {
					t.Error(err)
				}
				if err := r.hub.Read(context.Background(), keyOf(docA), func(d Reading) error {
					_, err := d.At(d.Heads)
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, c := range clients {
		wg.Go(func() {
			for i := range edits {
				c.push(docA, c.edit(docA, fmt.Sprint(c.id, i)))
			}
		})
	}
	wg.Wait()
	for _, c := range clients {
		c.doc(docA).state = protocol.New(protocol.Options{})
		c.speak(docA)
	}
	want := 1 + 3*edits + 3*edits
	for _, c := range clients {
		c.until("all changes", func() bool { return c.doc(docA).graph.Len() == want })
	}
	var n crdt.Item
	if err := r.hub.Read(t.Context(), keyOf(docA), func(d Reading) error { n, _ = d.View.Get("n"); return nil }); err != nil {
		t.Fatal(err)
	}
	if n.Value.Int() != 3*edits {
		t.Errorf("counter is %d", n.Value.Int())
	}
}

func TestClosingHubTakesNoEdits(t *testing.T) {
	r := newRig(t, Options{})
	r.edit(docA, "x", 1)
	r.hub.Close()
	if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Write: put("x", 2)}); !errors.Is(err, ErrClosing) {
		t.Errorf("edit: %v", err)
	}
	if err := r.hub.Read(t.Context(), keyOf(docA), func(Reading) error { return nil }); !errors.Is(err, ErrClosing) {
		t.Errorf("read: %v", err)
	}
}
