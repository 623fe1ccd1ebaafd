package conflict

import (
	"math"
	"slices"
	"strings"

	"concord/crdt"
	"concord/sync/hub"
)

// concurrency is the ops of a document that are concurrent to a change, among
// those that came before it. An actor's changes follow each other, so that of
// each actor they are the last ones.
type concurrency struct {
	graph  *crdt.Graph
	whole  int      // of actors that aren't in before, the changes below this index come before the change
	before []before // ascending by actor
	lowest uint32   // counter of all that are concurrent, nothingLower = there are none
}

// before is up to which counter an actor's ops come before a change.
type before struct {
	actor crdt.ActorID
	last  uint32
}

const nothingLower = math.MaxUint32

func (c *concurrency) empty() bool { return c.lowest == nothingLower }

// has reports whether an op that came before the change is concurrent to it.
func (c *concurrency) has(op crdt.OpID) bool {
	return op.Counter >= c.lowest && op.Counter >= c.from(op.Actor)
}

// from returns the counter from which on an actor's ops are concurrent to the
// change.
func (c *concurrency) from(actor crdt.ActorID) uint32 {
	if i, ok := c.find(actor); ok {
		return c.before[i].last + 1
	}
	return c.graph.LastOp(actor, c.whole) + 1
}

func (c *concurrency) find(actor crdt.ActorID) (int, bool) {
	return slices.BinarySearchFunc(c.before, actor, func(b before, actor crdt.ActorID) int {
		return strings.Compare(string(b.actor), string(actor))
	})
}

// follow notes that a change comes before what follows.
func (c *concurrency) follow(change *crdt.Change) {
	i, ok := c.find(change.Actor)
	if !ok {
		c.before = slices.Insert(c.before, i, before{actor: change.Actor})
	}
	c.before[i].last = change.MaxOp()
}

// branches knows what is concurrent to the heads of a document: others may go on
// with them, and what came in long batches needn't be followed back for each
// change.
type branches struct {
	tips  []*branch
	held  int // entries of before in all of them
	steps int // looks at heads and changes, which tests bound
}

type branch struct {
	hash crdt.Hash
	concurrency
}

// maxHeld is how many entries the branches may have together. When they have
// more, they are forgotten.
const maxHeld = 1 << 18

// of returns what is concurrent to a change that has just been appended, valid
// until the next call.
func (b *branches) of(a *hub.Applied) *concurrency {
	t := b.leave(a.Change)
	switch {
	case a.Current:
		t = &branch{concurrency: concurrency{graph: a.Graph, whole: a.Index + 1, lowest: nothingLower}}
	case t != nil:
		t.follow(a.Change)
	default:
		t = &branch{concurrency: b.walk(a)}
		t.follow(a.Change)
	}
	if b.held += len(t.before); b.held > maxHeld {
		b.tips, b.held = nil, 0
	}
	t.hash = a.Change.Hash
	b.tips = append(b.tips, t)
	return &t.concurrency
}

// leave takes away the heads that a change follows, and returns the one that it
// follows alone. The change is concurrent to the others.
func (b *branches) leave(change *crdt.Change) (alone *branch) {
	deps := change.Deps
	if !slices.IsSortedFunc(deps, crdt.Hash.Compare) {
		deps = slices.SortedFunc(slices.Values(deps), crdt.Hash.Compare)
	}
	kept := b.tips[:0]
	b.held = 0
	for _, t := range b.tips {
		b.steps++
		if _, ok := slices.BinarySearchFunc(deps, t.hash, crdt.Hash.Compare); ok {
			alone = t
			continue
		}
		t.lowest = min(t.lowest, change.StartOp)
		b.held += len(t.before)
		kept = append(kept, t)
	}
	clear(b.tips[len(kept):])
	b.tips = kept
	if len(deps) > 1 {
		return nil
	}
	return alone
}

// walk finds what is concurrent to a change.
func (b *branches) walk(a *hub.Applied) concurrency {
	c := concurrency{graph: a.Graph, whole: a.Index, lowest: nothingLower}
	for _, i := range a.Graph.Concurrent(a.Change.Deps, a.Index) {
		b.steps++
		start := a.Graph.StartOp(i)
		c.lowest = min(c.lowest, start)
		actor, _ := a.Graph.Author(i)
		if at, ok := c.find(actor); !ok {
			c.before = slices.Insert(c.before, at, before{actor, start - 1})
		}
	}
	return c
}

// size returns the bytes of memory that are held, about.
func (b *branches) size() int {
	const perBranch, perEntry = 150, 40 // names are shared
	return perBranch*cap(b.tips) + perEntry*b.held
}
