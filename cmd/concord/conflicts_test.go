package main

import (
	"os"
	"path/filepath"
	"testing"

	"concord/crdt"
)

// edit makes a change to a file, as an offline device does.
func edit(t *testing.T, file, actor string, fn func(*crdt.Tx) error) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := crdt.Load(b, crdt.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	d.SetActor(crdt.ActorID(actor))
	if _, err := d.Edit(crdt.EditOptions{}, fn); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, d.Save(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func setPrice(price int) func(*crdt.Tx) error {
	return func(tx *crdt.Tx) error {
		_, err := tx.Set(crdt.Root, "price", price)
		return err
	}
}

func TestSyncAndConflicts(t *testing.T) {
	dir := t.TempDir()
	server := serve(t, filepath.Join(dir, "data"), "--jwt-secret", testSecret)
	alice, bob := newShell(t, server, "alice", "editor"), newShell(t, server, "bob", "editor")
	alice.run("doc", "set", "item/1", "--create", "--merge", `{"price":10}`)
	one, two := filepath.Join(dir, "one.automerge"), filepath.Join(dir, "two.automerge")
	alice.run("doc", "sync", "item/1", one)
	bob.run("doc", "sync", "item/1", two)
	edit(t, one, "device of alice.", setPrice(12))
	edit(t, two, "device of bob...", setPrice(11))
	contains(t, alice.run("doc", "sync", "item/1", one), "1 sent")
	contains(t, bob.run("doc", "sync", "item/1", two), "1 change received, 1 sent")
	contains(t, bob.run("doc", "sync", "item/1", two), "0 changes received, 0 sent")
	contains(t, alice.run("doc", "sync", "item/1", one), "1 change received")

	contains(t, alice.run("conflicts"), "/price", "open", "update-update", "alice, bob")
	var list []conflictJSON
	alice.json(&list, "conflicts")
	if len(list) != 1 {
		t.Fatalf("%d conflicts", len(list))
	}
	id := list[0].ID
	shown := alice.run("conflicts", "show", id)
	contains(t, shown, "before", "10", "11", "12", "alice", "bob")
	contains(t, alice.run("conflicts", "csv"), "/price", "item")
	contains(t, alice.run("conflicts", "summary"), "1 conflict;", "/price")
	contains(t, bob.run("conflicts", "assign", id, "carol"), "carol")
	contains(t, bob.run("conflicts", "comment", id, "twelve is right"), "twelve is right")
	var full conflictJSON
	alice.json(&full, "conflicts", "show", id)
	keep := ""
	for _, v := range full.Values {
		if string(v.Value) == "12" {
			keep = v.Op
		}
	}
	contains(t, bob.run("conflicts", "resolve", id, "--keep", keep), "resolved by bob")
	var price struct{ Content int }
	if alice.json(&price, "doc", "get", "item/1", "--path", "/price"); price.Content != 12 {
		t.Errorf("price %d", price.Content)
	}
	alice.fails("no such conflict", "conflicts", "show", "nonsense")
	alice.fails("isn't open", "conflicts", "resolve", id, "--keep", keep)
	alice.fails("either", "conflicts", "resolve", id)
	contains(t, alice.run("conflicts", "--status", "open"), "no conflicts")
}

func TestProposals(t *testing.T) {
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules.yaml")
	if err := os.WriteFile(rules, []byte("guards:\n  - name: posted is final\n    type: invoice\n    when: /status == posted\n    lock: [/total]\n    except: {roles: [admin]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := serve(t, filepath.Join(dir, "data"), "--jwt-secret", testSecret, "--rules", rules)
	boss, alice := newShell(t, server, "boss", "admin"), newShell(t, server, "alice", "editor")
	total := func(want int) {
		t.Helper()
		var got struct{ Content int }
		if alice.json(&got, "doc", "get", "invoice/1", "--path", "/total"); got.Content != want {
			t.Errorf("total %d, want %d", got.Content, want)
		}
	}
	boss.run("doc", "set", "invoice/1", "--create", "--merge", `{"status":"posted","total":100}`)
	alice.run("doc", "set", "invoice/1", "/total", "90")
	total(100)
	alice.run("doc", "set", "invoice/1", "/total", "80")
	total(100)
	var list []conflictJSON
	alice.json(&list, "conflicts", "--kind", "guarded", "--status", "open")
	if len(list) != 2 {
		t.Fatalf("%d proposals", len(list))
	}
	contains(t, alice.run("conflicts", "show", list[0].ID), "posted is final", "80", "100", "alice")
	alice.fails("concord: the decision is for those", "conflicts", "accept", list[0].ID)
	contains(t, boss.run("conflicts", "accept", list[0].ID), "accepted by boss")
	total(80)
	contains(t, boss.run("conflicts", "dismiss", list[1].ID), "dismissed by boss")
	total(80)
	boss.fails("isn't open", "conflicts", "accept", list[1].ID)
}
