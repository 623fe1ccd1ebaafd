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

// removal is an element that has to go.
type removal struct {
	list  crdt.OpID
	index int // now
}

// reversal is a place that has to become what it was.
type reversal struct {
	pointer string // in to
	to      crdt.View
}

// bring writes what leads to goals whose places aren't in each other; now is the
// content without what it writes.
func bring(tx *crdt.Tx, now crdt.View, goals []goal) error {
	removals, reversals := plan(now, goals)
	for _, r := range removals {
		if err := tx.DeleteRange(r.list, r.index, 1); err != nil {
			return err
		}
	}
	for _, r := range reversals {
		if err := tx.Revert(r.pointer, r.to); err != nil {
			return err
		}
	}
	return nil
}

// plan returns what has to be done, in order: removals from the end of lists, so
// that the indexes before stay what they are, and then what is made again.
func plan(now crdt.View, goals []goal) (removals []removal, reversals []reversal) {
	for _, g := range goals {
		r := reversal{to: g.to}
		if n := len(g.way); n > 0 && g.way[n-1].key.IsElem {
			s := g.way[n-1]
			if _, was, _ := g.to.IndexOf(s.object, s.key.Elem); !was {
				if index, is, _ := now.IndexOf(s.object, s.key.Elem); is {
					removals = append(removals, removal{s.object, index})
				}
				continue
			}
		}
		r.pointer, _ = pathOf(g.to, g.way)
		reversals = append(reversals, r)
	}
	slices.SortStableFunc(removals, func(a, b removal) int { return cmp.Compare(b.index, a.index) })
	return removals, reversals
}
