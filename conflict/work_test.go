package conflict

import (
	"fmt"
	"testing"

	"concord/crdt"
	"concord/fuzz/ledger"
	"concord/store"
)

// longBranch is how many changes the branches have whose work is bounded: a look
// at all of a branch for each change of another one is above every bound.
const longBranch = 3000

// branchOf returns n changes of an actor who knows others' changes before.
func branchOf(t *testing.T, actor string, n int, edit func(i int) func(*crdt.Tx) error, before ...*crdt.Change) (made []*crdt.Change) {
	t.Helper()
	doc := devicesOf(actor)[0]
	if err := doc.Apply(before...); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		made = append(made, editOf(t, doc, edit(i)))
	}
	return made
}

// always writes the same each time.
func always(edit func(*crdt.Tx) error) func(int) func(*crdt.Tx) error {
	return func(int) func(*crdt.Tx) error { return edit }
}

// chain returns changes of an actor with one op each, as no client makes them that
// sees that they change nothing.
func chain(t *testing.T, actor crdt.ActorID, n int, op crdt.Op, before *crdt.Change) (made []*crdt.Change) {
	t.Helper()
	dep := before
	for i := range n {
		op.ID = crdt.OpID{Counter: before.MaxOp() + 1 + uint32(i), Actor: actor}
		c, err := crdt.EncodeChange(crdt.ChangeMeta{
			Actor: actor, Seq: uint32(i + 1), StartOp: op.ID.Counter, Deps: []crdt.Hash{dep.Hash},
		}, []crdt.Op{op})
		if err != nil {
			t.Fatal(err)
		}
		made, dep = append(made, c), c
		if op.Action == crdt.ActionSet {
			op.Preds = []crdt.OpID{op.ID}
		}
	}
	return made
}

// inTurns returns changes in the order of their places in the branches.
func inTurns(branches ...[]*crdt.Change) (order []*crdt.Change) {
	for i := range branches[0] {
		for _, b := range branches {
			order = append(order, b[i])
		}
	}
	return order
}

// TestWork bounds how much a ledger looks at for a change of a long branch that
// is concurrent to others.
func TestWork(t *testing.T) {
	const n = longBranch
	base := editOf(t, devicesOf("base")[0], func(tx *crdt.Tx) error {
		if _, err := tx.Set(crdt.Root, "count", crdt.CounterValue(0)); err != nil {
			return err
		}
		_, err := tx.Set(crdt.Root, "field", 0)
		return err
	})
	// All that follows is concurrent to what somebody did elsewhere who knows nothing.
	away := editOf(t, devicesOf("cay")[0], set("elsewhere", 0))
	var field crdt.Op
	for op := range base.Ops() {
		if op.Key.Name == "field" {
			field = op
		}
	}
	count := always(func(tx *crdt.Tx) error { return tx.Increment(crdt.Root, "count", 1) })
	deletion, same := field, field
	deletion.Action, deletion.Value, deletion.Preds = crdt.ActionDelete, crdt.Value{}, []crdt.OpID{field.ID}
	same.Value, same.Preds = crdt.IntValue(7), deletion.Preds
	differing := func(who int) func(int) func(*crdt.Tx) error {
		return func(i int) func(*crdt.Tx) error { return set("field", who+i) }
	}
	for _, test := range []struct {
		name     string
		branches [][]*crdt.Change
		values   int // of the record; 0 = there is none
		kind     Kind
	}{
		{"increments", [][]*crdt.Change{branchOf(t, "ann", n, count, base), branchOf(t, "ben", n, count, base)}, 0, ""},
		{"equal writes", [][]*crdt.Change{chain(t, "ann", n, same, base), chain(t, "ben", n, same, base)}, 0, ""},
		{"deletions", [][]*crdt.Change{chain(t, "ann", n, deletion, base), chain(t, "ben", n, deletion, base)}, 0, ""},
		{"deletions and writes", [][]*crdt.Change{chain(t, "ann", n, deletion, base), chain(t, "ben", n, same, base)}, MaxValues, DeleteUpdate},
		{"different writes", [][]*crdt.Change{branchOf(t, "ann", n, differing(1), base), branchOf(t, "ben", n, differing(-n), base)}, MaxValues, UpdateUpdate},
		{"one writer", [][]*crdt.Change{branchOf(t, "ann", 1, always(set("elsewhere", 0)), base), branchOf(t, "ben", n, differing(-n), base)}, 0, ""},
	} {
		orders := map[string][]*crdt.Change{"one after the other": {}}
		for _, b := range test.branches {
			orders["one after the other"] = append(orders["one after the other"], b...)
		}
		if len(test.branches[0]) > 1 {
			orders["in turns"] = inTurns(test.branches...)
		}
		for order, changes := range orders {
			t.Run(test.name+" "+order, func(t *testing.T) {
				d := newDevice(t, ledger.Document)
				d.apply(base)
				d.apply(away)
				for _, c := range changes {
					d.apply(c)
				}
				d.bounded(len(changes))
				values, kind := 0, Kind("")
				for _, r := range d.records() {
					values, kind = r.Values, r.Kind
				}
				if values != test.values || kind != test.kind {
					t.Errorf("a record of %d values, %s; want %d, %s", values, kind, test.values, test.kind)
				}
			})
		}
	}
}

// bounded checks that the ledger looked at no more than a few things for each of
// n changes. Small places are looked at as a whole, and so is a large one as long
// as its record gets values.
func (d *device) bounded(n int) {
	d.t.Helper()
	steps := d.watcher.(*watcher).steps
	if most := 2*manyWrites*n + MaxValues*n/10; steps > most {
		d.t.Errorf("%d looks for %d changes, want at most %d", steps, n, most)
	}
}

