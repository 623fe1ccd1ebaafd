package guard

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/crdt"
	"concord/store"
)

const finalInvoices = `
guards:
  - name: final
    type: invoice
    when: /status in [posted, paid]
    lock: [/status, /lines, /total, /notes, /customer/vat]
    except: {roles: [accountant]}
`

const lockedPrices = `
guards:
  - name: prices
    type: invoice
    when: /status == posted
    lock: [/lines/*/price]
    except: {roles: [accountant]}
`

func invoice(status string) map[string]any {
	return map[string]any{
		"status": crdt.StringValue(status), "total": 100, "notes": "all good", "paid": crdt.Counter(3),
		"customer": map[string]any{"name": "A", "vat": 1},
		"lines":    []any{line(1), line(2), line(3)},
	}
}

func line(price int) map[string]any {
	return map[string]any{"price": price, "note": crdt.StringValue("n"), "qty": crdt.Counter(1)}
}

// TestJudge pushes a batch of offline edits and compares what becomes of them.
func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		rules, status string
		roles         []string
		edits         []func(tx *crdt.Tx) error // one change each
		changed       map[string]string         // JSON of places afterwards; others are as they were
		proposals     string
	}{
		"field": {
			rules: finalInvoices, status: "posted", edits: edits(set("/total", 5)),
			proposals: "final /total: 100 -> 5",
		},
		"not in force": {
			rules: finalInvoices, status: "draft", edits: edits(set("/total", 5)), changed: map[string]string{"/total": "5"},
		},
		"excepted role": {
			rules: finalInvoices, status: "posted", roles: []string{"editor", "accountant"}, edits: edits(set("/total", 5)),
			changed: map[string]string{"/total": "5"},
		},
		"other field": {
			rules: finalInvoices, status: "posted", edits: edits(set("/customer/name", 5)),
			changed: map[string]string{"/customer": `{"name":5,"vat":1}`},
		},
		"posting is judged by the draft": {
			rules: finalInvoices, status: "draft", edits: edits(both(set("/status", crdt.StringValue("posted")), set("/total", 7))),
			changed: map[string]string{"/total": "7", "/status": `"posted"`},
		},
		"after posting": {
			rules: finalInvoices, status: "draft",
			edits:   edits(set("/total", 6), set("/status", crdt.StringValue("posted")), set("/total", 7)),
			changed: map[string]string{"/total": "6", "/status": `"posted"`}, proposals: "final /total: 6 -> 7",
		},
		"a lock isn't lifted from inside": {
			rules: finalInvoices, status: "posted", edits: edits(set("/status", crdt.StringValue("draft")), set("/total", 7)),
			proposals: "final /status: \"posted\" -> \"draft\"\nfinal /total: 100 -> 7",
		},
		"a lock is lifted": {
			rules: lockedPrices, status: "posted",
			edits:     edits(set("/lines/0/price", 9), set("/lines/1/price", 9), set("/status", crdt.StringValue("draft")), set("/lines/0/price", 8)),
			changed:   map[string]string{"/status": `"draft"`, "/lines/0/price": "8"},
			proposals: "prices /lines/1/price: 2 -> 9",
		},
		"undone by its author": {
			rules: finalInvoices, status: "posted", edits: edits(set("/total", 5), set("/total", 100)),
		},
		"same value again": {
			rules: finalInvoices, status: "posted", edits: edits(both(set("/total", 5), set("/total", crdt.IntValue(100)))),
		},
		"other type": {
			rules: finalInvoices, status: "posted", edits: edits(set("/total", crdt.Float64Value(100.5)), set("/total", crdt.Float64Value(100))), proposals: "final /total: 100 -> 100",
		},
		"several times": {
			rules: finalInvoices, status: "posted", edits: edits(set("/total", 5), set("/total", 6)), proposals: "final /total: 100 -> 6",
		},
		"deletion": {
			rules: finalInvoices, status: "posted", edits: edits(remove("/total")), proposals: "final /total: 100 -> nothing",
		},
		"creation": {
			rules: "guards: [{name: n, type: invoice, lock: /extra}]", status: "x", edits: edits(set("/extra", map[string]any{"a": 1})),
			proposals: `n /extra: nothing -> {"a":1}`,
		},
		"text": {
			rules: finalInvoices, status: "posted",
			edits: edits(func(tx *crdt.Tx) error { return splice(tx, "/notes", 3, 1, "-") }), proposals: `final /notes: "all good" -> "all-good"`,
		},
		"mark": {
			rules: finalInvoices, status: "posted",
			edits: edits(func(tx *crdt.Tx) error {
				notes, err := tx.Lookup("/notes")
				if err == nil {
					err = tx.Mark(notes.ID, 0, 3, "bold", true, crdt.ExpandNone)
				}
				return err
			}),
			proposals: `final /notes: "all good" -> "all good"`,
		},
		"field of an element": {
			rules: finalInvoices, status: "posted", edits: edits(set("/lines/1/price", 9)), proposals: "final /lines/1/price: 2 -> 9",
		},
		"counter": {
			rules: finalInvoices, status: "posted",
			edits: edits(func(tx *crdt.Tx) error {
				l, err := tx.Lookup("/lines/1")
				if err == nil {
					err = tx.Increment(l.ID, "qty", 4)
				}
				return err
			}),
			proposals: "final /lines/1/qty: 1 -> 5",
		},
		"new element": {
			rules: finalInvoices, status: "posted", edits: edits(set("/lines/-", crdt.StringValue("x"))), proposals: `final /lines/3: nothing -> "x"`,
		},
		"deleted element": {
			rules: finalInvoices, status: "posted", edits: edits(remove("/lines/0"), set("/customer/name", 2)),
			changed:   map[string]string{"/customer": `{"name":2,"vat":1}`},
			proposals: `final /lines/0: {"note":"n","price":1,"qty":1} -> nothing`,
		},
		"elements deleted while others come in front": {
			rules: finalInvoices, status: "posted",
			edits: edits(remove("/lines/1"), both(insert("/lines", 0, 8), insert("/lines", 0, 9)), remove("/lines/2")),
			proposals: "final /lines/1: {\"note\":\"n\",\"price\":2,\"qty\":1} -> nothing\nfinal /lines/0: nothing -> 9\n" +
				"final /lines/1: nothing -> 8\nfinal /lines/2: {\"note\":\"n\",\"price\":1,\"qty\":1} -> nothing",
		},
		"moved element": {
			rules: finalInvoices, status: "posted", edits: edits(both(remove("/lines/0"), set("/lines/-", crdt.StringValue("x")))),
			proposals: "final /lines/0: {\"note\":\"n\",\"price\":1,\"qty\":1} -> nothing\nfinal /lines/2: nothing -> \"x\"",
		},
		"element with a locked field": {
			rules: lockedPrices, status: "posted", edits: edits(remove("/lines/1"), set("/lines/0/note", 3)),
			changed:   map[string]string{"/lines/0/note": "3"},
			proposals: `prices /lines/1: {"note":"n","price":2,"qty":1} -> nothing`,
		},
		"new element with a locked field": {
			rules: lockedPrices, status: "posted", edits: edits(set("/lines/-", map[string]any{"price": 5}), set("/lines/0/note", 3)),
			changed:   map[string]string{"/lines/0/note": "3"},
			proposals: `prices /lines/3: nothing -> {"price":5}`,
		},
		"new element without one": {
			rules: lockedPrices, status: "posted", edits: edits(set("/lines/-", map[string]any{"note": 5})),
			changed: map[string]string{"/lines/-": `{"note":5}`},
		},
		"what holds the place goes": {
			rules: finalInvoices, status: "posted", edits: edits(remove("/customer")),
			proposals: `final /customer: {"name":"A","vat":1} -> nothing`,
		},
		"what holds the place goes after an edit": {
			rules: lockedPrices, status: "posted", edits: edits(set("/lines/1/price", 9), remove("/lines/1"), set("/total", 3)),
			changed:   map[string]string{"/total": "3"},
			proposals: `prices /lines/1: {"note":"n","price":2,"qty":1} -> nothing`,
		},
		"what holds the place is replaced": {
			rules: finalInvoices, status: "posted", edits: edits(set("/customer", map[string]any{"vat": 2})),
			proposals: `final /customer: {"name":"A","vat":1} -> {"vat":2}`,
		},
		"what holds the place is replaced by its like": {
			rules: finalInvoices, status: "posted", edits: edits(set("/customer", map[string]any{"vat": 1, "name": 2})),
			changed: map[string]string{"/customer": `{"name":2,"vat":1}`},
		},
		"replaced by its like after an edit": {
			rules: finalInvoices, status: "posted", edits: edits(set("/customer/vat", 2), set("/customer", map[string]any{"vat": 2})),
			proposals: `final /customer: {"name":"A","vat":1} -> {"vat":2}`,
		},
		"the whole document": {
			rules: "guards: [{name: n, type: invoice, lock: ''}]", status: "x", edits: edits(set("/total", 1), set("/new", 2)),
			proposals: "n /total: 100 -> 1\nn /new: nothing -> 2",
		},
		"first rule": {
			rules: `guards: [{name: a, type: invoice, lock: /x}, {name: b, type: invoice, lock: /total}, {name: c, type: invoice, lock: /total}]`,
			edits: edits(set("/total", 1)), proposals: "b /total: 100 -> 1",
		},
		"many places": {
			rules: finalInvoices, status: "posted",
			edits: edits(func(tx *crdt.Tx) error {
				for range 150 {
					if _, err := tx.SetAt("/lines/-", 1); err != nil {
						return err
					}
				}
				return nil
			}),
			proposals: "final /lines: " + `[{"note":"n","price":1,"qty":1},{"note":"n","price":2,"qty":1},{"note":"n","price":3,"qty":1}] -> ` +
				`[{"note":"n","price":1,"qty":1},{"note":"n","price":2,"qty":1},{"note":"n","price":3,"qty":1}` + repeat(",1", 150) + "]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.rules)
			key := r.create(invoice(c.status))
			u, expected := r.join(key, "bob", "mobile", c.roles...), r.join(key, "eve", "model")
			var batch []*crdt.Change
			for _, fn := range c.edits {
				batch = append(batch, u.edit(fn))
			}
			for pointer, text := range c.changed {
				expected.set(pointer, parseJSON(t, text))
			}
			u.sync(batch...)
			if diff := cmp.Diff(expected.json(), u.json()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(c.proposals, summary(r.of(key.Document))); diff != "" {
				t.Errorf("proposals, -want +got:\n%s", diff)
			}
			if n := len(r.of(key.Document)); n > 1 {
				t.Errorf("%d answers", n)
			}
		})
	}
}

