package guard

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"concord/conflict"
	"concord/crdt"
	"concord/internal/id"
	"concord/internal/snapshot"
	"concord/store"
	"concord/sync/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a hub with guards over a real store.
type rig struct {
	t     testing.TB
	store *store.Store
	hub   *hub.Hub
	taken *recorder
}

func newRig(t testing.TB, rules string) *rig {
	t.Helper()
	parsed, err := Parse("rules.yaml", []byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: s, taken: &recorder{guards: New(parsed), answers: map[id.DocumentID][]answered{}}}
	if r.hub, err = hub.New(s, hub.Options{Guards: r.taken}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.hub.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		report, err := store.Check(context.Background(), dir, store.CheckOptions{
			NewDocument: func() store.DocumentVerifier { return snapshot.NewVerifier() },
		})
		if err != nil || !report.OK() {
			t.Errorf("check: %v %v", err, report)
		}
	})
	return r
}

// recorder notes the proposals that guards make, by document.
type recorder struct {
	guards  *Guards
	mu      sync.Mutex
	answers map[id.DocumentID][]answered
}

// answered is one answer: the hash of its change, and its proposals.
type answered struct {
	change    crdt.Hash
	proposals []proposal
	records   []store.Record
}

func (r *recorder) For(company, docType string) hub.Guard {
	g := r.guards.For(company, docType)
	if g == nil {
		return nil
	}
	return &recording{g.(*judge), r}
}

type recording struct {
	*judge
	recorder *recorder
}

func (g *recording) Answer(all []hub.Violation) *hub.Answer {
	a := g.judge.Answer(all)
	if a == nil {
		return nil
	}
	inner := a.Records
	a.Records = func(h crdt.Hash) []store.Record {
		records := inner(h)
		var x answered
		x.change, x.records = h, records
		x.proposals = g.judge.proposed.list
		g.recorder.mu.Lock()
		defer g.recorder.mu.Unlock()
		g.recorder.answers[g.document] = append(g.recorder.answers[g.document], x)
		return records
	}
	return a
}

// of returns the answers in a document.
func (r *rig) of(doc id.DocumentID) []answered {
	r.taken.mu.Lock()
	defer r.taken.mu.Unlock()
	return r.taken.answers[doc]
}

// stored reports whether a record is in the store.
func (r *rig) stored(rec store.Record) bool {
	r.t.Helper()
	_, found, err := r.store.Get("acme", rec.Table, rec.Key)
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

// user edits a document on a device of theirs.
type user struct {
	rig    *rig
	key    store.DocKey
	author hub.Author
	doc    *crdt.Doc
}

// create makes an invoice with some content.
func (r *rig) create(content any) store.DocKey {
	r.t.Helper()
	key := store.DocKey{Company: "acme", Document: newDocument()}
	_, err := r.hub.Edit(r.t.Context(), key, hub.Edit{
		By: hub.Author{User: "erp"}, Create: true,
		Records: []store.Record{{Table: store.TableDocumentTypes, Key: key.Document[:], Value: []byte("invoice\x00" + key.Document.String())}},
		Write:   func(tx *crdt.Tx, _ hub.Reading) error { return tx.Update("", content) },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return key
}

// join gives a user a copy of a document; device is the actor, too.
func (r *rig) join(key store.DocKey, name, device string, roles ...string) *user {
	r.t.Helper()
	u := &user{rig: r, key: key, author: hub.Author{User: name, Device: device, Roles: roles}, doc: crdt.New()}
	u.doc.SetActor(crdt.ActorID(device))
	u.pull()
	return u
}

// pull brings everything from the server.
func (u *user) pull() {
	u.rig.t.Helper()
	file, err := u.rig.hub.Export(u.rig.t.Context(), u.key)
	if err != nil {
		u.rig.t.Fatal(err)
	}
	if err := u.doc.LoadIncremental(file, crdt.Limits{}); err != nil {
		u.rig.t.Fatal(err)
	}
}

// edit makes a change on the device.
func (u *user) edit(fn func(*crdt.Tx) error) *crdt.Change {
	u.rig.t.Helper()
	c, err := u.doc.Edit(crdt.EditOptions{Time: 1_700_000_000}, fn)
	if err != nil || c == nil {
		u.rig.t.Fatalf("change %v: %v", c, err)
	}
	return c
}

// set makes a change that sets a place, with scalar strings.
func (u *user) set(pointer string, value any) *crdt.Change {
	u.rig.t.Helper()
	return u.edit(func(tx *crdt.Tx) error {
		tx.ScalarStrings = true
		_, err := tx.SetAt(pointer, value)
		return err
	})
}

// push sends changes to the server, all at once.
func (u *user) push(changes ...*crdt.Change) {
	u.rig.t.Helper()
	var b []byte
	for _, c := range changes {
		b = append(b, c.Bytes()...)
	}
	got, err := u.rig.hub.Import(u.rig.t.Context(), u.key, u.author, b, nil)
	if err != nil || got.Waiting > 0 || len(got.Refused) > 0 {
		u.rig.t.Fatalf("import: %+v %v", got, err)
	}
}

// sync pushes what is given and pulls what the server makes of it.
func (u *user) sync(changes ...*crdt.Change) {
	u.rig.t.Helper()
	u.push(changes...)
	u.pull()
}

func (u *user) json() string { return string(u.doc.View().AppendJSON(nil, crdt.Root)) }

// summary says what was proposed, one line each.
func summary(all []answered) string {
	var lines []string
	for _, a := range all {
		for _, p := range a.proposals {
			lines = append(lines, p.record.Rule+" "+p.record.Path+": "+value(p.record.Before)+" -> "+sideValue(p.side))
		}
	}
	return strings.Join(lines, "\n")
}

func value(s *conflict.Shown) string {
	if s == nil {
		return "nothing"
	}
	return string(s.Value) + s.Cut
}

func sideValue(v conflict.Value) string {
	if v.Action == "del" {
		return "nothing"
	}
	return value(&v.Shown)
}

func newDocument() (doc id.DocumentID) {
	rand.Read(doc[:])
	return doc
}