// records returns the records that people see.
func (d *device) records() (list []Record) {
	d.t.Helper()
	d.commit()
	page, err := d.ledger.List(company, Filter{Limit: MaxLimit})
	if err != nil {
		d.t.Fatal(err)
	}
	return page.Records
}

// TestWorkOfEpisodes has two people meet after each of many conflicts at one
// place, while a third one has written there long ago and is away.
func TestWorkOfEpisodes(t *testing.T) {
	const n = 500
	docs := devicesOf("ann", "ben", "cay")
	base := editOf(t, docs[0], set("field", 0))
	for _, doc := range docs[1:] {
		if err := doc.Apply(base); err != nil {
			t.Fatal(err)
		}
	}
	order := []*crdt.Change{base, editOf(t, docs[2], set("elsewhere", 0))}
	for i := range n {
		a, b := editOf(t, docs[0], set("field", 2*i+1)), editOf(t, docs[1], set("field", 2*i+2))
		if err := docs[0].Apply(b); err != nil {
			t.Fatal(err)
		}
		if err := docs[1].Apply(a); err != nil {
			t.Fatal(err)
		}
		order = append(order, a, b)
	}
	d := newDevice(t, ledger.Document)
	for _, c := range order {
		d.apply(c)
	}
	if list := d.records(); len(list) != n {
		t.Errorf("%d records, want %d", len(list), n)
	}
	d.bounded(len(order))
}

// TestWorkOfLostEdits has one person replace an object over and over, and another
// one edit each of them, who isn't heard: all the edits are lost, and no write
// covers them.
func TestWorkOfLostEdits(t *testing.T) {
	const n = 4 * maxLost
	docs := devicesOf("ann", "ben")
	d := newDevice(t, ledger.Document)
	for i := range n {
		var made crdt.OpID
		a := editOf(t, docs[0], func(tx *crdt.Tx) (err error) {
			made, err = tx.Set(crdt.Root, "object", map[string]any{})
			return err
		})
		if err := docs[1].Apply(a); err != nil {
			t.Fatal(err)
		}
		b := editOf(t, docs[1], func(tx *crdt.Tx) error {
			_, err := tx.Set(made, "edit", i)
			return err
		})
		d.apply(a)
		d.apply(b)
	}
	if got := len(d.watcher.(*watcher).lost); got != n-1 {
		t.Errorf("%d lost edits, want %d", got, n-1)
	}
	if steps, most := d.watcher.(*watcher).steps, (maxLost+manyWrites)*n; steps > most {
		t.Errorf("%d looks for %d changes, want at most %d", steps, 2*n, most)
	}
	if err := docs[0].Merge(docs[1]); err != nil {
		t.Fatal(err)
	}
	d.apply(editOf(t, docs[0], set("object", 1)))
	closed := 0
	for _, r := range d.watcher.Records() {
		if r.Table == store.TableConflicts {
			if _, h, err := decodeRecord(r.Key, r.Value); err != nil || h.Status == Superseded {
				closed++
			}
		}
	}
	if closed != maxLost {
		t.Errorf("a write closed %d lost edits, want %d", closed, maxLost)
	}
}

// TestWorkOfRemovals has one person write where an object was, and another one go
// on with edits in it, who doesn't see that it is gone: who removed it isn't
// looked up each time.
func TestWorkOfRemovals(t *testing.T) {
	const n = longBranch
	var object crdt.OpID
	base := editOf(t, devicesOf("base")[0], func(tx *crdt.Tx) (err error) {
		object, err = tx.Set(crdt.Root, "object", map[string]any{})
		return err
	})
	removing := branchOf(t, "ann", n, func(i int) func(*crdt.Tx) error { return set("object", i) }, base)
	editing := branchOf(t, "ben", n, func(i int) func(*crdt.Tx) error {
		return func(tx *crdt.Tx) error {
			_, err := tx.Set(object, fmt.Sprint("edit", i), i)
			return err
		}
	}, base)
	d := newDevice(t, ledger.Document)
	d.apply(base)
	for _, c := range removing {
		d.apply(c)
	}
	before := d.watcher.(*watcher).steps
	for _, c := range editing {
		d.apply(c)
	}
	if steps := d.watcher.(*watcher).steps - before; steps > n+10 {
		t.Errorf("%d looks for %d edits of one object, want one at each edit, and one at who removed it", steps, n)
	}
	if list := d.records(); len(list) != 1 || list[0].Values != MaxValues {
		t.Errorf("records %+v", list)
	}
}

// TestWorkOfBranches has many people write in turns who don't hear of each other,
// each at a place of their own or all at the same.
func TestWorkOfBranches(t *testing.T) {
	const people, rounds = 200, 20
	base := editOf(t, devicesOf("base")[0], set("field", 0))
	for _, same := range []bool{false, true} {
		var branches [][]*crdt.Change
		for i := range people {
			key := "field"
			if !same {
				key = fmt.Sprint("field ", i)
			}
			branches = append(branches, branchOf(t, fmt.Sprint("actor", i), rounds, func(n int) func(*crdt.Tx) error {
				return set(key, rounds*i+n+1)
			}, base))
		}
		d := newDevice(t, ledger.Document)
		d.apply(base)
		for _, c := range inTurns(branches...) {
			d.apply(c)
		}
		values := 0
		for _, r := range d.records() {
			values += r.Values
		}
		if want := map[bool]int{true: MaxValues}[same]; values != want {
			t.Errorf("%d values, want %d", values, want)
		}
		w := d.watcher.(*watcher)
		if steps, most := w.branches.steps, 2*people*people*rounds; steps > most {
			t.Errorf("%d looks at heads and changes, want at most %d", steps, most)
		}
		if steps, most := w.steps, 2*people*people*rounds; steps > most {
			t.Errorf("%d looks at writes, want at most %d", steps, most)
		}
	}
}