func edits(all ...func(*crdt.Tx) error) []func(*crdt.Tx) error { return all }

func set(pointer string, value any) func(*crdt.Tx) error {
	return func(tx *crdt.Tx) error {
		_, err := tx.SetAt(pointer, value)
		return err
	}
}

func remove(pointer string) func(*crdt.Tx) error {
	return func(tx *crdt.Tx) error { return tx.DeleteAt(pointer) }
}

func insert(list string, index int, value any) func(*crdt.Tx) error {
	return func(tx *crdt.Tx) error {
		item, err := tx.Lookup(list)
		if err != nil {
			return err
		}
		return tx.Insert(item.ID, index, value)
	}
}

func both(a, b func(*crdt.Tx) error) func(*crdt.Tx) error {
	return func(tx *crdt.Tx) error {
		if err := a(tx); err != nil {
			return err
		}
		return b(tx)
	}
}

func splice(tx *crdt.Tx, pointer string, index, remove int, s string) error {
	text, err := tx.Lookup(pointer)
	if err != nil {
		return err
	}
	return tx.SpliceText(text.ID, index, remove, s)
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func parseJSON(t *testing.T, s string) any {
	t.Helper()
	var v any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestLongKeys changes places with keys that no record has room for: what is
// around them is brought back.
func TestLongKeys(t *testing.T) {
	r := newRig(t, finalInvoices)
	key := r.create(map[string]any{"status": crdt.StringValue("posted"), "lines": []any{line(1)}})
	u := r.join(key, "eve", "tablet")
	before := u.json()
	for _, pointer := range []string{
		"/lines/0/" + strings.Repeat("k", store.MaxDetail), "/lines/0/" + strings.Repeat("k", store.MaxValue),
	} {
		u.sync(u.set(pointer, 1))
		if got := u.json(); got != before {
			t.Errorf("document of %d bytes, want %s", len(got), before)
		}
	}
	all := r.of(key.Document)
	if len(all) != 2 || summary(all[1:]) == "" {
		t.Fatalf("%d answers", len(all))
	}
	for _, p := range all[1].proposals {
		if p.record.Path != "/lines/0" {
			t.Errorf("proposal at %.100s", p.record.Path)
		}
	}
}
