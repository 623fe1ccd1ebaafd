package crdt

import (
	"math"
	"slices"
)

// MaxHeads is how many heads Append lets a document have: as many as one change
// may have dependencies (DefaultDeps), so that an edit can always merge them
// all and a sync message can always name them.
const MaxHeads = DefaultDeps

// maxCounterAfterGap is how far a change may get that doesn't start right after
// the ops of its dependencies, as when a client edits an earlier state: its
// change starts after everything that it knows. automerge-js takes memory for
// each counter up to an actor's last one when it loads a document: a gap of some
// ten millions would make it unreadable. The bound looks at ancestors only, so
// that the order in which changes come decides nothing, and many gaps don't add up.
const maxCounterAfterGap = 4 << 20

// Append stages a change behind the gate and returns its index. The error is
// ErrKnown when the change is staged or published already, *MissingDepsError
// when it has to wait for others, and *RefusalError when it can't be accepted.
// The graph copies what it keeps of h. After an error it is unchanged.
func (g *Graph) Append(h Header) (index int, err error) {
	deps, err := g.check(h)
	if err != nil {
		return 0, err
	}
	g.add(h, deps)
	return len(g.hashes) - 1, nil
}

// appendRow is Append for the changes of a document, in order, into a graph that
// was empty: their dependencies are known by position.
func (g *Graph) appendRow(c DocumentChange) (index int, err error) {
	deps := append(g.resolved[:0], c.deps...)
	g.resolved = deps
	if len(deps) > 1 {
		slices.Sort(deps)
		deps = slices.Compact(deps)
	}
	if r := g.checkResolved(c.Header, deps); r != nil {
		return 0, r.of(c.Header)
	}
	g.add(c.Header, deps)
	return len(g.hashes) - 1, nil
}

// Check returns the error that Append would return, and changes nothing.
func (g *Graph) Check(h Header) error {
	_, err := g.check(h)
	return err
}

func (g *Graph) check(h Header) (deps []uint32, err error) {
	if g.HasStaged(h.Hash) {
		return nil, ErrKnown
	}
	deps, missing := g.resolve(h.Deps)
	if len(missing) > 0 {
		if r := checkNumbers(h, g.tipOf(h.Actor).seq); r != nil {
			return nil, r.of(h) // dependencies can't repair it
		}
		return nil, &MissingDepsError{Hash: h.Hash, Missing: missing}
	}
	if r := g.checkResolved(h, deps); r != nil {
		return nil, r.of(h)
	}
	return deps, nil
}

// of names the refused change.
func (e *RefusalError) of(h Header) *RefusalError {
	e.Hash = h.Hash
	return e
}

// checkNumbers refuses what no dependency can repair: counters out of range
// and a seq that another change of the actor holds. lastSeq is 0 for none.
func checkNumbers(h Header, lastSeq uint32) *RefusalError {
	switch {
	case h.Seq == 0:
		return refuse(ReasonSeqGap, "seq 0; the first is 1")
	case h.StartOp == 0:
		return refuse(ReasonStartOp, "startOp 0; the first is 1")
	case h.NumOps < 0 || uint64(h.StartOp)+uint64(h.NumOps)-1 > math.MaxUint32:
		return refuse(ReasonLimit, "%d ops from counter %d pass 2^32-1", h.NumOps, h.StartOp)
	case h.Seq <= lastSeq:
		return refuse(ReasonDuplicateSeq,
			"actor %s has another change with seq %d: two devices share one actor ID (copied storage) and this branch can't be merged",
			h.Actor, h.Seq)
	}
	return nil
}

// tipOf returns the last change of an actor, with seq 0 if there is none.
func (g *Graph) tipOf(a ActorID) actorTip {
	if i, ok := g.actorIDs[a]; ok {
		return g.actors[i]
	}
	return actorTip{}
}

// checkResolved checks a change against the changes that it builds on. deps are
// ascending and distinct.
func (g *Graph) checkResolved(h Header, deps []uint32) *RefusalError {
	tip := g.tipOf(h.Actor)
	if r := checkNumbers(h, tip.seq); r != nil {
		return r
	}
	if h.Seq != tip.seq+1 {
		return refuse(ReasonSeqGap, "seq %d after %d", h.Seq, tip.seq)
	}
	if tip.seq > 0 && !g.reaches(deps, tip.last) {
		return refuse(ReasonNotLinear, "doesn't depend on the actor's change with seq %d", tip.seq)
	}
	before := g.lastBefore(deps)
	// A document doesn't say where a change without ops starts: automerge-js
	// can't load one that holds such a change after a gap.
	if h.StartOp <= before || h.NumOps == 0 && h.StartOp != before+1 {
		return refuse(ReasonStartOp, "startOp %d of a change with %d ops, the dependencies go up to %d", h.StartOp, h.NumOps, before)
	}
	if h.StartOp != before+1 && h.MaxOp() > maxCounterAfterGap {
		return refuse(ReasonStartOp, "startOp %d leaves a gap after %d; that may be done up to %d", h.StartOp, before, maxCounterAfterGap)
	}
	for _, other := range h.OtherActors {
		if _, ok := g.actorIDs[other]; !ok {
			return refuse(ReasonUnknownActor, "actor %s has no known change", other)
		}
	}
	heads := len(g.tips) + 1
	for _, d := range deps {
		if _, ok := slices.BinarySearch(g.tips, d); ok {
			heads--
		}
	}
	if heads > MaxHeads {
		return refuse(ReasonLimit, "would be head number %d; at most %d", heads, MaxHeads)
	}
	if heads == 1 {
		return nil // all changes are ancestors
	}
	return g.checkAncestry(h, deps)
}
