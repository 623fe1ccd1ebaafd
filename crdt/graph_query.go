package crdt

import "slices"

// opGap is a change that doesn't start right after the ops of its dependencies.
type opGap struct {
	change uint32
	start  uint32 // counter of its first op
}

// StartOp returns the counter of the first op of change i, which is below
// Staged; of a change without ops, the counter that its first would have.
func (g *Graph) StartOp(i int) uint32 {
	at, ok := slices.BinarySearchFunc(g.gaps, uint32(i), func(gap opGap, i uint32) int { return int(gap.change) - int(i) })
	if ok {
		return g.gaps[at].start
	}
	return g.lastBefore(g.Dependencies(i)) + 1
}

// lastBefore returns the highest counter of some changes, 0 for none.
func (g *Graph) lastBefore(deps []uint32) uint32 {
	last := uint32(0)
	for _, d := range deps {
		last = max(last, g.maxOps[d])
	}
	return last
}

// ChangeOf returns the index of the appended change, published or not, that
// made an op. The first call of a graph takes a walk through all its changes,
// later ones logarithmic time.
func (g *Graph) ChangeOf(op OpID) (index int, ok bool) {
	actor, ok := g.actorIDs[op.Actor]
	if !ok || op.IsZero() {
		return 0, false
	}
	if g.byActor == nil {
		g.indexActors()
	}
	// An actor's changes follow each other, and so do their ops. A change without
	// ops ends where the one before it does, or later.
	changes := g.byActor[actor]
	at, _ := slices.BinarySearchFunc(changes, op.Counter, func(i, counter uint32) int {
		if g.maxOps[i] < counter {
			return -1
		}
		return 1
	})
	if at == len(changes) || op.Counter < g.StartOp(int(changes[at])) {
		return 0, false
	}
	return int(changes[at]), true
}

// indexActors lists the changes of each actor.
func (g *Graph) indexActors() {
	counts := make([]uint32, len(g.actors))
	for _, a := range g.authors {
		counts[a&^totalBit]++
	}
	g.byActor = make([][]uint32, len(g.actors))
	for i, n := range counts {
		g.byActor[i] = make([]uint32, 0, n)
	}
	for i, a := range g.authors {
		a &^= totalBit
		g.byActor[a] = append(g.byActor[a], uint32(i))
	}
}

// noteAuthor adds change i to the list of its actor.
func (g *Graph) noteAuthor(actor, i uint32) {
	if int(actor) == len(g.byActor) {
		g.byActor = append(g.byActor, nil)
	}
	g.byActor[actor] = append(g.byActor[actor], i)
}

// Concurrent returns the indexes, ascending, of the appended changes, published
// or not, that are neither in deps nor ancestors of them: with the dependencies
// of a change and its own index as except, what is concurrent to it, as long as
// nothing follows it. except is left out; it is -1 for none. Unknown deps are
// ignored. The work grows with the answer, as that of Since does.
func (g *Graph) Concurrent(deps []Hash, except int) []int {
	w := g.startWalk()
	defer func() { g.endWalk(w) }()
	for _, h := range deps {
		if i, ok := g.index.find(g.hashes, h); ok {
			w.push(i, seen)
		}
	}
	return g.outside(&w, g.tips, except)
}

// LastOp returns the counter of the last op that an actor made in the appended
// changes, published or not, below index n; 0 for none. The work is that of
// ChangeOf.
func (g *Graph) LastOp(a ActorID, n int) uint32 {
	actor, ok := g.actorIDs[a]
	if !ok {
		return 0
	}
	if g.byActor == nil {
		g.indexActors()
	}
	changes := g.byActor[actor]
	at, _ := slices.BinarySearch(changes, uint32(n))
	if at == 0 {
		return 0
	}
	return g.maxOps[changes[at-1]]
}
