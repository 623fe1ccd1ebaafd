package crdt

import (
	"fmt"
	"slices"
)

// Keep removes all visible values of a map key or list element but one, which
// may be one that doesn't win: it stays what it is, with whatever others write
// into it meanwhile. It does nothing if there are no others.
func (tx *Tx) Keep(obj OpID, key Key, value OpID) error {
	o, err := tx.object(obj)
	if err != nil {
		return fmt.Errorf("keep %s: %w", value, err)
	}
	var now []Item
	replace := func(kept []Item) { o.setKey(key.Name, kept) }
	switch {
	case o.kind == ActionMakeMap && !key.IsElem:
		now = tx.valuesAt(o, key.Name)
	case o.kind == ActionMakeList && key.IsElem:
		for f := range tx.elements(obj) {
			if f.id == key.Elem {
				f = o.list.find(f.start)
				now = f.shown
				replace = func(kept []Item) { o.list.replace(f, kept) }
				break
			}
		}
	}
	i := slices.IndexFunc(now, func(item Item) bool { return item.ID == value })
	if i < 0 {
		return fmt.Errorf("keep %s: it isn't a visible value of the place", value)
	}
	others := slices.Delete(slices.Clone(now), i, i+1)
	if len(others) == 0 {
		return nil
	}
	tx.add(Op{Action: ActionDelete, Obj: obj, Key: key, Preds: ids(others)})
	replace(now[i : i+1 : i+1])
	return tx.broken
}
