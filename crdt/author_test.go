package crdt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

// txJSON writes what a transaction sees, as View.AppendJSON would.
func txJSON(tx *Tx, b []byte, item Item) []byte {
	switch item.Kind {
	case KindScalar:
		return appendJSONValue(b, item.Value)
	case KindText:
		return appendJSONString(b, []byte(tx.Text(item.ID)))
	case KindList:
		b = append(b, '[')
		for i := range tx.Len(item.ID) {
			if i > 0 {
				b = append(b, ',')
			}
			e, _ := tx.Element(item.ID, i)
			b = txJSON(tx, b, e.Item)
		}
		return append(b, ']')
	}
	b = append(b, '{')
	for i, key := range tx.Keys(item.ID) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSONString(b, []byte(key)), ':')
		field, _ := tx.Field(item.ID, key)
		b = txJSON(tx, b, field)
	}
	return append(b, '}')
}

// randomEdit makes one edit somewhere in the document.
func randomEdit(r *rand.Rand, tx *Tx) error {
	item := Item{Kind: KindMap}
	for range r.IntN(4) {
		next, ok := Item{}, false
		switch item.Kind {
		case KindMap:
			if keys := tx.Keys(item.ID); len(keys) > 0 {
				next, ok = tx.Field(item.ID, keys[r.IntN(len(keys))])
			}
		case KindList:
			var e Element
			e, ok = tx.Element(item.ID, r.IntN(1+tx.Len(item.ID)))
			next = e.Item
		}
		if !ok || next.Kind == KindScalar {
			break
		}
		item = next
	}
	n := tx.Len(item.ID)
	from := r.IntN(n + 1)
	count := r.IntN(min(n-from, 5) + 1)
	switch item.Kind {
	case KindText:
		switch r.IntN(4) {
		case 0:
			return tx.Mark(item.ID, from, from+count, "b", true, Expand(r.IntN(4)))
		case 1:
			_, err := tx.SplitBlock(item.ID, from, map[string]any{"type": "p"})
			return err
		}
		return tx.SpliceText(item.ID, from, count, randomText(r, 6))
	case KindList:
		if count > 0 && r.IntN(2) == 0 {
			if e, _ := tx.Element(item.ID, from); e.Item.isCounter() {
				return tx.IncrementIndex(item.ID, from, int64(r.IntN(9)))
			}
			_, err := tx.SetIndex(item.ID, from, randomJSON(r, 2))
			return err
		}
		return tx.Splice(item.ID, from, count, randomJSON(r, 2), Counter(r.IntN(3)))
	}
	key := strconv.Itoa(r.IntN(6))
	now, _ := tx.Field(item.ID, key)
	switch {
	case now.isCounter() && r.IntN(2) == 0:
		return tx.Increment(item.ID, key, int64(r.IntN(9)))
	case r.IntN(4) == 0:
		return tx.Delete(item.ID, key)
	case r.IntN(4) == 0:
		_, err := tx.Set(item.ID, key, Counter(r.IntN(3)))
		return err
	}
	_, err := tx.Set(item.ID, key, randomJSON(r, 3))
	return err
}

func TestTransactionReadsItsOwnWrites(t *testing.T) {
	const seed = 21
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range 150 {
		docs := []*Doc{editable(t, "a"), editable(t, "b")}
		for step := range 8 {
			d := docs[r.IntN(2)]
			if r.IntN(3) == 0 {
				if err := d.Merge(docs[r.IntN(2)]); err != nil {
					t.Fatal(err)
				}
			}
			var seen string
			_, err := d.Edit(EditOptions{}, func(tx *Tx) error {
				for range r.IntN(12) {
					if err := randomEdit(r, tx); err != nil {
						return err
					}
				}
				seen = string(txJSON(tx, nil, Item{Kind: KindMap}))
				return nil
			})
			if err != nil {
				t.Fatalf("seed %d, case %d, step %d: %v", seed, i, step, err)
			}
			if got := jsonOf(d); got != seen {
				t.Fatalf("seed %d, case %d, step %d: the transaction saw\n%s\nthe document has\n%s", seed, i, step, seen, got)
			}
		}
		if err := docs[0].Merge(docs[1]); err != nil {
			t.Fatal(err)
		}
		reloaded, err := Load(docs[0].Save(), Limits{})
		if err != nil {
			t.Fatalf("seed %d, case %d: %v", seed, i, err)
		}
		if got, want := jsonOf(reloaded), jsonOf(docs[0]); got != want {
			t.Fatalf("seed %d, case %d: reloaded %s, want %s", seed, i, got, want)
		}
	}
}

