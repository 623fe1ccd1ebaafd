// Package history invents document histories: changes by several actors who
// edit concurrently and now and then see each other's work. Everything is drawn
// from the generator that the caller passes, so that one seed replays it.
package history

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"

	"concord/crdt"
)

// Shape says what a history is like. The zero value of a field means its default.
type Shape struct {
	Ops     int    // roughly how many ops; default 5 to 60
	Actors  int    // default 2 to 6
	Without Oddity // what not to put in; AllOddities for what clients write

	Contested int // from 1: many write to few places, and the more rarely know of each other; 0 = no
}

func (s Shape) withDefaults(rng *rand.Rand) Shape {
	if s.Ops == 0 {
		s.Ops = 5 + rng.IntN(56)
	}
	if s.Actors == 0 {
		s.Actors = 2 + rng.IntN(5)
	}
	return s
}

// History is a list of changes, dependencies first.
type History struct {
	Changes  []*crdt.Change
	Oddities Oddity // what Random may have put in
}

// Random invents a history. The error names an op that crdt doesn't encode,
// which is a fault of this package or of that one.
func Random(rng *rand.Rand, s Shape) (*History, error) {
	s = s.withDefaults(rng)
	w := NewWriter(rng, s)
	if err := w.Grow(s.Ops); err != nil {
		return nil, err
	}
	return w.History(), nil
}

// Bytes returns the changes as chunks.
func (h *History) Bytes() [][]byte {
	chunks := make([][]byte, len(h.Changes))
	for i, c := range h.Changes {
		chunks[i] = c.Bytes()
	}
	return chunks
}

// Parse is the History of chunks, dependencies first.
func Parse(chunks [][]byte) (*History, error) {
	h := &History{}
	for i, b := range chunks {
		c, err := crdt.ParseChange(b, crdt.Limits{})
		if err != nil {
			return nil, fmt.Errorf("change %d: %w", i, err)
		}
		h.Changes = append(h.Changes, c)
	}
	return h, nil
}

// Delivery returns batches of indexes of changes: every change at least once,
// often in the order of the history, sometimes in any, with repeats.
func (h *History) Delivery(rng *rand.Rand) [][]int {
	order := make([]int, len(h.Changes))
	for i := range order {
		order[i] = i
	}
	switch rng.IntN(4) {
	case 0:
	case 1: // some neighbours change places
		for range len(order) / 3 {
			if i := rng.IntN(len(order)); i > 0 {
				order[i-1], order[i] = order[i], order[i-1]
			}
		}
	default:
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	if rng.IntN(3) == 0 {
		for range 1 + len(order)/5 {
			order = slices.Insert(order, rng.IntN(len(order)+1), rng.IntN(len(h.Changes)))
		}
	}
	return cutUp(rng, order)
}

// InOrder returns batches that bring every change once, dependencies first.
func (h *History) InOrder(rng *rand.Rand) [][]int {
	order := make([]int, len(h.Changes))
	for i := range order {
		order[i] = i
	}
	return cutUp(rng, order)
}

// cutUp divides a list into parts of random lengths.
func cutUp(rng *rand.Rand, order []int) (batches [][]int) {
	most := 1 + rng.IntN(len(order)+1)
	for len(order) > 0 {
		n := min(1+rng.IntN(most), len(order))
		batches, order = append(batches, order[:n]), order[n:]
	}
	return batches
}

// Views returns n random lists of hashes that were heads at some time, or can
// have been; a list may be empty.
func (h *History) Views(rng *rand.Rand, n int) [][]string {
	views := make([][]string, n)
	for i := range views {
		views[i] = []string{}
		for range 1 + rng.IntN(3) {
			hash := h.Changes[rng.IntN(len(h.Changes))].Hash
			views[i] = append(views[i], hex.EncodeToString(hash[:]))
		}
		slices.Sort(views[i])
		views[i] = slices.Compact(views[i])
	}
	return views
}

// String lists the changes with their ops, for people.
func (h *History) String() string {
	var b []byte
	for i, c := range h.Changes {
		b = fmt.Appendf(b, "change %d %s by %s seq %d startOp %d deps", i, c.Hash, c.Actor, c.Seq, c.StartOp)
		for _, d := range c.Deps {
			b = fmt.Appendf(b, " %d", slices.IndexFunc(h.Changes, func(c *crdt.Change) bool { return c.Hash == d }))
		}
		b = append(b, '\n')
		for op := range c.Ops() {
			b = appendOp(b, op)
		}
	}
	return string(b)
}

func appendOp(b []byte, op crdt.Op) []byte {
	b = fmt.Appendf(b, "  %s %s in %s", op.ID, op.Action, op.Obj)
	switch {
	case op.Insert:
		b = fmt.Appendf(b, " after %s", op.Key.Elem)
	case op.Key.IsElem:
		b = fmt.Appendf(b, " at %s", op.Key.Elem)
	default:
		b = fmt.Appendf(b, " key %q", op.Key.Name)
	}
	b = fmt.Appendf(b, " value %s %q", op.Value, op.Value.Bytes())
	if op.Action == crdt.ActionMark {
		b = fmt.Appendf(b, " mark %q (begin %t) expand %t", op.MarkName, op.HasMarkName, op.Expand)
	}
	for _, p := range op.Preds {
		b = fmt.Appendf(b, " pred %s", p)
	}
	return append(b, '\n')
}
