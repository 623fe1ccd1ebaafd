package crdt

import (
	"strings"
	"testing"
)

// revertDoc makes a document in two edits and returns it with the view between them.
func revertDoc(t *testing.T, first, then func(*Tx) error) (*Doc, View) {
	t.Helper()
	d := editable(t, "a")
	mustEdit(t, d, first)
	heads := d.Heads()
	mustEdit(t, d, then)
	to, err := d.At(heads)
	if err != nil {
		t.Fatal(err)
	}
	return d, to
}

// actionsOf names the ops of a change.
func actionsOf(c *Change) string {
	var actions []string
	for op := range c.Ops() {
		actions = append(actions, op.Action.String())
	}
	return strings.Join(actions, " ")
}

func updateTo(fields map[string]any) func(*Tx) error {
	return func(tx *Tx) error { return tx.Update("", fields) }
}

func TestRevertCases(t *testing.T) {
	type fields = map[string]any
	for _, test := range []struct {
		name        string
		first, then func(tx *Tx) error
		path        string
		want        string // the document
		ops         string // actions
	}{
		{"a number", updateTo(fields{"total": 1.5, "x": 1}), updateTo(fields{"total": 2, "x": 2}),
			"/total", `{"total":1.5,"x":2}`, "set"},
		{"a counter", updateTo(fields{"n": Counter(5)}), func(tx *Tx) error { return tx.Increment(Root, "n", 10) },
			"/n", `{"n":5}`, "inc"},
		{"a counter in a list", updateTo(fields{"l": []any{Counter(5)}}), updateTo(fields{"l": []any{7}}),
			"", `{"l":[5]}`, "inc"},
		{"a key that wasn't there", updateTo(fields{"x": 1}), updateTo(fields{"x": 1, "y": fields{}}),
			"/y", `{"x":1}`, "del"},
		{"a line that was deleted", updateTo(fields{"l": []any{1, 2, 3}}), updateTo(fields{"l": []any{0, 1, 3}}),
			"/l/1", `{"l":[0,1,2,3]}`, "set"},
		{"a line that stands elsewhere", updateTo(fields{"l": []any{1, 2, 3}}), updateTo(fields{"l": []any{0, 1, 7, 3}}),
			"/l/1", `{"l":[0,1,2,3]}`, "set"},
		{"a line that wasn't there", updateTo(fields{"l": []any{1}}), updateTo(fields{"l": []any{1, 2, 3}}),
			"/l/2", `{"l":[1,2]}`, "del"},
		{"a field of a line that stands elsewhere", updateTo(fields{"l": []any{fields{"x": 1}}}),
			func(tx *Tx) error {
				l, err := tx.Lookup("/l")
				if err == nil {
					err = tx.Insert(l.ID, 0, 0)
				}
				if err == nil {
					_, err = tx.SetAt("/l/1/x", 2)
				}
				return err
			},
			"/l/0/x", `{"l":[0,{"x":1}]}`, "set"},
		{"a word", updateTo(fields{"t": "one two three"}), updateTo(fields{"t": "one 2 three"}),
			"/t", `{"t":"one two three"}`, "del set set set"},
		{"a text that was replaced", updateTo(fields{"t": "one"}), updateTo(fields{"t": 1}),
			"/t", `{"t":"one"}`, "makeText set set set"},
		{"a field of a map that was made anew", updateTo(fields{"m": fields{"x": 1}}),
			func(tx *Tx) error { _, err := tx.Set(Root, "m", fields{"x": 2, "y": 3}); return err },
			"/m/x", `{"m":{"x":1,"y":3}}`, "set"},
		{"an object that was deleted", updateTo(fields{"m": fields{"x": []any{1}}}), updateTo(fields{}),
			"/m", `{"m":{"x":[1]}}`, "makeMap makeList set"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, to := revertDoc(t, test.first, test.then)
			c := mustEdit(t, d, func(tx *Tx) error { return tx.Revert(test.path, to) })
			if got := string(d.View().AppendJSON(nil, Root)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if got := actionsOf(c); got != test.ops {
				t.Errorf("ops %s, want %s", got, test.ops)
			}
		})
	}
}