func TestFailedEditLeavesNoTrace(t *testing.T) {
	d := editable(t, "a")
	mustUpdate(t, d, jsonValue(t, `{"t":"text","l":[1,{"a":2}],"n":1}`))
	before := d.Save()
	failed := errors.New("failed")
	fill := func(tx *Tx) error { return tx.Update("", jsonValue(t, `{"t":"other","l":[{"b":[1]},5],"x":{}}`)) }
	for name, fn := range map[string]func(*Tx) error{
		"error of the function": func(tx *Tx) error {
			if err := fill(tx); err != nil {
				return err
			}
			return failed
		},
		"value without a place": func(tx *Tx) error {
			_, err := tx.Set(Root, "x", map[string]any{"a": []any{1, struct{}{}}})
			return err
		},
		"swallowed half-written value": func(tx *Tx) error {
			tx.Set(Root, "x", map[string]any{"a": []any{1, make(chan int)}})
			return nil
		},
		"too many ops": func(tx *Tx) error {
			_, err := tx.Set(Root, "x", strings.Repeat("x", DefaultOps))
			return err
		},
		"swallowed too many ops": func(tx *Tx) error {
			text, _ := tx.Set(Root, "x", strings.Repeat("x", DefaultOps))
			tx.SpliceText(text, 5, 1, "y")
			tx.Text(text)
			return nil
		},
		"cycle": func(tx *Tx) error {
			m := map[string]any{}
			m["m"] = m
			_, err := tx.Set(Root, "x", m)
			return err
		},
	} {
		if c, err := d.Edit(EditOptions{}, fn); err == nil || c != nil {
			t.Errorf("%s: change %v, error %v", name, c, err)
		}
		if !bytes.Equal(d.Save(), before) {
			t.Errorf("%s changed the document", name)
		}
	}
	func() {
		defer func() { recover() }()
		d.Edit(EditOptions{}, func(tx *Tx) error {
			if err := fill(tx); err != nil {
				t.Error(err)
			}
			panic("in the function")
		})
	}()
	if !bytes.Equal(d.Save(), before) {
		t.Error("a panic changed the document")
	}
	if c := mustEdit(t, d, fill); c.Seq != 2 {
		t.Errorf("seq %d after failures, want 2", c.Seq)
	}
}

