package differential

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"concord/crdt"
	"concord/fuzz/history"
)

// author writes a history with the package's own editing: copies of one
// document that are edited and merged now and then.
func author(rng *rand.Rand) (*history.History, error) {
	w := writer{rng}
	base := crdt.New()
	if err := w.name(base); err != nil {
		return nil, err
	}
	if err := w.change(base); err != nil {
		return nil, err
	}
	docs := []*crdt.Doc{base}
	for range 1 + rng.IntN(5) {
		d, err := base.Fork()
		if err == nil {
			err = w.name(d)
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	for range 3 + rng.IntN(15) {
		d, other := docs[rng.IntN(len(docs))], docs[rng.IntN(len(docs))]
		if rng.IntN(3) == 0 {
			if err := d.Merge(other); err != nil {
				return nil, fmt.Errorf("merge: %w", err)
			}
		}
		if err := w.change(d); err != nil {
			return nil, fmt.Errorf("change %d: %w", d.Len(), err)
		}
	}
	for _, d := range docs[1:] {
		if err := base.Merge(d); err != nil {
			return nil, fmt.Errorf("merge: %w", err)
		}
	}
	return &history.History{Changes: base.Changes(nil)}, nil
}

type writer struct{ *rand.Rand }

func (w writer) name(d *crdt.Doc) error {
	id := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, w.Uint64()), w.Uint64())
	d.SetActor(crdt.ActorID(id))
	return nil
}

func (w writer) change(d *crdt.Doc) error {
	_, err := d.Edit(crdt.EditOptions{Time: int64(w.IntN(2_000_000_000)), Message: w.one("", "", "why"), Empty: w.IntN(20) == 0}, func(tx *crdt.Tx) error {
		tx.ScalarStrings = w.IntN(4) == 0
		for range 1 + w.IntN(5) {
			if err := w.edit(tx); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (w writer) one(of ...string) string { return of[w.IntN(len(of))] }

func (w writer) key() string { return w.one("a", "b", "c", "d", "é", "\U0001f600", "a/b~") }

// edit goes down into the document and changes something there.
func (w writer) edit(tx *crdt.Tx) error {
	if w.IntN(15) == 0 {
		return tx.Update("", map[string]any{"a": w.value(0), "b": w.text() + w.text(), "c": []any{w.value(1), 1, "two"}})
	}
	at := crdt.Item{Kind: crdt.KindMap}
	for {
		next, ok := crdt.Item{}, false
		switch n := tx.Len(at.ID); {
		case w.IntN(4) == 0:
		case at.Kind == crdt.KindMap:
			next, ok = tx.Field(at.ID, w.key())
		case at.Kind == crdt.KindList && n > 0:
			var e crdt.Element
			e, ok = tx.Element(at.ID, w.IntN(n))
			next = e.Item
		}
		if !ok || next.Kind == crdt.KindScalar {
			break
		}
		at = next
	}
	switch at.Kind {
	case crdt.KindMap:
		return w.editMap(tx, at.ID)
	case crdt.KindList:
		return w.editList(tx, at.ID)
	}
	return w.editText(tx, at.ID)
}

func (w writer) editMap(tx *crdt.Tx, id crdt.OpID) error {
	key := w.key()
	now, ok := tx.Field(id, key)
	switch {
	case ok && now.Value.Code() == crdt.ValueCounter && w.IntN(3) > 0:
		return tx.Increment(id, key, int64(w.IntN(20)-10))
	case ok && w.IntN(4) == 0:
		return tx.Delete(id, key)
	}
	_, err := tx.Set(id, key, w.value(0))
	return err
}

func (w writer) editList(tx *crdt.Tx, id crdt.OpID) error {
	n := tx.Len(id)
	i := w.IntN(n + 1)
	if i == n {
		return tx.Insert(id, i, w.value(1), w.value(1))
	}
	now, _ := tx.Element(id, i)
	switch k := w.IntN(6); {
	case now.Value.Code() == crdt.ValueCounter && k < 3:
		return tx.IncrementIndex(id, i, int64(w.IntN(20)-10))
	case k < 2:
		_, err := tx.SetIndex(id, i, w.value(1))
		return err
	case k == 2:
		return tx.DeleteRange(id, i, 1+w.IntN(n-i))
	}
	return tx.Splice(id, i, w.IntN(2), w.value(1))
}

func (w writer) editText(tx *crdt.Tx, id crdt.OpID) error {
	n := tx.Len(id)
	start := w.IntN(n + 1)
	end := start + w.IntN(n-start+1)
	expand := []crdt.Expand{crdt.ExpandNone, crdt.ExpandBefore, crdt.ExpandAfter, crdt.ExpandBoth}[w.IntN(4)]
	switch k := w.IntN(8); {
	case k == 0:
		return tx.UpdateText(id, w.text()+w.text()+w.text())
	case k == 1:
		_, err := tx.SplitBlock(id, start, map[string]any{"type": "p", "n": w.IntN(5)})
		return err
	case k == 2 && end > start:
		return tx.Unmark(id, start, end, w.one("bold", "it"), expand)
	case k < 5 && end > start:
		return tx.Mark(id, start, end, w.one("bold", "it", "color"), []any{true, "red", 7}[w.IntN(3)], expand)
	}
	return tx.SpliceText(id, start, min(w.IntN(4), n-start), w.text())
}

func (w writer) text() string {
	return w.one("", "x", "hello", "grüß", "\U0001f468\u200d\U0001f469", "e\u0301", "one two three")
}

func (w writer) value(depth int) any {
	switch n := w.IntN(14); {
	case n < 2 && depth < 3:
		return map[string]any{w.key(): w.value(depth + 1), w.key(): w.value(depth + 1)}
	case n < 4 && depth < 3:
		return []any{w.value(depth + 1), w.value(depth + 1)}
	case n < 6:
		return w.text() + w.text()
	case n == 6:
		return crdt.Counter(w.IntN(50))
	case n == 7:
		return w.Float64()
	case n == 8:
		return []byte(w.text())
	case n == 9:
		return crdt.StringValue(w.text())
	case n == 10:
		return crdt.TimestampValue(int64(w.IntN(2_000_000_000)) * 1000)
	case n == 11:
		return nil
	case n == 12:
		return w.IntN(2) == 0
	}
	return w.IntN(1000) - 500
}
