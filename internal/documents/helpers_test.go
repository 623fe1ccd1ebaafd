package documents

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/auth"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// rig is a service over a real hub and store, with a clock of its own.
type rig struct {
	*Service
	tb    testing.TB
	dir   string
	store *store.Store

	mu  sync.Mutex
	now time.Time
}

func newRig(tb testing.TB) *rig {
	tb.Helper()
	r := &rig{tb: tb, dir: tb.TempDir(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	var err error
	if r.store, err = store.Open(r.dir, store.Options{}); err != nil {
		tb.Fatal(err)
	}
	h, err := hub.New(r.store, hub.Options{Now: r.clock})
	if err != nil {
		tb.Fatal(err)
	}
	r.Service = New(h, r.store, Options{Now: r.clock})
	tb.Cleanup(func() {
		h.Close()
		if err := r.store.Close(); err != nil {
			tb.Error(err)
		}
		report, err := store.Check(context.Background(), r.dir, store.CheckOptions{})
		if err != nil || !report.OK() {
			tb.Errorf("check: %v %v", report.Faults, err)
		}
	})
	return r
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// tick moves the clock on by a minute and returns what it shows.
func (r *rig) tick() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(time.Minute)
	return r.now
}

// user is a caller of the company acme.
func user(name string, role auth.Role, docs ...id.DocumentID) Caller {
	c := Caller{Principal: auth.Principal{Company: "acme", User: name, Role: role}, Device: name + "-phone"}
	for _, doc := range docs {
		c.Docs = append(c.Docs, doc.String())
	}
	slices.Sort(c.Docs)
	return c
}

var alice, bob = user("alice", auth.RoleEditor), user("bob", auth.RoleEditor)

// open returns the document with a key, made with some content.
func (r *rig) open(c Caller, docType, ref, content string) Document {
	r.tb.Helper()
	doc, _, err := r.Open(r.tb.Context(), c, docType, ref, Opening{Content: []byte(content)})
	if err != nil {
		r.tb.Fatal(err)
	}
	return doc
}

// merge applies a merge patch.
func (r *rig) merge(c Caller, doc Document, patch string) Document {
	r.tb.Helper()
	doc, err := r.Patch(r.tb.Context(), c, doc.ID, Patch{Body: []byte(patch)})
	if err != nil {
		r.tb.Fatal(err)
	}
	return doc
}

// json returns a document, or a part of it, in a state.
func (r *rig) json(doc Document, at At, path string) string {
	r.tb.Helper()
	c, err := r.Get(r.tb.Context(), alice, doc.ID, Wanted{At: at, Path: path})
	if err != nil {
		r.tb.Fatal(err)
	}
	return string(c.JSON)
}

// snapshot puts all changes of a document into a snapshot.
func (r *rig) snapshot(doc Document) {
	r.tb.Helper()
	key := alice.key(doc.ID)
	full := crdt.New()
	var order []crdt.Hash
	err := r.store.Changes(key, 0, 1<<40, func(_ uint64, c store.Change) error {
		order = append(order, c.Hash)
		return full.LoadIncremental(append([]byte(nil), c.Bytes...), crdt.Limits{})
	})
	if err != nil {
		r.tb.Fatal(err)
	}
	g := crdt.NewGraph()
	for _, c := range full.Changes(nil) {
		if err := g.Restore(c.Header()); err != nil {
			r.tb.Fatal(err)
		}
	}
	done := make(chan error, 1)
	snap := store.Snapshot{Changes: uint64(len(order)), Chunk: full.Save(), Graph: g.AppendRecord(nil)}
	err = r.store.PutSnapshot(r.tb.Context(), key, snap, func(i uint64) store.Hash { return order[i] }, func(err error) { done <- err })
	if err == nil {
		err = <-done
	}
	if err != nil {
		r.tb.Fatal(err)
	}
}

// audit returns the audit entries of the company acme.
func (r *rig) audit() []store.AuditEntry {
	r.tb.Helper()
	var all []store.AuditEntry
	err := r.Audit(r.tb.Context(), user("boss", auth.RoleAdmin), 0, func(e store.AuditEntry) error {
		all = append(all, e)
		return nil
	})
	if err != nil {
		r.tb.Fatal(err)
	}
	return all
}
