package hub

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// document is one document that peers have open, or whose graph is still in memory.
type document struct {
	hub *Hub
	key store.DocKey

	graphBytes atomic.Int64 // memory of graph, orphans and work; 0 = not in memory
	lastUsed   atomic.Int64 // hub clock, nanoseconds

	mu          sync.Mutex // guards the following fields
	removed     bool       // no longer in Hub.documents; look it up again
	hot         bool       // in Hub.hot
	links       []*link
	purging     bool         // nothing is taken any more: Purge deletes it
	exists      bool         // at least one change is durable
	graph       *crdt.Graph  // nil = not in memory
	stored      store.Info   // as last read, and what was published since; without heads; valid with graph
	kind        string       // type of the document; empty if it has none; valid with graph
	ref         string       // with kind
	actor       crdt.ActorID // of the server's own changes; empty before the first; valid with graph
	ops         *crdt.OpSet  // what graph's changes have built, staged ones included; nil = not in memory
	watcher     Watcher      // of ops; nil if nobody watches
	diff        *crdt.Diff   // of the last change to ops, for guards and derivations
	looks       int          // at all heads and actors, which tests bound
	derived     Derivation   // of ops, for the type derivedKind; nil if nothing is derived, or not yet
	unfit       error        // why the stored changes give no op set
	orphans     *crdt.Orphans
	held        map[string]int // bytes of orphans by sender, as counted in Hub.orphans
	refused     refusals
	pending     []*message // received, not settled, in order
	appends     int        // writes that the store has and hasn't finished
	work        *working
	building    *building // of ops, by somebody without the lock
	derivedKind string
	pins        int // how many are about to need ops or work
}

// working is what only a document in use needs; nil for an idle one.
type working struct {
	recent recentChanges
	older  olderChanges
	cache  protocol.Cache
	frames sharedFrames
}

func (d *document) working() *working {
	if d.work == nil {
		d.work = &working{}
		d.heatLocked() // so that it is freed again
	}
	return d.work
}

// sharedFrames holds the frames of the sync messages that were encoded last:
// one for the author of an edit, one for everybody else.
type sharedFrames [2]struct {
	encoded *protocol.Encoded
	frame   wire.Shared
}

// size returns the bytes of the frames, beside the messages in the protocol's
// cache.
func (f *sharedFrames) size() (n int) {
	for _, known := range f {
		if known.encoded != nil {
			n += len(known.encoded.Bytes)
		}
	}
	return n
}

// of returns a message's frame; fresh is true when it had to be made.
func (f *sharedFrames) of(out *protocol.Encoded, m wire.Sync) (frame wire.Shared, fresh bool) {
	for _, known := range f {
		if known.encoded == out {
			return known.frame, false
		}
	}
	f[1] = f[0] // the older one makes room
	f[0].encoded, f[0].frame = out, wire.Share(m)
	return f[0].frame, true
}

// attach adds a link; ok is false when the document has left memory meanwhile.
func (d *document) attach(l *link, user string) (ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.guard(&err)
	if d.removed {
		return false, nil
	}
	l.document = d
	if err := d.load(); err != nil {
		d.tidyLocked()
		return false, err
	}
	if l.peer.keepState {
		saved, found, err := d.hub.store.SyncState(l.syncKey(user))
		if err != nil {
			return false, fmt.Errorf("read sync state: %w", err)
		}
		if found {
			if err := l.restore(saved); err != nil {
				// A state that can't be read is worth no more than none.
				d.hub.log.Warn("saved sync state ignored", "document", d.key.Document.String(), "error", err)
			}
		}
	}
	d.links = append(d.links, l)
	return true, nil
}

// detach removes a link, saving its sync state.
func (d *document) detach(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.gone = true
	d.saveLocked([]*link{l})
	if i := slices.Index(d.links, l); i >= 0 {
		d.links = slices.Delete(d.links, i, i+1)
	}
	if len(d.links) == 0 {
		d.snapshotIfDue(true)
	}
	// The tabs of a browser share one storage, and a reconnect comes before the
	// end of the connection that it replaces.
	from := l.peer.sender()
	if d.orphans != nil && d.linkOf(from) == nil {
		d.orphans.DropSender(from.String())
	}
	d.tidyLocked()
}

// tidyLocked forgets a document that nobody needs, or that doesn't exist.
func (d *document) tidyLocked() {
	if len(d.links) == 0 && !d.busy() && d.blank() {
		d.dropLocked()
	}
	if len(d.links) == 0 && d.graph == nil && d.appends == 0 && !d.busy() && !d.removed {
		d.hub.forget(d)
	}
}