// TestRevertKeepsTypes deletes values of every type and brings them back.
func TestRevertKeepsTypes(t *testing.T) {
	ops := []Op{{Action: ActionMakeMap, Key: MapKey("m")}, {Action: ActionMakeTable, Key: MapKey("t")}}
	m := OpID{1, "a"}
	for i, v := range []Value{
		NullValue(), BoolValue(true), BoolValue(false), UintValue(1 << 63), IntValue(-1), Float64Value(2), StringValue("scalar"),
		BytesValue([]byte{0}), CounterValue(4), TimestampValue(5), UnknownValue(12, []byte{1}),
	} {
		ops = append(ops, Op{Action: ActionSet, Obj: m, Key: MapKey(string(rune('a' + i))), Value: v})
	}
	c, err := EncodeChange(ChangeMeta{Actor: "a", Seq: 1, StartOp: 1}, ops)
	if err != nil {
		t.Fatal(err)
	}
	d := New()
	d.SetActor("b")
	if err := d.Apply(c); err != nil {
		t.Fatal(err)
	}
	want := string(d.View().AppendTypedJSON(nil, Root))
	mustEdit(t, d, func(tx *Tx) error { return tx.Update("", map[string]any{}) })
	to, err := d.At([]Hash{c.Hash})
	if err != nil {
		t.Fatal(err)
	}
	mustEdit(t, d, func(tx *Tx) error { return tx.Revert("", to) })
	if got := string(d.View().AppendTypedJSON(nil, Root)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if saved := load(t, d.Save()); string(saved.View().AppendTypedJSON(nil, Root)) != want {
		t.Error("the saved document differs")
	}
}

// TestRevertKeepsExpansion types at the ends of marks that came back.
func TestRevertKeepsExpansion(t *testing.T) {
	for expand, want := range map[Expand]string{ExpandNone: "b", ExpandBefore: "1b", ExpandAfter: "b1", ExpandBoth: "1b1"} {
		d, to := revertDoc(t, func(tx *Tx) error {
			text, err := tx.Set(Root, "t", "xby")
			if err != nil {
				return err
			}
			return tx.Mark(text, 1, 2, "bold", true, expand)
		}, updateTo(map[string]any{}))
		mustEdit(t, d, func(tx *Tx) error { return tx.Revert("", to) })
		text, _ := d.View().Field(Root, "t")
		mustEdit(t, d, func(tx *Tx) error { return tx.SpliceText(text.ID, 2, 0, "1") })
		mustEdit(t, d, func(tx *Tx) error { return tx.SpliceText(text.ID, 1, 0, "1") })
		bold := ""
		for s := range d.View().Spans(text.ID) {
			if len(s.Marks) > 0 {
				bold = s.Text
			}
		}
		if bold != want {
			t.Errorf("expand %d: %q is bold, want %q", expand, bold, want)
		}
	}
}

// TestRevertSeesTheTransaction reverts what the same transaction wrote.
func TestRevertSeesTheTransaction(t *testing.T) {
	type fields = map[string]any
	d, to := revertDoc(t, updateTo(fields{"m": fields{"x": 1}, "l": []any{fields{"x": 1}}}), func(tx *Tx) error {
		_, err := tx.Set(Root, "m", fields{"x": 1}) // another map, which is equal
		if err == nil {
			_, err = tx.SetAt("/l/0/x", 2)
		}
		return err
	})
	c := mustEdit(t, d, func(tx *Tx) error {
		if _, err := tx.SetAt("/m/x", 2); err != nil {
			return err
		}
		list, err := tx.Lookup("/l")
		if err == nil {
			err = tx.Insert(list.ID, 0, 7)
		}
		if err != nil {
			return err
		}
		return tx.Revert("", to)
	})
	if got, want := string(d.View().AppendJSON(nil, Root)), `{"l":[{"x":1}],"m":{"x":1}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := actionsOf(c), "set set makeMap set del set"; got != want {
		t.Errorf("ops %s, want %s", got, want)
	}
}

func TestRevertErrors(t *testing.T) {
	d, to := revertDoc(t, updateTo(map[string]any{
		"m": map[string]any{"x": 1}, "l": []any{map[string]any{"p": 1}}, "k": []any{1}, "s": 1,
	}), func(tx *Tx) error {
		if err := tx.Update("", map[string]any{"l": []any{}, "s": 1, "k": 1}); err != nil {
			return err
		}
		_, err := tx.Set(Root, "k", []any{1})
		return err
	})
	for path, want := range map[string]string{
		"/m/x":   `the map has no "m"`,
		"/l/0/p": "element 0 of the list is gone",
		"/k/0":   "the list that held it has been replaced",
		"/s/x":   "a scalar has no places",
		"/l/x":   "no index",
		"/l/9":   "out of range",
		"s":      "begins with a slash",
	} {
		c, err := d.Edit(EditOptions{}, func(tx *Tx) error { return tx.Revert(path, to) })
		if c != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := d.Edit(EditOptions{}, func(tx *Tx) error { return tx.Revert("", New().View()) }); err == nil {
		t.Error("a view of another document was taken")
	}
}

// TestRevertKeepsWhereThingsStood restores a deleted word between what somebody
// else typed around it at the same time.
func TestRevertKeepsWhereThingsStood(t *testing.T) {
	a, to := revertDoc(t, updateTo(map[string]any{"t": "one two three"}), func(tx *Tx) error {
		text, err := tx.Lookup("/t")
		if err != nil {
			return err
		}
		return tx.SpliceText(text.ID, 4, 4, "")
	})
	b := New()
	b.SetActor("b")
	if err := b.Apply(a.Changes(nil)[0]); err != nil {
		t.Fatal(err)
	}
	text, _ := b.View().Field(Root, "t")
	mustEdit(t, b, func(tx *Tx) error { return tx.SpliceText(text.ID, 4, 0, "and ") })
	mustEdit(t, b, func(tx *Tx) error { return tx.SpliceText(text.ID, 12, 0, "or ") })
	mustEdit(t, a, func(tx *Tx) error { return tx.Revert("/t", to) })
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	if got := a.View().Text(text.ID); got != "one and two or three" {
		t.Errorf("got %q", got)
	}
}

// TestRevertElementsInAnyOrder brings back the deleted elements of a list one by
// one, in one transaction.
func TestRevertElementsInAnyOrder(t *testing.T) {
	for _, order := range [][]string{
		{"/l/1", "/l/2", "/l/3"}, {"/l/3", "/l/2", "/l/1"}, {"/l/2", "/l/1", "/l/3"}, {"/l/2", "/l/3", "/l/1"}, {"/l/3", "/l/1", "/l/2"},
	} {
		d, to := revertDoc(t, updateTo(map[string]any{"l": []any{0, 1, 2, 3, 4}}), updateTo(map[string]any{"l": []any{0, 4}}))
		mustEdit(t, d, func(tx *Tx) error {
			for _, path := range order {
				if err := tx.Revert(path, to); err != nil {
					return err
				}
			}
			return nil
		})
		if got, want := string(d.View().AppendJSON(nil, Root)), `{"l":[0,1,2,3,4]}`; got != want {
			t.Errorf("%v: got %s, want %s", order, got, want)
		}
	}
}
