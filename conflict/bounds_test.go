package conflict

import (
	"fmt"
	"testing"

	"concord/crdt"
	"concord/fuzz/ledger"
	"concord/store"
)

// devicesOf returns empty copies of a document for actors.
func devicesOf(actors ...string) []*crdt.Doc {
	docs := make([]*crdt.Doc, len(actors))
	for i, actor := range actors {
		docs[i] = crdt.New()
		docs[i].SetActor(crdt.ActorID(actor))
	}
	return docs
}

func editOf(t *testing.T, d *crdt.Doc, fn func(*crdt.Tx) error) *crdt.Change {
	t.Helper()
	c, err := d.Edit(crdt.EditOptions{}, fn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// only returns the one record that there is, checked.
func (d *device) only() head {
	d.t.Helper()
	d.commit()
	if n := len(d.store[store.TableConflicts]); n != 1 {
		d.t.Fatalf("%d records", n)
	}
	row := d.store[store.TableConflicts][0]
	_, h, err := decodeRecord(row.Key, row.Value)
	if err != nil {
		d.t.Fatal(err)
	}
	c, err := d.ledger.Get(company, h.ID, nil)
	if err != nil || len(c.Sides) != h.Values {
		d.t.Fatalf("%d values, the record says %d: %v", len(c.Sides), h.Values, err)
	}
	return h
}

// TestLongBranches has two people write more often into one field, unseen by each
// other, than values are kept: the record goes on telling what is shown, and is
// closed.
func TestLongBranches(t *testing.T) {
	const rounds = MaxValues
	for _, turns := range []bool{false, true} {
		docs := devicesOf("ann", "ben")
		made := make([][]*crdt.Change, len(docs))
		for i, doc := range docs {
			for n := range rounds {
				made[i] = append(made[i], editOf(t, doc, set("field", fmt.Sprint(n, i))))
			}
		}
		var order []*crdt.Change
		if turns {
			for n := range rounds {
				order = append(order, made[0][n], made[1][n])
			}
		} else {
			order = append(append(order, made[0]...), made[1]...)
		}
		d := newDevice(t, ledger.Document)
		for _, c := range order {
			d.apply(c)
		}
		h := d.only()
		if h.Values != MaxValues || h.Status != Open || h.Kind != UpdateUpdate {
			t.Errorf("%d values, %s, %s", h.Values, h.Status, h.Kind)
		}
		want := shown(d.content.View(), d.field("field"))
		if h.Winner == nil || h.Winner.Op != want.Op {
			t.Errorf("winner %+v, the document shows %+v", h.Winner, want)
		}
		for _, c := range order {
			docs[0].Apply(c) // its own are known
		}
		last := editOf(t, docs[0], set("field", "end"))
		d.apply(last)
		if h = d.only(); h.Status != Superseded || h.Closer.Change != last.Hash.String() {
			t.Errorf("%s by %+v", h.Status, h.Closer)
		}
	}
}

func (d *device) field(key string) crdt.Item {
	item, ok := d.content.View().Field(crdt.Root, key)
	if !ok {
		d.t.Fatalf("no field %s", key)
	}
	return item
}

// TestNestedRemovals removes each of many objects that are in each other, and
// edits the innermost: what is kept grows with that, not with its square.
func TestNestedRemovals(t *testing.T) {
	const depth, edits = 60, 40
	docs := devicesOf("ann", "ben")
	chain := []crdt.OpID{crdt.Root}
	base := editOf(t, docs[0], func(tx *crdt.Tx) error {
		for range depth {
			obj, err := tx.Set(chain[len(chain)-1], "o", map[string]any{})
			if err != nil {
				return err
			}
			chain = append(chain, obj)
		}
		return nil
	})
	if err := docs[1].Apply(base); err != nil {
		t.Fatal(err)
	}
	removals := editOf(t, docs[0], func(tx *crdt.Tx) error {
		for i := depth - 1; i >= 0; i-- {
			if err := tx.Delete(chain[i], "o"); err != nil {
				return err
			}
		}
		return nil
	})
	inner := editOf(t, docs[1], func(tx *crdt.Tx) error {
		for i := range edits {
			if _, err := tx.Set(chain[depth], fmt.Sprint(i), i); err != nil {
				return err
			}
		}
		return nil
	})
	for _, order := range [][]*crdt.Change{{base, removals, inner}, {base, inner, removals}} {
		d := newDevice(t, ledger.Document)
		for _, c := range order {
			d.apply(c)
		}
		d.commit()
		lost := 0
		for _, row := range d.store[store.TableConflicts] {
			_, h, err := decodeRecord(row.Key, row.Value)
			if err != nil {
				t.Fatal(err)
			}
			if h.Kind == LostEdit {
				if lost++; h.Values != edits+1 {
					t.Errorf("%d values, want %d", h.Values, edits+1)
				}
			}
		}
		if lost != maxAround {
			t.Errorf("%d lost edits, want %d", lost, maxAround)
		}
	}
}

// TestCrowdFitsTheStore has as many people as a document may have heads write into
// one field, with the longest names of devices that a hub takes.
func TestCrowdFitsTheStore(t *testing.T) {
	d := newDevice(t, ledger.Document)
	one := devicesOf("one")[0]
	most := 0
	take := func(c *crdt.Change) {
		d.apply(c)
		for _, r := range d.watcher.Records() {
			if len(r.Key) > store.MaxKey {
				t.Fatalf("a key of %d bytes", len(r.Key))
			}
			most = max(most, len(r.Value))
		}
	}
	for i := range 1024 {
		c := editOf(t, devicesOf(fmt.Sprintf("%0128d", i))[0], set("field", i))
		take(c)
		if err := one.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	two := devicesOf("two")[0]
	if err := two.LoadIncremental(one.Save(), crdt.Limits{}); err != nil {
		t.Fatal(err)
	}
	take(editOf(t, one, set("field", "one")))
	take(editOf(t, two, set("field", "two")))
	if most > store.MaxValue {
		t.Errorf("a record of %d bytes, the store takes %d", most, store.MaxValue)
	}
	if most < store.MaxValue/8 {
		t.Errorf("the largest record has %d bytes: this tests nothing", most)
	}
}
