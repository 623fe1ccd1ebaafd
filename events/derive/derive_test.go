package derive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// one is a rules file with one event for invoices.
func one(fields string) string {
	return ownTypes + "events: [{name: n, type: invoice, emit: test:status, " + fields + "}]"
}

// remove is a value that isn't written, but deletes what is there.
type remove struct{}

// TestRules makes a document and sets places of it, one after the other. What is
// wanted is the field a of each event.
func TestRules(t *testing.T) {
	type set struct {
		path  string
		value any
	}
	text := crdt.StringValue
	for name, c := range map[string]struct {
		rule    string
		content any
		sets    []set
		want    string
	}{
		"text and scalar string are one value": {
			"field: /a", map[string]any{"a": "x"}, []set{{"/a", text("x")}, {"/a", "x"}, {"/a", text("y")}}, "x, y",
		},
		"numbers": {
			"field: /a", map[string]any{"a": 1}, []set{{"/a", 1.0}, {"/a", crdt.Counter(1)}, {"/a", 1.5}, {"/a", text("1.5")}}, "1, 1.5, 1.5",
		},
		"not a number": {
			"field: /a, from: 1", map[string]any{"a": 1}, []set{{"/a", math.NaN()}, {"/a", math.NaN()}}, "<nil>",
		},
		"maps are alike": {
			"field: /a", map[string]any{"a": map[string]any{"x": 1}}, []set{{"/a/x", 2}, {"/a", map[string]any{}}, {"/a", []any{}}, {"/a", true}},
			"map[x:1], [], true",
		},
		"long texts": {
			"field: /a, to: " + strings.Repeat("x", 200), map[string]any{}, []set{{"/a", strings.Repeat("x", 5000)}}, "",
		},
		"null and nothing": {
			"field: /a, from: null, to: [1, 2]", map[string]any{}, []set{{"/a", nil}, {"/a", 1}, {"/a", nil}, {"/a", 2}, {"/a", remove{}}, {"/a", 1}}, "1, 2, 1",
		},
		"to nothing": {
			"field: /a, to: null", map[string]any{"a": 1}, []set{{"/a", nil}, {"/a", 1}, {"/a", remove{}}, {"/a", nil}}, "<nil>, <nil>, <nil>",
		},
		"a condition that an empty document meets": {
			`becomes: "not /x exists or /a > 1"`, map[string]any{"a": 5, "x": 1}, nil, "",
		},
		"a condition that comes true twice": {
			`becomes: "/a > 1"`, map[string]any{"a": 5}, []set{{"/a", 6}, {"/a", 0}, {"/a", 7}}, "5, 7",
		},
		"a condition with a comparison of two places": {
			`becomes: "/a < /b"`, map[string]any{"a": 5}, []set{{"/b", 6}, {"/a", 6}, {"/b", 7}}, "5, 6",
		},
		"when is about the state after": {
			"field: /a, when: /b == 1", map[string]any{"a": 1}, []set{{"/a", 2}, {"/b", 1}, {"/a", 3}}, "3",
		},
		"places in lists": {
			"field: /a/0/b", map[string]any{"a": []any{map[string]any{"b": 1}}},
			[]set{{"/a/0/b", 2}, {"/a/0", map[string]any{"b": 2}}, {"/a/0", map[string]any{"b": 3}}}, "[map[b:1]], [map[b:2]], [map[b:3]]",
		},
		"keys with signs": {
			"field: /x~1y/ä", map[string]any{"a": 1}, []set{{"/x~1y", map[string]any{"ä": 1}}, {"/x~1y/ä", 2}, {"/a", 2}}, "1, 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, one(c.rule+", room: company, data: {a: /a}"))
			key := r.create("invoice", c.content)
			for _, s := range c.sets {
				if s.value == (any)(remove{}) {
					r.edit(key, hub.Edit{Write: func(tx *crdt.Tx, _ hub.Reading) error { return tx.DeleteAt(s.path) }})
				} else {
					r.set(key, s.path, s.value)
				}
			}
			var got []string
			for _, e := range r.all(key.Document) {
				got = append(got, fmt.Sprint(e.Data["a"]))
			}
			if got := strings.Join(got, ", "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestRooms(t *testing.T) {
	many := make([]any, 150)
	for i := range many {
		many[i] = fmt.Sprint("user ", i)
	}
	for name, c := range map[string]struct {
		room string
		who  any
		want string
	}{
		"company":          {"company", "ann", "company:acme"},
		"document":         {"document", "ann", "document:osHDVob1QLQTN7wysP4n72GTda"},
		"user":             {"user:/who", "ann", "user:ann"},
		"scalar":           {"user:/who", crdt.StringValue("ann"), "user:ann"},
		"users":            {"user:/who", []any{"ann", crdt.StringValue("bob"), "ann", "", 5, map[string]any{}, nil}, "user:ann user:bob"},
		"nobody":           {"user:/who", []any{}, ""},
		"no name":          {"user:/who", 5, ""},
		"a long name":      {"user:/who", strings.Repeat("x", 257), ""},
		"the longest name": {"user:/who", strings.Repeat("x", 256), "user:" + strings.Repeat("x", 256)},
		"a map":            {"user:/who", map[string]any{"ann": true}, ""},
		"elsewhere":        {"user:/who/0/name", []any{map[string]any{"name": "eve"}}, "user:eve"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, one("field: /x, room: \""+c.room+"\""))
			key := r.create("invoice", map[string]any{"who": c.who, "x": 1})
			var rooms []string
			for _, e := range r.all(key.Document) {
				rooms = append(rooms, e.Room)
			}
			if got := strings.Join(rooms, " "); got != strings.ReplaceAll(c.want, "osHDVob1QLQTN7wysP4n72GTda", key.Document.String()) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	r := newRig(t, one(`field: /x, room: "user:/who"`))
	if n := len(r.all(r.create("invoice", map[string]any{"who": many, "x": 1}).Document)); n != maxUsers {
		t.Errorf("%d rooms", n)
	}
}

// What is too large for an event is left out; the event comes all the same.
func TestLargeData(t *testing.T) {
	r := newRig(t, one("field: /x, room: company, data: {a: /a, b: /b, c: /c, d: /d, e: /e, f: /f}"))
	lines := make([]any, 20_000)
	for i := range lines {
		lines[i] = i
	}
	key := r.create("invoice", map[string]any{
		"x": 1, "a": strings.Repeat("a", maxValue-2), "b": strings.Repeat("b", maxValue-1), "c": crdt.StringValue(strings.Repeat("c", maxValue)),
		"d": lines, "e": strings.Repeat("\x01", maxValue/2), "f": []any{1, 2},
	})
	list := r.all(key.Document)
	if len(list) != 1 || len(list[0].Data) != 6 || list[0].Data["a"] == nil || fmt.Sprint(list[0].Data["f"]) != "[1 2]" {
		t.Fatalf("%d events, the first with %d fields", len(list), len(list[0].Data))
	}
	r.set(key, "/b", strings.Repeat("b", maxValue-2))
	r.set(key, "/c", strings.Repeat("c", maxValue-2))
	r.set(key, "/d", strings.Repeat("d", maxValue-2))
	r.set(key, "/x", 2)
	list = r.all(key.Document)
	if data := list[len(list)-1].Data; len(list) != 2 || data["c"] == nil || data["d"] != nil || data["f"] == nil {
		t.Errorf("%d events, the last with %d fields", len(list), len(data))
	}
}

// Changes that come together make a bounded number of events.
func TestManyEventsTogether(t *testing.T) {
	r := newRig(t, one("field: /x, room: company, data: {a: /a}"))
	key := r.create("invoice", map[string]any{"a": strings.Repeat("a", 2000)})
	doc := crdt.New()
	doc.SetActor("x")
	file, err := r.hub.Export(t.Context(), key)
	if err == nil {
		err = doc.LoadIncremental(file, crdt.Limits{})
	}
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for i := range maxEvents + 10 {
		c, err := doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { _, err := tx.Set(crdt.Root, "x", i); return err })
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, c.Bytes()...)
	}
	if got, err := r.hub.Import(t.Context(), key, hub.Author{User: "ann"}, b, nil); err != nil || got.New != maxEvents+10 {
		t.Fatalf("import: %+v %v", got, err)
	}
	full := 0
	list := r.all(key.Document)
	for _, e := range list {
		if e.Data["a"] != nil {
			full++
		}
	}
	if s := r.deriver.Stats(); len(list) != maxEvents || full < 2000 || full > maxTogether/2000 || s.Dropped != 10 || s.Derived != maxEvents {
		t.Errorf("%d events, %d with content, %+v", len(list), full, s)
	}
}

// An event that doesn't fit the schema of its type isn't made, and the change is
// stored.
func TestInvalidEvents(t *testing.T) {
	r := newRig(t, `
types: [{name: a:b, schema: {type: object, properties: {n: {type: number}, ref: {type: string}}, required: [n], additionalProperties: false}}]
events: [{name: n, type: invoice, field: /n, emit: a:b, room: company, data: {n: /n}}]`)
	key := r.create("invoice", map[string]any{"n": "text"})
	r.set(key, "/n", 5)
	r.edit(key, hub.Edit{Write: func(tx *crdt.Tx, _ hub.Reading) error { return tx.DeleteAt("/n") }})
	n := 0
	err := r.store.Scan("acme", store.TableEvents, store.Range{}, func(_, v []byte) error {
		if n++; !strings.HasSuffix(string(v), `{"ref":"ref-`+key.Document.String()+`","n":5}`) {
			t.Errorf("event %q", v)
		}
		return nil
	})
	if err != nil || n != 1 || r.deriver.Stats().Invalid != 2 {
		t.Errorf("%d events, %+v, %v", n, r.deriver.Stats(), err)
	}
}

const projects = "events: [{name: n, type: project, on: [created, updated, deleted], emit: 'project:*', room: company, data: {name: /name}}]"

// types returns the types of a document's events.
func (r *rig) types(doc id.DocumentID) string {
	r.t.Helper()
	var all []string
	for _, e := range r.all(doc) {
		all = append(all, fmt.Sprint(e.Type, " ", e.From, " ", e.Data["name"]))
	}
	return strings.Join(all, ", ")
}

func (r *rig) pending() (n int) {
	r.t.Helper()
	if err := r.store.Scan("acme", store.TableEventState, store.Range{}, func(_, _ []byte) error { n++; return nil }); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func TestUpdatesComeOnceASecond(t *testing.T) {
	r := newRig(t, projects)
	key := r.create("project", map[string]any{"name": "A"})
	expect := func(what, want string, pending int) {
		t.Helper()
		if got := r.types(key.Document); got != want || r.pending() != pending || r.deriver.Stats().Pending != pending {
			t.Errorf("%s: %s, want %s; %d and %d pending", what, got, want, r.pending(), r.deriver.Stats().Pending)
		}
	}
	expect("a new document", "project:created erp A", 0)
	r.set(key, "/name", "B")
	r.set(key, "/name", "C")
	r.clock.sleep(900 * time.Millisecond)
	r.flush()
	expect("too early", "project:created erp A", 1)
	r.set(key, "/name", "D")
	r.clock.sleep(200 * time.Millisecond)
	r.flush()
	expect("three updates", "project:created erp A, project:updated erp D", 0)
	r.clock.sleep(5 * time.Second)
	r.flush()
	r.set(key, "/other", crdt.StringValue("x"))
	r.set(key, "/other", crdt.StringValue("x"))
	r.restart()
	expect("after a restart", "project:created erp A, project:updated erp D", 1)
	r.flush()
	expect("told after a restart", "project:created erp A, project:updated erp D, project:updated erp D", 0)
	r.clock.sleep(5 * time.Second)
	r.set(key, "/other", crdt.StringValue("x"))
	expect("the same value", "project:created erp A, project:updated erp D, project:updated erp D", 0)

	r.set(key, "/name", "E")
	r.rules = &Rules{catalogue: r.rules.catalogue}
	r.restart()
	r.flush()
	expect("a rule that is gone", "project:created erp A, project:updated erp D, project:updated erp D", 0)
}

// Each rule has a second of its own.
func TestUpdatesOfTwoRules(t *testing.T) {
	r := newRig(t, ownTypes+`events:
  - {name: x, type: project, on: updated, when: /x exists, emit: test:updated, room: company, data: {name: /x}}
  - {name: y, type: project, on: updated, when: /y exists, emit: test:due, room: company, data: {name: /y}}`)
	key := r.create("project", map[string]any{})
	r.set(key, "/x", 1)
	r.clock.sleep(900 * time.Millisecond)
	r.set(key, "/y", 2)
	r.clock.sleep(200 * time.Millisecond)
	r.flush()
	if got := r.types(key.Document); got != "test:updated erp 1" || r.pending() != 1 {
		t.Errorf("%s, %d pending", got, r.pending())
	}
	r.clock.sleep(time.Second)
	r.flush()
	if got := r.types(key.Document); got != "test:updated erp 1, test:due erp 2" || r.pending() != 0 {
		t.Errorf("%s, %d pending", got, r.pending())
	}
}

// A deletion is told without content; what was to be told goes with the document.
func TestDeleted(t *testing.T) {
	r := newRig(t, projects)
	key := r.create("project", map[string]any{"name": "Secret"})
	r.set(key, "/name", "Secret, too")
	now := r.clock.now()
	err := r.hub.Purge(t.Context(), key, store.Purge{By: "root", At: now, Records: r.deriver.Deleted(key, "project", "root", now)})
	if err != nil {
		t.Fatal(err)
	}
	r.clock.sleep(5 * time.Second)
	r.flush()
	if got := r.types(key.Document); got != "project:deleted root <nil>" || r.pending() != 0 || r.deriver.Stats().Pending != 0 {
		t.Errorf("%s, %d pending, %+v", got, r.pending(), r.deriver.Stats())
	}
	if list := r.all(key.Document); len(list) == 1 && list[0].Data["ref"] != nil {
		t.Error("the event tells the name of a document that is gone")
	}
	if len(r.deriver.Deleted(key, "invoice", "root", now)) != 0 {
		t.Error("a type without rules is told")
	}
}

// Of a history that is imported with a new document only the creation is told.
func TestImportedHistory(t *testing.T) {
	r := newRig(t, ownTypes+`events:
  - {name: a, type: project, on: [created, updated], emit: "project:*", room: company, data: {name: /name}}
  - {name: b, type: project, field: /name, emit: test:status, room: company, data: {name: /name}}`)
	doc := crdt.New()
	doc.SetActor("x")
	edit := func(name string) {
		if _, err := doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { _, err := tx.Set(crdt.Root, "name", name); return err }); err != nil {
			t.Fatal(err)
		}
	}
	edit("A")
	edit("B")
	key := store.DocKey{Company: "acme", Document: id.DocumentID{9}}
	bring := func(chunks []byte, records ...store.Record) {
		t.Helper()
		if _, err := r.hub.Import(t.Context(), key, hub.Author{User: "ann"}, chunks, records); err != nil {
			t.Fatal(err)
		}
	}
	chunks := doc.Save()
	edit("C")
	chunks = append(chunks, doc.Save()...) // taken by itself
	bring(chunks, store.Record{Table: store.TableDocumentTypes, Key: key.Document[:], Value: []byte("project\x00p")})
	edit("B")
	bring(doc.Save())
	r.clock.sleep(2 * time.Second)
	r.flush()
	if got, want := r.types(key.Document), "project:created ann B, test:status ann B, project:updated ann B"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// failing is a store whose writes fail when they are told to.
type failing struct {
	*store.Store
	fail atomic.Bool
}

var errFailing = errors.New("no")

func (s *failing) AppendAll(ctx context.Context, list []store.Append, done func(error)) error {
	if s.fail.Load() {
		return errFailing
	}
	return s.Store.AppendAll(ctx, list, done)
}

// What was given up isn't told, and what follows is.
func TestAbandonedUpdates(t *testing.T) {
	r := newRig(t, projects)
	s := &failing{Store: r.store}
	r.hub.Close()
	var err error
	if r.hub, err = hub.New(s, hub.Options{Deriver: r.deriver, Now: r.clock.now}); err != nil {
		t.Fatal(err)
	}
	lose := func(key store.DocKey) {
		t.Helper()
		s.fail.Store(true)
		defer s.fail.Store(false)
		_, err := r.hub.Edit(t.Context(), key, hub.Edit{By: hub.Author{User: "eve"}, Write: func(tx *crdt.Tx, _ hub.Reading) error {
			_, err := tx.SetAt("/name", "lost")
			return err
		}})
		if !errors.Is(err, errFailing) {
			t.Fatal(err)
		}
	}
	lost, kept, before := r.create("project", map[string]any{}), r.create("project", map[string]any{}), r.create("project", map[string]any{})
	lose(lost)
	lose(kept)
	r.set(kept, "/name", "B")
	r.set(before, "/name", "C")
	lose(before)
	if n := r.pending(); n != 2 {
		t.Errorf("%d updates are pending", n)
	}
	r.clock.sleep(2 * time.Second)
	r.flush()
	for key, want := range map[store.DocKey]string{
		lost: "project:created erp <nil>",
		kept: "project:created erp <nil>, project:updated eve B", before: "project:created erp <nil>, project:updated erp C",
	} {
		if got := r.types(key.Document); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if s := r.deriver.Stats(); s.Pending != 0 || r.pending() != 0 {
		t.Errorf("%+v, %d pending", s, r.pending())
	}
}

// wake has a Deriver look at its clock, which goes faster than others.
func wake(d *Deriver) {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// Many edit at a time while updates are told: the events are those of the oracle,
// and no update is lost.
func TestEventsOfManyAtATime(t *testing.T) {
	r := newRig(t, lawRules("free"))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.deriver.Run(ctx, r.hub) })
	keys := []store.DocKey{r.create("free", map[string]any{"total": 9}), r.create("free", map[string]any{"total": 9})}
	var editors sync.WaitGroup
	for e := range 8 {
		editors.Go(func() {
			for i := range 100 {
				key := keys[i%2]
				_, err := r.hub.Edit(ctx, key, hub.Edit{By: hub.Author{User: fmt.Sprint("user ", e)}, Write: func(tx *crdt.Tx, _ hub.Reading) error {
					if _, err := tx.Set(crdt.Root, "customer", map[string]any{"name": fmt.Sprint(e, "-", i)}); err != nil {
						return err
					}
					_, err := tx.Set(crdt.Root, "status", crdt.StringValue([]string{"sent", "paid", "posted"}[(e+i)%3]))
					return err
				}})
				if err != nil {
					t.Error(err)
				}
				r.clock.sleep(100 * time.Millisecond)
				wake(r.deriver)
			}
		})
	}
	editors.Wait()
	r.clock.sleep(2 * time.Second)
	for r.pending() > 0 {
		wake(r.deriver)
		time.Sleep(time.Millisecond)
	}
	cancel()
	running.Wait()
	for _, key := range keys {
		var got, want []told
		updates, last := 0, told{}
		for _, e := range r.all(key.Document) {
			if strings.HasSuffix(e.Type, ":updated") {
				updates, last = updates+1, e
			} else {
				got = append(got, e)
			}
		}
		log := r.log(key)
		want = append(want, foretell(t, key, "free", log, nil)...)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("events %v\nwant %v", got, want)
		}
		final := ""
		if err := r.hub.Read(t.Context(), key, func(d hub.Reading) error {
			item, err := d.View.Lookup("/customer/name")
			final = d.View.Text(item.ID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		span := log[len(log)-1].received.Sub(log[0].received)
		if updates < 10 || time.Duration(updates) > span/time.Second+2 || last.Data["name"] != final {
			t.Errorf("%d updates in %v, the last of %v, the document is %s", updates, span, last.Data["name"], final)
		}
	}
}
