package crdt_test

import (
	"crypto/rand"
	"fmt"
	"log"

	"concord/crdt"
)

func newDocument() *crdt.Doc {
	actor, err := crdt.NewActor(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	d := crdt.New()
	d.SetActor(actor)
	return d
}

// A change is everything that one call of Edit writes.
func ExampleDoc_Edit() {
	d := newDocument()
	_, err := d.Edit(crdt.EditOptions{Message: "create invoice"}, func(tx *crdt.Tx) error {
		_, err := tx.Set(crdt.Root, "lines", []any{map[string]any{"article": "bolt", "stock": crdt.Counter(40)}})
		if err != nil {
			return err
		}
		line, err := tx.Lookup("/lines/0")
		if err != nil {
			return err
		}
		return tx.Increment(line.ID, "stock", -2)
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", d.View().AppendJSON(nil, crdt.Root))
	// Output: {"lines":[{"article":"bolt","stock":38}]}
}

// Update writes only what differs, so that edits made elsewhere meanwhile stay.
func ExampleTx_Update() {
	d := newDocument()
	update := func(d *crdt.Doc, state map[string]any) {
		if _, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { return tx.Update("", state) }); err != nil {
			log.Fatal(err)
		}
	}
	update(d, map[string]any{"note": "deliver on Monday", "paid": false})
	other, err := d.Fork()
	if err != nil {
		log.Fatal(err)
	}
	other.SetActor("another device")
	update(d, map[string]any{"note": "please deliver on Monday", "paid": false})
	update(other, map[string]any{"note": "deliver on Monday morning", "paid": true})
	if err := d.Merge(other); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", d.View().AppendJSON(nil, crdt.Root))
	// Output: {"note":"please deliver on Monday morning","paid":true}
}
