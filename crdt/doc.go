package crdt

import (
	"errors"
)

// Doc is an Automerge document with its whole history. It ties together the
// change graph, the content, and the changes that wait for others.
//
// A Doc is not safe for concurrent use, not even by readers alone.
type Doc struct {
	graph   *Graph
	ops     *OpSet
	meta    changeMeta
	orphans *Orphans
	recent  recentChanges
	actor   ActorID
}

// New returns an empty document. To edit it, give it an actor.
func New() *Doc {
	return &Doc{graph: NewGraph(), ops: NewOpSet(), orphans: NewOrphans(OrphanLimits{})}
}

// SetActor sets who makes the changes of Edit from here on, see NewActor.
func (d *Doc) SetActor(a ActorID) { d.actor = a }

// Actor returns who makes the changes of Edit; "" at first.
func (d *Doc) Actor() ActorID { return d.actor }

// Heads returns the changes that no other change depends on, sorted. The slice
// is shared and never modified: it may be kept.
func (d *Doc) Heads() []Hash { return d.graph.Heads() }

// Len returns the number of changes.
func (d *Doc) Len() int { return d.graph.Len() }

// Has reports whether a change is part of the document.
func (d *Doc) Has(h Hash) bool { return d.graph.Has(h) }

// Missing returns the changes that queued ones wait for, sorted.
func (d *Doc) Missing() []Hash { return d.orphans.Missing() }

// Queued returns how many changes wait for others.
func (d *Doc) Queued() int { return d.orphans.Len() }

// Size returns the bytes of memory that the document holds, about.
func (d *Doc) Size() int {
	return d.graph.Size() + d.ops.Size() + d.meta.size() + d.recent.size + d.orphans.Bytes()
}

// View returns the present content. It follows later changes.
func (d *Doc) View() View { return d.ops.View() }

// At returns the content at earlier heads. It fails for unknown ones.
func (d *Doc) At(heads []Hash) (View, error) {
	clock, err := d.graph.Clock(heads)
	if err != nil {
		return View{}, err
	}
	return d.ops.At(clock), nil
}

// Apply adds changes. Known ones are ignored; those whose dependencies are
// missing are queued, up to a limit beyond which the newest are dropped, and
// are applied once they can be. A change that can't be accepted is left out and
// the others are applied all the same; the error joins one *RefusalError for each.
func (d *Doc) Apply(changes ...*Change) error {
	var errs []error
	for _, c := range changes {
		if err := d.offer(c); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// offer applies a change and what waited for it, or queues it.
func (d *Doc) offer(c *Change) error {
	err := d.apply(c)
	var missing *MissingDepsError
	switch {
	case err == ErrKnown:
		return nil
	case errors.As(err, &missing):
		d.orphans.Add(c, "", missing.Missing)
		return nil
	case err != nil:
		return err
	case d.orphans.Len() == 0:
		return nil
	}
	return d.release(c.Hash)
}

// release applies the queued changes that waited for a change, and so on.
func (d *Doc) release(h Hash) error {
	var errs []error
	for ready := d.orphans.Release(h); len(ready) > 0; ready = ready[1:] {
		c := ready[0].Change
		if err := d.apply(c); err != nil {
			errs = append(errs, err)
			continue
		}
		ready = append(ready, d.orphans.Release(c.Hash)...)
	}
	return errors.Join(errs...)
}

// apply adds one change; the error is that of Graph.Append or OpSet.Apply, and
// nothing has changed then.
func (d *Doc) apply(c *Change) error {
	h := c.Header()
	deps, err := d.graph.check(h)
	if err != nil {
		return err
	}
	if err := d.ops.Apply(c, nil); err != nil {
		return err
	}
	i := d.graph.Staged()
	d.graph.add(h, deps)
	d.graph.Publish(i + 1)
	d.meta.add(d.graph, i, h.Deps, c.Time, []byte(c.Message), c.Extra)
	d.recent.add(i, c.raw)
	return nil
}
