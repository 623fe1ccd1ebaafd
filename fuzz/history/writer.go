package history

import (
	"math/rand/v2"

	"concord/crdt"
)

// Writer invents a history step by step, so that what came so far can decide
// what comes next.
type Writer struct{ world *world }

// NewWriter begins a history; Shape.Ops doesn't matter.
func NewWriter(rng *rand.Rand, s Shape) *Writer { return &Writer{newWorld(rng, s.withDefaults(rng))} }

// Grow adds changes with about that many ops.
func (w *Writer) Grow(ops int) error {
	for written := 0; written < ops; {
		n, err := w.world.change()
		if err != nil {
			return err
		}
		written += max(1, n)
	}
	return nil
}

// Say has somebody who knows everything, or knows some change and all before it,
// write a change with a message; half of these have no ops, the others write at
// the place.
func (w *Writer) Say(message string, obj crdt.OpID, key crdt.Key) error {
	rng := w.world.rng
	w.world.me = pick(rng, w.world.actors)
	if rng.IntN(3) > 0 {
		w.world.knowAll()
	} else {
		w.world.know(rng.IntN(len(w.world.encoded)))
	}
	return w.world.say(message, obj, key)
}

// History returns what has been written. It shares the changes with the writer.
func (w *Writer) History() *History {
	return &History{Changes: w.world.encoded, Oddities: w.world.oddities}
}
