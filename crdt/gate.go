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
// the ops of its dependencies. No client leaves gaps, but the format allows
// them. automerge-js takes memory for each counter up to an actor's last one
// when it loads a document: a gap of some ten millions makes it unreadable.
const maxCounterAfterGap = 1 << 16

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

// Check returns the error that Append would return, and changes nothing.
func (g *Graph) Check(h Header) error {
	_, err := g.check(h)
	return err
}

func (g *Graph) check(h Header) (deps []uint32, err error) {
	if g.HasStaged(h.Hash) {
		return nil, ErrKnown
	}
	actor, known := g.actorIDs[h.Actor]
	var tip actorTip // seq 0 for an actor without changes
	if known {
		tip = g.actors[actor]
	}
	if r := checkNumbers(h, tip.seq); r != nil {
		return nil, r.of(h)
	}
	deps, missing := g.resolve(h.Deps)
	if len(missing) > 0 {
		return nil, &MissingDepsError{Hash: h.Hash, Missing: missing}
	}
	if r := g.checkPlace(h, deps, tip, known); r != nil {
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

// maxCounterAfterGap is how far a change may get that doesn't start right after
// the ops of its dependencies. No client leaves gaps, but the format allows
// them. automerge-js takes time and memory for each counter up to an actor's
// last one when it loads a document: after a gap of some ten millions it can't.
const maxCounterAfterGap = 1 << 16

// checkPlace checks a change against the changes that it builds on. deps are
// ascending and distinct; tip is the actor's last change if it is known.
func (g *Graph) checkPlace(h Header, deps []uint32, tip actorTip, known bool) *RefusalError {
	if h.Seq != tip.seq+1 {
		return refuse(ReasonSeqGap, "seq %d after %d", h.Seq, tip.seq)
	}
	if known && !g.reaches(deps, tip.last) {
		return refuse(ReasonNotLinear, "doesn't depend on the actor's change with seq %d", tip.seq)
	}
	before := uint32(0) // highest counter of the dependencies
	for _, d := range deps {
		before = max(before, g.maxOps[d])
	}
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
