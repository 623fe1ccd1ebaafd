package derive

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"concord/conflict/guard"
	"concord/crdt"
	"concord/events"
	"concord/internal/id"
	"concord/internal/rules"
	"concord/internal/snapshot"
	"concord/store"
	"concord/sync/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock goes on by a millisecond whenever it is read: no two readings are the same.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(1_800_000_000_000 + c.ms.Add(1)).UTC() }

func (c *clock) sleep(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// rig is a hub with guards and events over a real store.
type rig struct {
	t       testing.TB
	dir     string
	rules   *Rules
	guards  *guard.Rules
	clock   *clock
	store   *store.Store
	hub     *hub.Hub
	deriver *Deriver
	created int
}

func newRig(t testing.TB, text string) *rig {
	t.Helper()
	file := rules.Open("rules.yaml", []byte(text))
	r := &rig{t: t, dir: t.TempDir(), guards: guard.Read(file), rules: Read(file), clock: new(clock)}
	if err := file.Err(); err != nil {
		t.Fatal(err)
	}
	r.openStore()
	r.start()
	t.Cleanup(func() {
		r.hub.Close()
		r.closeStore()
		report, err := store.Check(context.Background(), r.dir, store.CheckOptions{
			NewDocument: func() store.DocumentVerifier { return snapshot.NewVerifier() },
			Tables:      map[store.Table]func(company string, key, value []byte) error{store.TableEvents: events.Check},
		})
		if err != nil || !report.OK() {
			t.Errorf("check: %v %v", err, report)
		}
	})
	return r
}

func (r *rig) openStore() {
	r.t.Helper()
	var err error
	if r.store, err = store.Open(r.dir, store.Options{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) closeStore() {
	r.t.Helper()
	if err := r.store.Close(); err != nil {
		r.t.Error(err)
	}
}

// start opens the hub.
func (r *rig) start() {
	r.t.Helper()
	var err error
	if r.deriver, err = Open(r.rules, r.store, Options{Now: r.clock.now}); err != nil {
		r.t.Fatal(err)
	}
	o := hub.Options{Deriver: r.deriver, Now: r.clock.now}
	if len(r.guards.Guards) > 0 {
		o.Guards = guard.New(r.guards)
	}
	if r.hub, err = hub.New(r.store, o); err != nil {
		r.t.Fatal(err)
	}
}

// restart ends the process, as it were, and begins it again.
func (r *rig) restart() {
	r.hub.Close()
	r.closeStore()
	r.openStore()
	r.start()
}

// flush tells of the updates that are due, and returns when it did.
func (r *rig) flush() time.Time {
	r.t.Helper()
	now := r.clock.now()
	keys, _ := r.deriver.take(now)
	for _, key := range keys {
		r.deriver.flush(r.t.Context(), r.hub, key, now)
	}
	return now
}

// create makes a document of a type with some content.
func (r *rig) create(docType string, content any) store.DocKey {
	r.t.Helper()
	r.created++
	key := store.DocKey{Company: "acme", Document: id.DocumentID{1, byte(r.created >> 8), byte(r.created)}}
	r.edit(key, hub.Edit{
		Create:  true,
		Records: []store.Record{{Table: store.TableDocumentTypes, Key: key.Document[:], Value: []byte(docType + "\x00ref-" + key.Document.String())}},
		Write:   func(tx *crdt.Tx, _ hub.Reading) error { return tx.Update("", content) },
	})
	return key
}

func (r *rig) edit(key store.DocKey, e hub.Edit) {
	r.t.Helper()
	if e.By.User == "" {
		e.By = hub.Author{User: "erp"}
	}
	if _, err := r.hub.Edit(r.t.Context(), key, e); err != nil {
		r.t.Fatal(err)
	}
}

// set writes a scalar or a tree to a place on the server.
func (r *rig) set(key store.DocKey, pointer string, value any) {
	r.t.Helper()
	r.edit(key, hub.Edit{Write: func(tx *crdt.Tx, _ hub.Reading) error {
		_, err := tx.SetAt(pointer, value)
		return err
	}})
}

// told is an event as far as tests compare it.
type told struct {
	Type, Room, From string
	Data             map[string]any
}

// all returns the events in the log whose data name a document, in order.
func (r *rig) all(doc id.DocumentID) (list []told) {
	r.t.Helper()
	seen := map[string]bool{}
	err := r.store.Scan("acme", store.TableEvents, store.Range{}, func(_, value []byte) error {
		e, err := events.Decode(value)
		if err != nil {
			return err
		}
		x := told{Type: e.Type, Room: e.Room, From: e.From}
		if err := json.Unmarshal(e.Data, &x.Data); err != nil {
			return err
		}
		if seen[e.ID] {
			r.t.Errorf("event %s is there twice", e.ID)
		}
		seen[e.ID] = true
		about := e.Document
		if strings.HasSuffix(e.Type, ":deleted") && about == (id.DocumentID{}) { // else it would go with the document
			about = doc
		}
		if about.String() != x.Data["document"] {
			r.t.Errorf("event %v is about %v", x, e.Document)
		}
		if x.Data["document"] == doc.String() && x.Type != "document:conflict" && x.Type != "conflict:resolved" { // these are the guards'
			list = append(list, x)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}
