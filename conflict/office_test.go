package conflict

import (
	"context"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// office is a hub with a ledger over a store.
type office struct {
	t        *testing.T
	dir      string
	store    *store.Store
	hub      *hub.Hub
	ledger   *Ledger
	resolver *Resolver
	clock    time.Time
}

const company = "acme"

var invoice = id.DocumentID{7}

func newOffice(t *testing.T) *office {
	o := &office{t: t, dir: t.TempDir(), clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	o.open()
	t.Cleanup(o.close)
	return o
}

func (o *office) now() time.Time { return o.clock }

func (o *office) open() {
	o.t.Helper()
	var err error
	if o.store, err = store.Open(o.dir, store.Options{}); err != nil {
		o.t.Fatal(err)
	}
	o.ledger = New(o.store)
	if o.hub, err = hub.New(o.store, hub.Options{Ledger: o.ledger, Now: o.now}); err != nil {
		o.t.Fatal(err)
	}
	o.resolver = NewResolver(o.ledger, o.hub, o.now)
}

// close closes the store and checks it.
func (o *office) close() {
	o.t.Helper()
	o.hub.Close()
	if err := o.store.Close(); err != nil {
		o.t.Error(err)
	}
	report, err := store.Check(context.Background(), o.dir, store.CheckOptions{Tables: Verify()})
	if err != nil || report.Count > 0 {
		o.t.Errorf("check: %+v, %v", report, err)
	}
}

func (o *office) reopen() {
	o.t.Helper()
	o.close()
	o.open()
}

// bring gives changes to the server as a user's.
func (o *office) bring(user string, changes ...*crdt.Change) {
	o.t.Helper()
	var chunks []byte
	for _, c := range changes {
		chunks = append(chunks, c.Bytes()...)
	}
	key := store.DocKey{Company: company, Document: invoice}
	in, err := o.hub.Import(o.t.Context(), key, hub.Author{User: user, Device: user + "'s phone"}, chunks, nil)
	if err != nil || len(in.Refused) > 0 || in.Waiting > 0 {
		o.t.Fatalf("import: %+v, %v", in, err)
	}
}

// all lists all conflicts.
func (o *office) all(f Filter) []Record {
	o.t.Helper()
	var all []Record
	for {
		page, err := o.ledger.List(company, f)
		if err != nil {
			o.t.Fatal(err)
		}
		all = append(all, page.Records...)
		if f.Cursor = page.Next; f.Cursor == "" {
			return all
		}
	}
}

// only returns the only conflict.
func (o *office) only() Conflict {
	o.t.Helper()
	all := o.all(Filter{})
	if len(all) != 1 {
		o.t.Fatalf("%d conflicts: %+v", len(all), all)
	}
	c, err := o.ledger.Get(company, all[0].ID, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// content returns the document as typed JSON.
func (o *office) content() (json string) {
	o.t.Helper()
	err := o.hub.Read(o.t.Context(), store.DocKey{Company: company, Document: invoice}, func(r hub.Reading) error {
		json = string(r.View.AppendTypedJSON(nil, crdt.Root))
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return json
}

// person edits a copy of a document.
type person struct {
	t    *testing.T
	name string
	doc  *crdt.Doc
}

func (p person) edit(fn func(*crdt.Tx) error) *crdt.Change {
	p.t.Helper()
	c, err := p.doc.Edit(crdt.EditOptions{Time: 1_770_000_000}, fn)
	if err != nil || c == nil {
		p.t.Fatalf("edit: %v, %v", c, err)
	}
	return c
}

// branches starts a document on the server and lets people go on from it.
func (o *office) branches(base func(*crdt.Tx) error, names ...string) []person {
	o.t.Helper()
	first := person{o.t, "base", crdt.New()}
	first.doc.SetActor("base")
	o.bring("base", first.edit(base))
	people := make([]person, len(names))
	for i, name := range names {
		doc := crdt.New()
		if err := doc.Merge(first.doc); err != nil {
			o.t.Fatal(err)
		}
		doc.SetActor(crdt.ActorID(name))
		people[i] = person{o.t, name, doc}
	}
	return people
}

// disagree has people edit concurrently, and brings the changes to the server.
func (o *office) disagree(base, ann, ben func(*crdt.Tx) error) {
	o.t.Helper()
	people := o.branches(base, "ann", "ben")
	for i, fn := range []func(*crdt.Tx) error{ann, ben} {
		o.clock = o.clock.Add(time.Minute)
		o.bring(people[i].name, people[i].edit(fn))
	}
	o.clock = o.clock.Add(time.Minute)
}
