package hub

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"concord/store"
	"concord/sync/wire"
)

// committed is called by the store when a write is durable, or never will be.
// It doesn't wait for the document: all others' acknowledgements come after it.
func (d *document) committed(in *message, err error) {
	if d.mu.TryLock() {
		defer d.mu.Unlock()
		d.committedLocked(in, err)
		return
	}
	d.hub.writers.Add(1)
	go func() {
		defer d.hub.writers.Add(-1)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.committedLocked(in, err)
	}()
}

// committedLocked may be called for a later write before an earlier one: being
// durable, it waits in pending for its turn.
func (d *document) committedLocked(in *message, err error) {
	defer d.guard(nil)
	d.appends--
	in.writing = false
	if in.over {
		in.finish(err)
	}
	if err != nil {
		if errors.Is(err, store.ErrExists) {
			d.takeBack(in, err)
		} else {
			d.hub.log.Error("changes not stored", "document", d.key.Document.String(), "error", err)
			d.abandonLocked(err)
		}
		d.tidyLocked()
		return
	}
	if !in.over {
		in.durable = true
		d.settleLocked()
		d.account()
	}
}

// guard is deferred under the document's lock: a fault of ours costs this
// document's peers their connections, not everybody the node. What was staged is
// given up; what is durable will be read again.
func (d *document) guard(err *error) {
	r := recover()
	if r == nil {
		return
	}
	d.hub.log.Error("panic", "document", d.key.Document.String(), "panic", r, "stack", string(debug.Stack()))
	fault := fmt.Errorf("panic: %v", r)
	d.abandonLocked(fault)
	if err != nil {
		*err = fault
	}
}

// abandonLocked drops a document whose staged changes can't become durable.
// The peers that sent them have got no acknowledgement, and would wait for it
// for ever: they, and whoever was to get what they sent, have to come back. The
// document isn't read again before the store has finished with all its writes.
func (d *document) abandonLocked(why error) {
	for _, in := range d.pending {
		in.finish(why)
	}
	for _, l := range d.links {
		l.peer.end(wire.CloseTryLater, "the server couldn't store changes; come back later")
	}
	d.pending = nil
	d.dropLocked()
	if d.hub.opts.Deriver != nil {
		d.hub.opts.Deriver.Abandoned(d.key)
	}
}

// takeBack refuses a message whose records are there already: somebody else has
// been faster. What it has staged goes with the graph, which is read again; peers
// notice nothing, unless others have built on it.
func (d *document) takeBack(in *message, why error) {
	alone := !in.over && len(d.pending) == 1
	in.finish(why)
	if !alone {
		d.abandonLocked(ErrBusy)
		return
	}
	d.pending = nil
	d.forgetGraph()
	if d.hub.opts.Deriver != nil {
		d.hub.opts.Deriver.Abandoned(d.key)
	}
}

// settleLocked finishes the messages at the front that wait for nothing.
func (d *document) settleLocked() {
	for len(d.pending) > 0 && d.pending[0].durable {
		in := d.pending[0]
		d.settleOne(in)
		d.pending[0] = nil
		d.pending = d.pending[1:]
		in.finish(nil)
	}
	if len(d.pending) == 0 {
		d.pending = nil
	}
}

func (d *document) settleOne(in *message) {
	before := slices.Concat(d.graph.Heads(), in.foreign)
	first := d.graph.Len()
	l := in.link
	if l != nil && !l.gone {
		l.peer.mark(l) // the author first: its acknowledgement shouldn't wait for everybody's copy
	}
	if in.upTo > first {
		d.graph.Publish(in.upTo)
		d.exists = true
		for i, c := range in.chunks {
			d.working().recent.add(first+i, c.Bytes())
			d.stored.TailBytes += uint64(len(c.Bytes()))
		}
		d.stored.Changes += uint64(len(in.chunks))
		d.snapshotIfDue(false)
		d.hub.stats.changes.Add(uint64(len(in.chunks)))
		for _, other := range d.links {
			other.unavailable, other.tell = false, false
			if other != l {
				other.peer.mark(other)
			}
		}
	}
	if l == nil || l.gone {
		return
	}
	shared := l.state.SharedHeads()
	l.state.Receive(d.view(), in.sync, before)
	l.peer.weigh(l)
	if !slices.Equal(shared, l.state.SharedHeads()) {
		l.since, l.unsaved = d.hub.opts.Now(), l.peer.keepState
	}
	if in.request && !d.exists {
		l.unavailable, l.tell = true, true
	} else {
		l.unavailable, l.tell = false, false
	}
	d.gossip(l, in.sync.Heads)
	d.heatLocked()
}
