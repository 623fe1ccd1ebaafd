package crdt

import (
	"strings"
	"testing"
)

func TestKeep(t *testing.T) {
	base := New()
	mustEdit := func(d *Doc, actor ActorID, fn func(*Tx) error) {
		t.Helper()
		d.SetActor(actor)
		if _, err := d.Edit(EditOptions{}, fn); err != nil {
			t.Fatal(err)
		}
	}
	var list OpID
	mustEdit(base, "a", func(tx *Tx) (err error) {
		list, err = tx.Set(Root, "list", []any{0, 1})
		return err
	})
	elem, _ := base.View().Element(list, 1)
	docs := []*Doc{}
	for _, actor := range []ActorID{"b", "c", "d"} {
		d := New()
		if err := d.Merge(base); err != nil {
			t.Fatal(err)
		}
		mustEdit(d, actor, func(tx *Tx) error {
			if _, err := tx.Set(Root, "x", map[string]any{"by": Text(actor)}); err != nil {
				return err
			}
			_, err := tx.SetIndex(list, 1, string(actor))
			return err
		})
		docs = append(docs, d)
	}
	d := docs[0]
	for _, other := range docs[1:] {
		if err := d.Merge(other); err != nil {
			t.Fatal(err)
		}
	}
	x, at := d.View().Conflicts(Root, MapKey("x")), d.View().Conflicts(list, ElemKey(elem.ID))
	if len(x) != 3 || len(at) != 3 {
		t.Fatalf("%d and %d values in conflict", len(x), len(at))
	}
	mustEdit(d, "e", func(tx *Tx) error {
		if err := tx.Keep(Root, MapKey("x"), x[1].ID); err != nil {
			return err
		}
		if now, ok := tx.Field(Root, "x"); !ok || now.ID != x[1].ID {
			t.Errorf("transaction shows %v", now)
		}
		if err := tx.Keep(list, ElemKey(elem.ID), at[0].ID); err != nil {
			return err
		}
		if now, ok := tx.Element(list, 1); !ok || now.Item.ID != at[0].ID {
			t.Errorf("transaction shows %v", now)
		}
		return tx.Keep(Root, MapKey("list"), list)
	})
	if got := string(d.View().AppendJSON(nil, Root)); got != `{"list":[0,"b"],"x":{"by":"c"}}` {
		t.Errorf("content %s", got)
	}
	if n := len(d.View().Conflicts(Root, MapKey("x"))) + len(d.View().Conflicts(list, ElemKey(elem.ID))); n != 2 {
		t.Errorf("%d values at two places", n)
	}
	_, err := d.Edit(EditOptions{}, func(tx *Tx) error { return tx.Keep(Root, MapKey("x"), x[0].ID) })
	if err == nil || !strings.Contains(err.Error(), "isn't a visible value") {
		t.Errorf("keep what is gone: %v", err)
	}
}
