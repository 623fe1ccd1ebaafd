package crdt

// A change may refer only to ops of its ancestors. A replica that gets the
// change before those ops, which is possible if they are no ancestors, could
// not apply it; stock clients end their process.

// provenOps remembers up to which op of another actor the ancestors of an
// actor's last change are known to go. It answers for most changes of a branch,
// of which each would have to be followed back to where the branch began.
type provenOps map[provenPair]uint32

type provenPair struct{ author, other uint32 } // indexes into Graph.actors

// minProvenPairs is how many pairs may be kept of any graph; one of many changes
// may have more.
const (
	minProvenPairs       = 128
	changesPerProvenPair = 8
)

// add notes what the last change of an author refers to, and what the search
// for that has found.
func (p *provenOps) add(g *Graph, author uint32, h Header) {
	for i, counter := range h.OtherOps {
		if other, ok := g.actorIDs[h.OtherActors[i]]; ok { // not so if restored without the gate
			p.note(g, provenPair{author, other}, counter)
		}
	}
	if g.metBy == h.Hash {
		for _, met := range g.met {
			p.note(g, provenPair{author, met.actor}, met.counter)
		}
	}
}

func (p *provenOps) note(g *Graph, pair provenPair, counter uint32) {
	if *p == nil || len(*p) >= max(minProvenPairs, len(g.hashes)/changesPerProvenPair) {
		*p = make(provenOps)
	}
	(*p)[pair] = max((*p)[pair], counter)
}

// opNeed is an op that must be among the ancestors of a change.
type opNeed struct {
	actor   uint32
	counter uint32
}

// checkAncestry refuses a change that refers to ops of no ancestor. deps are
// ascending and distinct, the actors are known.
func (g *Graph) checkAncestry(h Header, deps []uint32) *RefusalError {
	var needs []opNeed
	g.met, g.metBy = g.met[:0], h.Hash
	author, known := g.actorIDs[h.Actor]
	for i, counter := range h.OtherOps {
		other := g.actorIDs[h.OtherActors[i]]
		if known && g.proven[provenPair{author, other}] >= counter {
			continue
		}
		needs = append(needs, opNeed{other, counter})
	}
	if len(needs) == 0 {
		return nil
	}
	if missing := g.unreached(deps, needs); len(missing) > 0 {
		return refuse(ReasonBadOp, "refers to op %d of actor %s, which isn't among its ancestors",
			missing[0].counter, g.actors[missing[0].actor].id)
	}
	return nil
}

// unreached returns those of needs that are neither in from nor in ancestors of
// it. An actor's changes follow each other, so that an op is an ancestor if any
// change with that op or a later one of the actor is.
func (g *Graph) unreached(from []uint32, needs []opNeed) []opNeed {
	w := g.startWalk()
	defer func() { g.endWalk(w) }()
	for _, d := range from {
		w.push(d, seen)
	}
	for len(w) > 0 && len(needs) > 0 {
		i, _, _ := w.next()
		needs = g.without(needs, i)
		if g.total(i) {
			// All changes below are ancestors, too.
			for ; i > 0 && len(needs) > 0; i-- {
				needs = g.without(needs, i-1)
			}
			break
		}
		for _, d := range g.Dependencies(int(i)) {
			w.push(d, seen)
		}
	}
	return needs
}

// without returns needs without those that change i meets.
func (g *Graph) without(needs []opNeed, i uint32) []opNeed {
	author := g.authors[i] &^ totalBit
	for n, need := range needs {
		if need.actor == author && need.counter <= g.maxOps[i] {
			g.met = append(g.met, opNeed{author, g.maxOps[i]})
			needs[n] = needs[len(needs)-1]
			return needs[:len(needs)-1]
		}
	}
	return needs
}
