package guard

import (
	"cmp"
	"slices"

	"concord/crdt"
)

// goal is a place and what it has to become: what it is in a view, which shows the
// object that holds it.
type goal struct {
	way []step
	to  crdt.View
}

// bring writes what leads to goals whose places aren't in each other; now is the
// content without what it writes.
func bring(tx *crdt.Tx, now crdt.View, goals []goal) error {
	type removal struct {
		list  crdt.OpID
		index int
	}
	var removals []removal
	var pointers []string
	var views []crdt.View
	for _, g := range goals {
		if n := len(g.way); n > 0 && g.way[n-1].key.IsElem {
			if s := g.way[n-1]; !visible(g.to, s) {
				if index, shown, _ := now.IndexOf(s.object, s.key.Elem); shown {
					removals = append(removals, removal{s.object, index})
				}
				continue
			}
		}
		pointer, _ := pathOf(g.to, g.way)
		pointers, views = append(pointers, pointer), append(views, g.to)
	}
	// From the end of each list, so that the indexes before stay what they are.
	slices.SortFunc(removals, func(a, b removal) int { return cmp.Compare(b.index, a.index) })
	for _, r := range removals {
		if err := tx.DeleteRange(r.list, r.index, 1); err != nil {
			return err
		}
	}
	for i, pointer := range pointers {
		if err := tx.Revert(pointer, views[i]); err != nil {
			return err
		}
	}
	return nil
}

func visible(v crdt.View, s step) bool {
	_, visible, _ := v.IndexOf(s.object, s.key.Elem)
	return visible
}
