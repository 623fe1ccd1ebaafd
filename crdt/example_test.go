package crdt_test

import (
	"fmt"
	"log"

	"concord/crdt"
)

// edit makes a change, or ends the program.
func edit(d *crdt.Doc, fn func(*crdt.Tx) error) {
	if _, err := d.Edit(crdt.EditOptions{}, fn); err != nil {
		log.Fatal(err)
	}
}

// set writes one key of the root.
func set(d *crdt.Doc, key string, value any) {
	edit(d, func(tx *crdt.Tx) error {
		_, err := tx.Set(crdt.Root, key, value)
		return err
	})
}

// load reads what Save has written, on another device.
func load(saved []byte, actor crdt.ActorID) *crdt.Doc {
	d, err := crdt.Load(saved, crdt.Limits{})
	if err != nil {
		log.Fatal(err)
	}
	d.SetActor(actor)
	return d
}

func show(v crdt.View) { fmt.Printf("%s\n", v.AppendJSON(nil, crdt.Root)) }

// Two people edit the same document and merge.
func Example() {
	alice := newDocument()
	set(alice, "customer", "Miller")
	bob := load(alice.Save(), "bob's phone")

	set(alice, "status", "sent")
	set(bob, "total", 120)
	if err := alice.Merge(bob); err != nil {
		log.Fatal(err)
	}
	show(alice.View())
	// Output: {"customer":"Miller","status":"sent","total":120}
}

// Devices send each other the changes that are new since the last time.
func ExampleDoc_SaveSince() {
	alice := newDocument()
	set(alice, "status", "draft")
	bob := load(alice.Save(), "bob's phone")

	known := bob.Heads()
	set(alice, "status", "sent")
	set(alice, "total", 120)
	if err := bob.LoadIncremental(alice.SaveSince(known), crdt.Limits{}); err != nil {
		log.Fatal(err)
	}
	show(bob.View())
	// Output: {"status":"sent","total":120}
}

// When two people set the same key at once, the document shows one of the
// values, the same everywhere, and keeps both until somebody writes again.
func ExampleView_Conflicts() {
	alice := newDocument()
	alice.SetActor("alice's laptop")
	set(alice, "due", "May")
	bob := load(alice.Save(), "bob's phone")
	set(alice, "due", "June")
	set(bob, "due", "July")
	if err := alice.Merge(bob); err != nil {
		log.Fatal(err)
	}

	for _, item := range alice.View().Conflicts(crdt.Root, crdt.MapKey("due")) {
		fmt.Println(alice.View().Text(item.ID), "by", string(item.ID.Actor))
	}
	show(alice.View())
	// Output:
	// June by alice's laptop
	// July by bob's phone
	// {"due":"July"}
}

// Earlier states can be read at any time.
func ExampleDoc_At() {
	d := newDocument()
	set(d, "status", "draft")
	sent := d.Heads()
	set(d, "status", "paid")

	then, err := d.At(sent)
	if err != nil {
		log.Fatal(err)
	}
	show(then)
	show(d.View())
	// Output:
	// {"status":"draft"}
	// {"status":"paid"}
}

// What lies between two states, with the old values.
func ExampleDoc_Diff() {
	d := newDocument()
	set(d, "total", 100)
	before := d.Heads()
	set(d, "total", 120)

	diff, err := d.Diff(before, d.Heads())
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range diff.Edits {
		path, _ := d.View().Path(e.Object, e.Key)
		fmt.Println(path, e.Before[0].Value.Int(), "→", e.After[0].Value.Int())
	}
	// Output: /total 100 → 120
}

// Texts are edited by position, in UTF-16 code units, and carry marks.
func ExampleView_Spans() {
	d := newDocument()
	edit(d, func(tx *crdt.Tx) error {
		text, err := tx.Set(crdt.Root, "note", crdt.Text("Deliver on Monday"))
		if err != nil {
			return err
		}
		if err := tx.SpliceText(text, 11, 6, "Friday"); err != nil {
			return err
		}
		return tx.Mark(text, 11, 17, "bold", true, crdt.ExpandNone)
	})

	note, _ := d.View().Get("note")
	for span := range d.View().Spans(note.ID) {
		fmt.Printf("%q", span.Text)
		for _, m := range span.Marks {
			fmt.Printf(" %s", m.Name)
		}
		fmt.Println()
	}
	// Output:
	// "Deliver on "
	// "Friday" bold
}
