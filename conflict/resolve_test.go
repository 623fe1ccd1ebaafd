package conflict

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
)

func set(key string, value any) func(*crdt.Tx) error {
	return func(tx *crdt.Tx) error {
		_, err := tx.Set(crdt.Root, key, value)
		return err
	}
}

func setAt(pointer string, value any) func(*crdt.Tx) error {
	return func(tx *crdt.Tx) error {
		_, err := tx.SetAt(pointer, value)
		return err
	}
}

func deleteAt(pointer string) func(*crdt.Tx) error {
	return func(tx *crdt.Tx) error { return tx.DeleteAt(pointer) }
}

func increment(key string, by int64) func(*crdt.Tx) error {
	return func(tx *crdt.Tx) error { return tx.Increment(crdt.Root, key, by) }
}

// by returns a choice of what a user wrote.
func keepOf(user string) func(*testing.T, Conflict) Choice {
	return func(t *testing.T, c Conflict) Choice {
		for _, v := range c.Sides {
			if v.User == user {
				return Choice{Keep: v.Op}
			}
		}
		t.Fatalf("nothing by %s in %+v", user, c.Sides)
		return Choice{}
	}
}

func just(c Choice) func(*testing.T, Conflict) Choice {
	return func(*testing.T, Conflict) Choice { return c }
}