// account tells the document cache what the document holds.
func (d *document) account() {
	size := int64(0)
	if d.graph != nil {
		size = int64(d.graph.Size())
		if d.work != nil {
			size += int64(d.work.recent.size + d.work.older.size() + d.work.cache.Size() + d.work.frames.size())
		}
		if d.ops != nil {
			size += int64(d.ops.Size())
		}
		if d.watcher != nil {
			size += int64(d.watcher.Size())
		}
		if d.derived != nil {
			size += int64(d.derived.Size())
		}
		if d.orphans != nil {
			size += int64(d.orphans.Bytes())
		}
	}
	d.hub.cached(d, size-d.graphBytes.Swap(size), size)
	d.countHeld()
}

// countHeld tells the hub whose orphans the document holds.
func (d *document) countHeld() {
	if d.orphanCount() == 0 && d.held == nil {
		return
	}
	var held map[string]int
	if d.orphanCount() > 0 {
		held = d.orphans.SenderBytes()
	}
	d.hub.orphans.replace(d.key.Company, d.held, held)
	d.held = held
}

// unload frees the op set, or if there is none the graph, of a document in which
// nothing is under way.
func (d *document) unload() bool {
	if !d.mu.TryLock() {
		return false
	}
	defer d.mu.Unlock()
	if d.graph == nil || d.busy() || d.removed {
		return false
	}
	d.snapshotIfDue(true)
	if d.ops != nil {
		d.dropContent()
		d.account()
		return true
	}
	d.forgetGraph()
	d.hub.stats.unloads.Add(1)
	d.tidyLocked()
	return true
}

// forgetGraph frees a document's graph. Orphans go with it: their senders are
// asked to offer them again.
func (d *document) forgetGraph() {
	if d.orphans != nil && d.orphans.Len() > 0 {
		for _, l := range d.links {
			l.state.RequestReset()
			l.peer.mark(l)
		}
	}
	d.dropLocked()
}

// busy reports whether something is under way that needs what is in memory.
func (d *document) busy() bool { return len(d.pending) > 0 || d.pins > 0 }

// dropLocked frees all that can be read again.
func (d *document) dropLocked() {
	d.graph, d.orphans, d.work, d.unfit, d.actor = nil, nil, nil, nil, ""
	d.dropContent()
	d.account()
}

func (d *document) dropContent() { d.ops, d.watcher, d.diff, d.derived = nil, nil, nil, nil }

// generate returns the next frame for a link, nil when there's nothing to say.
func (d *document) generate(l *link) (out outgoing, err error) {
	var older *olderChanges
	for range maxReplaced {
		out, err = d.generateOnce(l, older)
		unprepared := new(unpreparedError)
		switch {
		case errors.As(err, &unprepared):
			if older, err = d.takeOlder(unprepared); err != nil {
				return outgoing{}, err
			}
		case errors.Is(err, protocol.ErrLater): // a snapshot was written in between
		default:
			return out, err
		}
	}
	return outgoing{}, err
}

// generateOnce is generate with changes that were taken out of the snapshot, nil
// for none.
func (d *document) generateOnce(l *link, older *olderChanges) (_ outgoing, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.guard(&err)
	if l.gone {
		return outgoing{}, nil
	}
	if l.tell {
		l.tell = false
		return outgoing{head: wire.DocUnavailable{SenderID: d.hub.id, TargetID: l.peer.id, Document: d.key.Document}.Append(nil)}, nil
	}
	if l.unavailable {
		return outgoing{}, nil
	}
	if err := d.load(); err != nil {
		return outgoing{}, err
	}
	if older != nil {
		d.working().older = *older
		d.account()
	}
	out, ok, err := l.state.Generate(d.view(), &d.working().cache)
	if err != nil {
		return outgoing{}, err
	}
	if !ok {
		l.state.Settle(d.graph)
		l.peer.weigh(l)
		return outgoing{}, nil
	}
	frame, fresh := d.working().frames.of(out, wire.Sync{SenderID: d.hub.id, Document: d.key.Document, Data: out.Bytes})
	if fresh {
		d.hub.stats.encoded.Add(1)
		d.account()
	}
	d.hub.stats.generated.Add(1)
	o := addressed(frame, l.peer.id)
	o.message = out.Bytes
	return o, nil
}

// view is the published part of the document, as the sync protocol sees it.
func (d *document) view() protocol.Document {
	v := protocol.Document{
		Graph: d.graph, Change: d.changeBytes, Prepare: d.prepare, WholeDocument: d.wholeDocument, Refused: d.refused.has,
	}
	if d.orphans != nil {
		v.OrphanDeps = d.orphans.Deps
	}
	return v
}
