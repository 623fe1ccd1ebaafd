package conflict

import (
	"concord/crdt"
	"concord/sync/hub"
)

// concurrency is the ops of a document that are concurrent to a change, among
// those that came before it. An actor's changes follow each other, so that of
// each actor they are the last ones.
type concurrency struct {
	actors []actorOps
	index  map[crdt.ActorID]uint32 // the same, if there are many
	lowest uint32                  // counter, of all of them
}

type actorOps struct {
	actor crdt.ActorID
	from  uint32 // counter of the first one
}

// manyActors is from how many actors on an index is quicker than a look at each.
const manyActors = 8

func (c *concurrency) empty() bool { return len(c.actors) == 0 }

// has reports whether an op that came before the change is concurrent to it.
func (c *concurrency) has(op crdt.OpID) bool {
	if op.Counter < c.lowest || len(c.actors) == 0 {
		return false
	}
	from, ok := c.from(op.Actor)
	return ok && op.Counter >= from
}

func (c *concurrency) from(actor crdt.ActorID) (uint32, bool) {
	if c.index != nil {
		from, ok := c.index[actor]
		return from, ok
	}
	for i := range c.actors {
		if c.actors[i].actor == actor {
			return c.actors[i].from, true
		}
	}
	return 0, false
}

// add notes a change; those of one actor come in their order.
func (c *concurrency) add(g *crdt.Graph, change int) {
	actor, _ := g.Author(change)
	if _, ok := c.from(actor); ok {
		return
	}
	from := g.StartOp(change)
	if len(c.actors) == 0 || from < c.lowest {
		c.lowest = from
	}
	c.actors = append(c.actors, actorOps{actor, from})
	if c.index != nil {
		c.index[actor] = from
	} else if len(c.actors) > manyActors {
		c.index = make(map[crdt.ActorID]uint32)
		for _, a := range c.actors {
			c.index[a.actor] = a.from
		}
	}
}

// since returns what is concurrent to the only change that follows directly on
// one to which c is: c, and what came in between.
func (c *concurrency) since(g *crdt.Graph, from, to int) concurrency {
	if from == to {
		return *c
	}
	more := concurrency{lowest: c.lowest, actors: append([]actorOps(nil), c.actors...)}
	if c.index != nil {
		more.index = make(map[crdt.ActorID]uint32, len(c.actors))
		for _, a := range c.actors {
			more.index[a.actor] = a.from
		}
	}
	for i := from; i < to; i++ {
		more.add(g, i)
	}
	return more
}

// branches remembers the last changes of branches that others may go on, with
// what is concurrent to them. What came in long batches needn't be followed back
// for each change.
type branches struct {
	tips [8]branch
	next int // where the next unknown one goes
}

type branch struct {
	hash       crdt.Hash
	index      int
	concurrent concurrency
}

// of returns what is concurrent to a change that has just been appended.
func (b *branches) of(a *hub.Applied) concurrency {
	c, at := concurrency{}, -1
	deps := a.Change.Deps
	if len(deps) == 1 {
		for i := range b.tips {
			if b.tips[i].hash == deps[0] {
				at = i
			}
		}
	}
	switch {
	case a.Current:
	case at >= 0:
		c = b.tips[at].concurrent.since(a.Graph, b.tips[at].index+1, a.Index)
	default:
		for _, i := range a.Graph.Concurrent(deps, a.Index) {
			c.add(a.Graph, i)
		}
	}
	if at < 0 {
		at = b.next
		b.next = (b.next + 1) % len(b.tips)
	}
	b.tips[at] = branch{a.Change.Hash, a.Index, c}
	return c
}
