package crdt

// Next returns the seq and the start op of a change by an actor that follows all
// appended changes, published or not.
func (g *Graph) Next(a ActorID) (seq, startOp uint32) {
	top := g.maxOp
	for _, counter := range g.maxOps[g.published:] {
		top = max(top, counter)
	}
	return g.nextSeq(a), top + 1
}

// StagedClock returns what all appended changes cover, published or not.
func (g *Graph) StagedClock() Clock {
	clock := make(Clock, len(g.actors))
	for _, a := range g.actors {
		clock[a.id] = g.maxOps[a.last]
	}
	return clock
}