func TestEditsOutOfPlaceAreRefused(t *testing.T) {
	d := editable(t, "a")
	var list, text OpID
	mustEdit(t, d, func(tx *Tx) error {
		list, _ = tx.Set(Root, "l", []any{1, 2})
		text, _ = tx.Set(Root, "t", "ab")
		return nil
	})
	unknown := OpID{99, "a"}
	for name, fn := range map[string]func(*Tx) error{
		"insert behind the end":   func(tx *Tx) error { return tx.Insert(list, 3, 1) },
		"insert before the start": func(tx *Tx) error { return tx.Insert(list, -1, 1) },
		"delete past the end":     func(tx *Tx) error { return tx.DeleteRange(list, 1, 2) },
		"delete a huge range":     func(tx *Tx) error { return tx.DeleteRange(text, 1, int(^uint(0)>>1)) },
		"set past the end":        func(tx *Tx) error { _, err := tx.SetIndex(list, 2, 1); return err },
		"mark past the end":       func(tx *Tx) error { return tx.Mark(text, 1, 3, "b", true, ExpandAfter) },
		"mark backwards":          func(tx *Tx) error { return tx.Mark(text, 1, 0, "b", true, ExpandAfter) },
		"key in a list":           func(tx *Tx) error { _, err := tx.Set(list, "a", 1); return err },
		"index in a map":          func(tx *Tx) error { return tx.Insert(Root, 0, 1) },
		"value in a text":         func(tx *Tx) error { return tx.Insert(text, 0, 1) },
		"text in a list":          func(tx *Tx) error { return tx.SpliceText(list, 0, 0, "x") },
		"unknown object":          func(tx *Tx) error { _, err := tx.Set(unknown, "a", 1); return err },
		"increment of a number":   func(tx *Tx) error { return tx.IncrementIndex(list, 0, 1) },
		"increment of nothing":    func(tx *Tx) error { return tx.Increment(Root, "x", 1) },
		"uint":                    func(tx *Tx) error { _, err := tx.Set(Root, "x", UintValue(1)); return err },
		"unknown type":            func(tx *Tx) error { _, err := tx.Set(Root, "x", UnknownValue(12, nil)); return err },
		"bad UTF-8 in a text":     func(tx *Tx) error { return tx.SpliceText(text, 0, 0, "\xff") },
		"bad UTF-8 in a string":   func(tx *Tx) error { _, err := tx.Set(Root, "x", StringValue("\xff")); return err },
		"bad UTF-8 in a key":      func(tx *Tx) error { _, err := tx.Set(Root, "\xff", 1); return err },
		"missing parent":          func(tx *Tx) error { _, err := tx.SetAt("/x/y", 1); return err },
		"no slash":                func(tx *Tx) error { _, err := tx.SetAt("x", 1); return err },
		"leading zero":            func(tx *Tx) error { _, err := tx.SetAt("/l/01", 1); return err },
		"path into a scalar":      func(tx *Tx) error { _, err := tx.SetAt("/l/0/x", 1); return err },
	} {
		c, err := d.Edit(EditOptions{}, fn)
		if err == nil || c != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New().Edit(EditOptions{}, func(*Tx) error { return nil }); !errors.Is(err, ErrNoActor) {
		t.Errorf("without an actor: %v", err)
	}
	if c := mustEdit(t, d, func(*Tx) error { return nil }); c != nil {
		t.Error("an edit that writes nothing made a change")
	}
}

func TestEmptyChangeJoinsHeads(t *testing.T) {
	a := editable(t, "a")
	b := editable(t, "b")
	mustUpdate(t, a, map[string]any{"x": 1})
	mustUpdate(t, b, map[string]any{"y": 1})
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	c, err := a.Edit(EditOptions{Time: 5, Message: "join", Empty: true}, func(*Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Deps) != 2 || c.NumOps != 0 || c.Time != 5 || c.Message != "join" || len(a.Heads()) != 1 {
		t.Errorf("%+v, heads %s", c.Meta(), a.Heads())
	}
}

func TestGoValues(t *testing.T) {
	d := editable(t, "a")
	mustEdit(t, d, func(tx *Tx) error {
		for i, v := range []any{
			nil, true, 7, int8(-7), uint16(7), 1.0, math.Copysign(0, -1), 1.5, float32(0.25), 1e20, "text", Text("text"), StringValue("str"),
			Counter(3), []byte{1}, time.UnixMilli(5), []any{}, map[string]any{},
		} {
			if _, err := tx.Set(Root, fmt.Sprintf("%02d", i), v); err != nil {
				return err
			}
		}
		return nil
	})
	const want = `{"00":null,"01":true,"02":{"int":"7"},"03":{"int":"-7"},"04":{"int":"7"},"05":{"int":"1"},"06":{"int":"0"},` +
		`"07":{"f64":"1.5"},"08":{"f64":"0.25"},"09":{"f64":"100000000000000000000"},"10":{"text":"text"},"11":{"text":"text"},` +
		`"12":{"str":"str"},"13":{"counter":"3"},"14":{"bytes":"01"},"15":{"timestamp":"5"},"16":[],"17":{}}`
	if got := string(d.View().AppendTypedJSON(nil, Root)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNewActor(t *testing.T) {
	a, err := NewActor(strings.NewReader("0123456789abcdef and more"))
	if err != nil || a != "0123456789abcdef" {
		t.Errorf("actor %q, error %v", a, err)
	}
	if _, err := NewActor(strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

// TestManyEditsInOneTransaction makes the pieces of a text many.
func TestManyEditsInOneTransaction(t *testing.T) {
	const seed, edits = 22, 20_000
	r := rand.New(rand.NewPCG(seed, 1))
	d := editable(t, "a")
	var text OpID
	model := []byte(strings.Repeat("0123456789", 1000))
	mustEdit(t, d, func(tx *Tx) (err error) { text, err = tx.Set(Root, "t", string(model)); return err })
	c := mustEdit(t, d, func(tx *Tx) error {
		for range edits {
			at := r.IntN(len(model) + 1)
			remove := r.IntN(min(3, len(model)-at+1))
			s := strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(3))
			model = append(append(bytes.Clone(model[:at]), s...), model[at+remove:]...)
			if err := tx.SpliceText(text, at, remove, s); err != nil {
				return err
			}
		}
		return nil
	})
	if got := d.View().Text(text); got != string(model) {
		t.Errorf("seed %d: %d ops gave another text", seed, c.NumOps)
	}
}