func TestResolve(t *testing.T) {
	line := map[string]any{"price": 5, "text": "tea", "sold": crdt.Counter(2), "code": crdt.StringValue("T")}
	for name, test := range map[string]struct {
		base, ann, ben func(*crdt.Tx) error
		choice         func(*testing.T, Conflict) Choice
		kind           Kind
		want           string
	}{
		"keep the winner":           {set("x", 0), set("x", 1), set("x", 2), keepOf("ben"), UpdateUpdate, `{"x":{"int":"2"}}`},
		"keep the other":            {set("x", 0), set("x", 1), set("x", 2), keepOf("ann"), UpdateUpdate, `{"x":{"int":"1"}}`},
		"another value":             {set("x", 0), set("x", 1), set("x", 2), just(Choice{Value: json.RawMessage(`[3.5]`)}), UpdateUpdate, `{"x":[{"f64":"3.5"}]}`},
		"the value that is there":   {set("x", 0), set("x", 1), deleteAt("/x"), just(Choice{Value: json.RawMessage(`1`)}), DeleteUpdate, `{"x":{"int":"1"}}`},
		"strings stay scalars":      {set("x", 0), set("x", crdt.StringValue("a")), set("x", 2), just(Choice{Value: json.RawMessage(`"b"`)}), UpdateUpdate, `{"x":{"str":"b"}}`},
		"strings stay texts":        {set("x", 0), set("x", "a"), set("x", "b"), just(Choice{Value: json.RawMessage(`"c"`)}), UpdateUpdate, `{"x":{"text":"c"}}`},
		"keep an update":            {set("x", 0), set("x", 1), deleteAt("/x"), keepOf("ann"), DeleteUpdate, `{"x":{"int":"1"}}`},
		"keep a deletion":           {set("x", 0), set("x", 1), deleteAt("/x"), keepOf("ben"), DeleteUpdate, `{}`},
		"keep an object":            {set("x", 0), set("x", line), set("x", 2), keepOf("ann"), UpdateUpdate, `{"x":{"code":{"str":"T"},"price":{"int":"5"},"sold":{"counter":"2"},"text":{"text":"tea"}}}`},
		"keep a count":              {set("x", crdt.Counter(3)), increment("x", 4), deleteAt("/x"), keepOf("ann"), DeleteUpdate, `{"x":{"counter":"7"}}`},
		"keep a count, overwritten": {set("x", crdt.Counter(3)), increment("x", 4), set("x", 9), keepOf("ann"), UpdateUpdate, `{"x":{"counter":"7"}}`},
		"keep an element":           {set("l", []any{1, 2, 3}), setAt("/l/1", 20), setAt("/l/1", 30), keepOf("ann"), UpdateUpdate, `{"l":[{"int":"1"},{"int":"20"},{"int":"3"}]}`},
		"set an element":            {set("l", []any{1, 2, 3}), setAt("/l/1", 20), deleteAt("/l/1"), just(Choice{Value: json.RawMessage(`40`)}), DeleteUpdate, `{"l":[{"int":"1"},{"int":"40"},{"int":"3"}]}`},
		"delete an element":         {set("l", []any{1, 2, 3}), setAt("/l/1", 20), deleteAt("/l/1"), keepOf("ben"), DeleteUpdate, `{"l":[{"int":"1"},{"int":"3"}]}`},
		"bring back edits":          {set("l", []any{line}), setAt("/l/0/price", 6), deleteAt("/l/0"), just(Choice{Keep: KeepEdits}), LostEdit, `{"l":[{"code":{"str":"T"},"price":{"int":"6"},"sold":{"counter":"2"},"text":{"text":"tea"}}]}`},
		"bring back an edit":        {set("x", line), setAt("/x/price", 6), set("x", 1), keepOf("ann"), LostEdit, `{"x":{"code":{"str":"T"},"price":{"int":"6"},"sold":{"counter":"2"},"text":{"text":"tea"}}}`},
		"keep a removal":            {set("x", line), setAt("/x/price", 6), set("x", 1), keepOf("ben"), LostEdit, `{"x":{"int":"1"}}`},
		"keep the removal":          {set("l", []any{line}), setAt("/l/0/price", 6), deleteAt("/l/0"), just(Choice{Keep: KeepRemoval}), LostEdit, `{"l":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.disagree(test.base, test.ann, test.ben)
			before := o.only()
			if before.Status != Open || before.Kind != test.kind {
				t.Fatalf("conflict: %+v", before.Record)
			}
			choice := test.choice(t, before)
			c, err := o.resolver.Resolve(t.Context(), company, before.ID, choice, By{User: "carol", Device: "api"})
			if err != nil {
				t.Fatal(err)
			}
			if c.Status != Resolved || c.Closer == nil || c.Closer.User != "carol" || c.Closed != o.clock {
				t.Errorf("after it: %+v, closed by %+v", c.Record, c.Closer)
			}
			if got := o.content(); got != test.want {
				t.Errorf("content %s, want %s", got, test.want)
			}
			if _, err := o.resolver.Resolve(t.Context(), company, before.ID, choice, By{User: "carol"}); !errors.Is(err, ErrNotOpen) {
				t.Errorf("again: %v", err)
			}
			o.reopen()
			if again := o.only(); again.Status != Resolved {
				t.Errorf("after a restart: %+v", again.Record)
			}
			entries := 0
			err = o.store.Audit(company, 0, func(e store.AuditEntry) error {
				if entries++; e.Action != store.ActionResolve || e.User != "carol" || !strings.Contains(string(e.Detail), c.ID.String()) {
					t.Errorf("audit entry %+v", e)
				}
				return nil
			})
			if err != nil || entries != 1 {
				t.Errorf("%d audit entries, %v", entries, err)
			}
		})
	}
}

// An object that is kept is still the one that people edit.
func TestKeptObjectStays(t *testing.T) {
	o := newOffice(t)
	people := o.branches(set("x", 0), "ann", "ben")
	ann, ben := people[0], people[1]
	o.bring("ann", ann.edit(set("x", map[string]any{"price": 1})))
	o.bring("ben", ben.edit(set("x", 2)))
	if _, err := o.resolver.Resolve(t.Context(), company, o.only().ID, keepOf("ann")(t, o.only()), By{User: "carol"}); err != nil {
		t.Fatal(err)
	}
	o.bring("ann", ann.edit(setAt("/x/price", 5)))
	if got, want := o.content(), `{"x":{"price":{"int":"5"}}}`; got != want {
		t.Errorf("content %s, want %s", got, want)
	}
	if c := o.only(); c.Status != Resolved {
		t.Errorf("conflict %+v", c.Record)
	}
}

func TestWrongChoices(t *testing.T) {
	o := newOffice(t)
	o.disagree(set("x", 0), set("x", 1), set("x", 2))
	c := o.only()
	by := By{User: "carol"}
	for name, choice := range map[string]Choice{
		"nothing":       {},
		"both":          {Keep: c.Sides[0].Op, Value: json.RawMessage("1")},
		"another op":    {Keep: "1@" + "62617365"},
		"edits":         {Keep: KeepEdits},
		"no JSON":       {Value: json.RawMessage("{")},
		"JSON and more": {Value: json.RawMessage("1 2")},
	} {
		if _, err := o.resolver.Resolve(t.Context(), company, c.ID, choice, by); !errors.Is(err, ErrChoice) {
			t.Errorf("%s: %v", name, err)
		}
	}
	keep := Choice{Keep: c.Sides[0].Op}
	none := func(id.DocumentID) bool { return false }
	for name, do := range map[string]func() (Conflict, error){
		"unknown":         func() (Conflict, error) { return o.resolver.Resolve(t.Context(), company, ID{1}, keep, by) },
		"another company": func() (Conflict, error) { return o.resolver.Resolve(t.Context(), "other", c.ID, keep, by) },
		"not allowed": func() (Conflict, error) {
			return o.resolver.Resolve(t.Context(), company, c.ID, keep, By{User: "carol", MayOpen: none})
		},
		"get":     func() (Conflict, error) { return o.ledger.Get("other", c.ID, nil) },
		"assign":  func() (Conflict, error) { return o.resolver.Assign(t.Context(), "other", c.ID, "dora", by) },
		"comment": func() (Conflict, error) { return o.resolver.Comment(t.Context(), "other", c.ID, "hm", by) },
	} {
		if _, err := do(); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := o.only(); again.Status != Open {
		t.Errorf("conflict %+v", again.Record)
	}
}

// What people wrote to a conflict goes with it when it becomes a part of another.
func TestNotesMoveToTheSurvivor(t *testing.T) {
	o := newOffice(t)
	people := o.branches(set("x", 0), "ann", "ben", "cat")
	ann, ben, cat := people[0], people[1], people[2]
	first := ann.edit(set("x", 1))
	if err := ben.doc.Apply(first); err != nil {
		t.Fatal(err)
	}
	o.bring("ann", first, ann.edit(set("x", 2)))
	o.bring("ben", ben.edit(set("x", 3)))
	c := o.only()
	by := By{User: "carol"}
	if _, err := o.resolver.Assign(t.Context(), company, c.ID, "dora", by); err != nil {
		t.Fatal(err)
	}
	c, err := o.resolver.Comment(t.Context(), company, c.ID, "who is right?", by)
	if err != nil || c.Assignee != "dora" || len(c.Notes) != 1 || c.Notes[0].User != "carol" || c.Notes[0].Text != "who is right?" {
		t.Fatalf("%+v, %v", c, err)
	}
	for _, text := range []string{"", strings.Repeat("x", MaxNote+1), "\xff"} {
		if _, err := o.resolver.Comment(t.Context(), company, c.ID, text, by); !errors.Is(err, ErrNote) {
			t.Errorf("comment of %d bytes: %v", len(text), err)
		}
	}
	o.reopen()
	o.bring("cat", cat.edit(set("x", 4))) // concurrent to everything but the base
	survivor := o.only()
	if survivor.ID == c.ID || survivor.Values != 4 || survivor.Assignee != "dora" || len(survivor.Notes) != 1 {
		t.Errorf("%+v", survivor)
	}
	if !survivor.Opened.Equal(c.Opened) {
		t.Errorf("opened %s, not %s", survivor.Opened, c.Opened)
	}
	if survivor, err = o.resolver.Assign(t.Context(), company, survivor.ID, "", by); err != nil || survivor.Assignee != "" {
		t.Errorf("%+v, %v", survivor, err)
	}
	if n := o.ledger.Stats().Swallowed; n != 1 {
		t.Errorf("%d swallowed", n)
	}
}
