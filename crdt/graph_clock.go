package crdt

import "fmt"

// Clock says how much of a history some heads cover: for each actor the op
// counter of the last change of theirs that is one of the heads or an ancestor
// of one. Since an actor's changes are linear, an op is covered exactly if its
// counter isn't above. Actors without such a change are missing.
type Clock map[ActorID]uint32

// Clock returns what published heads cover; no heads cover nothing. The work
// grows with the distance to the oldest change that is the last of its actor.
func (g *Graph) Clock(heads []Hash) (Clock, error) {
	w := g.startWalk()
	defer func() { g.endWalk(w) }()
	for _, h := range heads {
		i, ok := g.Index(h)
		if !ok {
			return nil, fmt.Errorf("clock at heads: change %s is unknown", h)
		}
		w.push(uint32(i), seen)
	}
	clock := make(Clock)
	for len(w) > 0 && len(clock) < len(g.actors) {
		i, _, _ := w.next()
		g.coverBy(clock, i)
		if g.total(i) {
			for ; i > 0 && len(clock) < len(g.actors); i-- {
				g.coverBy(clock, i-1)
			}
			break
		}
		for _, d := range g.Dependencies(int(i)) {
			w.push(d, seen)
		}
	}
	return clock, nil
}

// coverBy adds change i to a clock. Of each actor, the last change comes first.
func (g *Graph) coverBy(clock Clock, i uint32) {
	actor := g.actors[g.authors[i]&^totalBit].id
	if _, ok := clock[actor]; !ok {
		clock[actor] = g.maxOps[i]
	}
}
