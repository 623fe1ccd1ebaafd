package crdt

import (
	"errors"
	"fmt"
	"slices"
)

// EditOptions are the optional fields of a change.
type EditOptions struct {
	Time    int64  // seconds since the Unix epoch by convention
	Message string // UTF-8; empty = none
	Empty   bool   // make a change even if nothing is written: it joins the heads
}

// ErrNoActor is returned by Edit before SetActor.
var ErrNoActor = errors.New("document has no actor")

// Edit makes one change of everything that fn writes, applies it and returns
// it; nil if nothing was written. When fn fails or panics, or a limit is broken,
// the document stays as it was.
func (d *Doc) Edit(o EditOptions, fn func(*Tx) error) (*Change, error) {
	if d.actor == "" {
		return nil, fmt.Errorf("edit: %w", ErrNoActor)
	}
	meta := d.nextMeta(o)
	c, err := d.ops.Compose(meta, fn)
	if err == nil && c == nil && o.Empty {
		c, err = EncodeChange(meta, nil)
	}
	if err != nil || c == nil {
		return nil, err
	}
	if err := d.Apply(c); err != nil {
		return nil, fmt.Errorf("edit: %w", err)
	}
	return c, nil
}

// nextMeta returns the fields of the next change.
func (d *Doc) nextMeta(o EditOptions) ChangeMeta {
	return ChangeMeta{
		Deps: slices.Clone(d.Heads()), Actor: d.actor, Seq: d.graph.nextSeq(d.actor),
		StartOp: d.graph.MaxOp() + 1, Time: o.Time, Message: o.Message,
	}
}

// nextSeq returns the seq of an actor's next change.
func (g *Graph) nextSeq(a ActorID) uint32 {
	i, ok := g.actorIDs[a]
	if !ok {
		return 1
	}
	return g.actors[i].seq + 1
}
