package hub

import (
	"errors"
	"fmt"

	"concord/crdt"
	"concord/store"
)

// run is a row of changes from one sender.
type run struct {
	sender  sender
	first   int
	changes []*crdt.Change
	heads   []crdt.Hash // after these changes
}

func (r run) write(key store.DocKey, h *Hub) store.Append {
	changes := make([]store.Change, len(r.changes))
	for i, c := range r.changes {
		changes[i] = store.Change{Hash: store.Hash(c.Hash), Bytes: c.Bytes()}
	}
	heads := make([]store.Hash, len(r.heads))
	for i, x := range r.heads {
		heads[i] = store.Hash(x)
	}
	return store.Append{
		Doc: key, First: uint64(r.first), Changes: changes, Heads: heads,
		By: store.Attribution{User: r.sender.user, Device: r.sender.device, Received: h.opts.Now()},
	}
}

// stage passes changes through the gate into the graph and returns what has to
// be written, split by sender: a change may release others that waited for it.
func (d *document) stage(l *link, from sender, changes []*crdt.Change) []run {
	var runs []run
	for _, c := range changes {
		d.stageOne(l, from, c, &runs)
	}
	return runs
}

func (d *document) stageOne(l *link, from sender, change *crdt.Change, runs *[]run) {
	type candidate struct {
		change *crdt.Change
		from   sender
	}
	queue := []candidate{{change, from}}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		index, err := d.admit(c.change)
		var missing *crdt.MissingDepsError
		switch {
		case err == nil:
			if n := len(*runs); n == 0 || (*runs)[n-1].sender != c.from {
				*runs = append(*runs, run{sender: c.from, first: index})
			}
			last := &(*runs)[len(*runs)-1]
			last.changes = append(last.changes, c.change)
			last.heads = d.graph.StagedHeads()
			if d.orphans != nil {
				for _, o := range d.orphans.Release(c.change.Hash) {
					queue = append(queue, candidate{o.Change, parseSender(o.Sender)})
				}
			}
		case errors.Is(err, crdt.ErrKnown):
		case errors.As(err, &missing):
			d.hold(l, c.from, c.change, missing.Missing)
		default:
			d.author(l, c.from).refuse(d.key.Document, err)
			d.refused.add(c.change.Hash)
		}
	}
}

// admit passes a change through the whole gate: its place among the changes, then
// what its ops refer to. After an error nothing has changed.
func (d *document) admit(c *crdt.Change) (index int, err error) {
	h := c.Header()
	if err := d.graph.Check(h); err != nil {
		return 0, err
	}
	if d.unfit != nil {
		return 0, &crdt.RefusalError{Hash: h.Hash, Reason: crdt.ReasonBadDocument,
			Detail: "the document holds a change that can't be applied, and takes no others"}
	}
	if size, most := d.ops.Size(), opBytes*d.hub.rows(); size > most {
		return 0, &crdt.RefusalError{Hash: h.Hash, Reason: crdt.ReasonLimit,
			Detail: fmt.Sprintf("the document takes %d bytes of memory, it may grow to %d", size, most)}
	}
	if err := d.ops.Apply(c, nil); err != nil {
		return 0, err
	}
	if index, err = d.graph.Append(h); err != nil {
		panic(err) // Check has let it pass
	}
	return index, nil
}

// author returns the peer that a change is from: that of the link by which it
// came, or one whose orphan is free only now.
func (d *document) author(l *link, from sender) *peer {
	if l.peer.sender() != from {
		if other := d.linkOf(from); other != nil {
			return other.peer
		}
	}
	return l.peer
}

// hold keeps a change until its dependencies arrive.
func (d *document) hold(l *link, from sender, c *crdt.Change, missing []crdt.Hash) {
	for _, h := range missing {
		if d.refused.has(h) {
			l.peer.refuse(d.key.Document, &crdt.RefusalError{Hash: c.Hash, Reason: ReasonRefusedDependency,
				Detail: "it depends on " + h.String() + ", which was refused"})
			break
		}
	}
	if d.orphans == nil {
		d.orphans = crdt.NewOrphans(d.hub.opts.Orphans)
	}
	if d.orphans.Has(c.Hash) || l.peer.ending() || !d.hub.orphanRoom(l.peer, len(c.Bytes())) {
		return
	}
	for _, e := range d.orphans.Add(c, from.String(), missing) {
		d.hub.stats.orphansEvicted.Add(1)
		d.askAgain(parseSender(e.Sender))
	}
	d.countHeld()
}

// askAgain makes a sender forget what it believes to have sent, after its
// orphans were dropped.
func (d *document) askAgain(from sender) {
	for _, l := range d.links {
		if l.peer.sender() == from {
			l.state.RequestReset()
		}
	}
}
