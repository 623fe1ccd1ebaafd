package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// message is a received sync message on its way to being settled.
type message struct {
	link    *link
	sync    *protocol.Message
	request bool
	upTo    int            // the graph's length with this message's changes
	chunks  []*crdt.Change // staged from this message, in graph order
	foreign []crdt.Hash    // those among them that waited for this message, from other peers
	durable bool
	writes  int    // of its changes, that the store has and hasn't finished
	over    bool   // settled or abandoned
	done    func() // gives back what the message holds of the hub's budget
}

// finish gives the message's memory back, once the store needs it no more: the
// changes are part of the frame in which they came.
func (in *message) finish() {
	in.over = true
	if in.writes == 0 {
		in.done()
	}
}

// receiveSync takes a sync or request message.
func (p *peer) receiveSync(ctx context.Context, frame Frame, doc id.DocumentID, data []byte, request bool) error {
	s := p.currentSession()
	if s.MayOpen != nil && !s.MayOpen(doc) {
		frame.release()
		p.answer(wire.DocUnavailable{SenderID: p.hub.id, TargetID: p.id, Document: doc}.Append(nil))
		return nil
	}
	m, err := protocol.Decode(data, p.hub.opts.Messages)
	if err != nil {
		frame.release()
		return wire.NewCloseError(wire.CloseMalformed, describe(doc, "sync message: %v", err))
	}
	l, err := p.open(doc)
	if err != nil {
		frame.release()
		return p.unreadable(doc, err)
	}
	weight := min(int64(len(frame.Data)), p.hub.opts.StagedBytes)
	if err := p.hub.staged.Acquire(ctx, weight); err != nil {
		frame.release()
		return err
	}
	inflated := false
	in := &message{link: l, sync: m, request: request, done: func() {
		frame.release()
		p.hub.staged.Release(weight)
		if inflated {
			<-p.hub.inflate
		}
	}}
	var changes []*crdt.Change
	var refused []crdt.Hash
	if !s.ReadOnly {
		changes, refused, inflated = p.parse(doc, m.Changes, maxGrowth*len(frame.Data))
	}
	return p.unreadable(doc, l.document.receive(in, changes, refused, s))
}

// unreadable takes a damaged document for one that isn't there; every other
// error ends the connection, and faults of the server are logged.
func (p *peer) unreadable(doc id.DocumentID, err error) error {
	var closing *wire.CloseError
	switch {
	case errors.Is(err, store.ErrCorrupt):
		p.answer(p.damaged(doc, err))
		return nil
	case err != nil && !errors.As(err, &closing):
		p.hub.log.Error("receive sync message", "document", doc.String(), "error", err)
	}
	return err
}

// maxGrowth is how much bigger than its frame a message with compressed changes
// may be in memory without keeping all others like it waiting.
const maxGrowth = 4

// parse reads the changes of a message. What can't be accepted is refused
// without harm to the rest; after a chunk whose end can't be found the rest of
// its part is lost.
//
// Compressed changes, which may grow a thousandfold, are parsed in one message
// at a time. When they take more than most bytes, held tells that this goes for
// their life, too: the caller gives Hub.inflate back when they are done with.
func (p *peer) parse(doc id.DocumentID, parts [][]byte, most int) (changes []*crdt.Change, refused []crdt.Hash, held bool) {
	inflated := 0
	p.reported = 0
	defer func() {
		if held && inflated <= most {
			<-p.hub.inflate
			held = false
		}
	}()
	refuse := func(err error) {
		if h := p.refuse(doc, err); h != (crdt.Hash{}) {
			refused = append(refused, h)
		}
	}
	for _, rest := range parts {
		for len(rest) > 0 {
			chunk, next, err := crdt.NextChunk(rest)
			if err != nil {
				refuse(err)
				break
			}
			rest = next
			if chunk.Type == crdt.ChunkCompressed && !held {
				p.hub.inflate <- struct{}{}
				held = true
			}
			c, err := chunk.ParseChange(p.hub.opts.Changes)
			if err != nil {
				refuse(err)
				continue
			}
			if inflated += len(c.Bytes()); inflated > p.hub.opts.MaxInflated {
				refuse(&crdt.RefusalError{Hash: c.Hash, Reason: crdt.ReasonLimit, Detail: "the message holds too many bytes once inflated"})
				return changes, refused, held
			}
			changes = append(changes, c)
		}
	}
	return changes, refused, held
}

// receive gates and stages the changes of a message, then settles it, at once
// or after the commit of what it has to wait for.
func (d *document) receive(in *message, changes []*crdt.Change, refused []crdt.Hash, s Session) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := in.link
	if err := d.load(); err != nil {
		in.done()
		return err
	}
	for _, h := range refused {
		d.refused.add(h)
	}
	from := sender{s.User, l.peer.device()}
	runs := d.stage(l, from, changes)
	in.upTo = d.graph.Staged()
	in.durable = len(runs) == 0
	d.pending = append(d.pending, in)
	for i, run := range runs {
		in.chunks = append(in.chunks, run.changes...)
		if run.sender != from {
			for _, c := range run.changes {
				in.foreign = append(in.foreign, c.Hash)
			}
		}
		last := i == len(runs)-1
		done := func(err error) { d.committed(in, last, err) }
		d.appends++
		in.writes++
		if err := d.hub.store.Append(d.hub.ctx, run.write(d.key, d.hub), done); err != nil {
			// The graph now holds what will never be durable.
			d.appends--
			in.writes--
			d.abandonLocked()
			return fmt.Errorf("append to document %s: %w", d.key.Document, err)
		}
	}
	d.settleLocked()
	d.account()
	return nil
}

// run is a row of changes from one sender.
type run struct {
	sender  sender
	first   int
	changes []*crdt.Change
	heads   []crdt.Hash // after these changes
}

// sender says whose changes they are.
type sender struct{ user, device string }

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
		index, err := d.appendChange(c.change)
		var missing *crdt.MissingDepsError
		switch {
		case err == nil:
			if n := len(*runs); n == 0 || (*runs)[n-1].sender != c.from {
				*runs = append(*runs, run{sender: c.from, first: index})
			}
			last := &(*runs)[len(*runs)-1]
			last.changes = append(last.changes, c.change)
			last.heads = d.tips
			if d.orphans != nil {
				for _, o := range d.orphans.Release(c.change.Hash) {
					queue = append(queue, candidate{o.Change, parseSender(o.Sender)})
				}
			}
		case errors.Is(err, crdt.ErrKnown):
		case errors.As(err, &missing):
			d.hold(l, c.from, c.change, missing.Missing)
		default:
			l.peer.refuse(d.key.Document, err)
			d.refused.add(c.change.Hash)
		}
	}
}

// appendChange stages one change in the graph and keeps the tips.
func (d *document) appendChange(c *crdt.Change) (int, error) {
	index, err := d.graph.Append(c.Header())
	if err != nil {
		return 0, err
	}
	tips := make([]crdt.Hash, 0, len(d.tips)+1)
	for _, t := range d.tips {
		if !slices.Contains(c.Deps, t) {
			tips = append(tips, t)
		}
	}
	tips = append(tips, c.Hash)
	crdt.SortHashes(tips)
	d.tips = tips
	return index, nil
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
	if refused := d.hub.orphanRoom(userKey{d.key.Company, from.user}, len(c.Bytes())); refused != nil {
		// The close handshake waits for the client; the document must not.
		go l.peer.close(refused.Code, refused.Reason)
		return
	}
	if d.orphans == nil {
		d.orphans = crdt.NewOrphans(d.hub.opts.Orphans)
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
		if l.peer.device() == from.device {
			l.state.RequestReset()
		}
	}
}

// committed is called by the store when a write is durable, or never will be.
// It doesn't wait for the document: all others' acknowledgements come after it.
func (d *document) committed(in *message, last bool, err error) {
	if d.mu.TryLock() {
		defer d.mu.Unlock()
		d.committedLocked(in, last, err)
		return
	}
	d.hub.writers.Add(1)
	go func() {
		defer d.hub.writers.Add(-1)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.committedLocked(in, last, err)
	}()
}

// committedLocked may be called for a later write before an earlier one: being
// durable, it waits in pending for its turn.
func (d *document) committedLocked(in *message, last bool, err error) {
	d.appends--
	in.writes--
	if in.over {
		in.finish()
	}
	if err != nil {
		d.hub.log.Error("changes not stored", "document", d.key.Document.String(), "error", err)
		d.abandonLocked()
		return
	}
	if last && !in.over {
		in.durable = true
		d.settleLocked()
		d.account()
	}
}

// abandonLocked drops a document whose staged changes can't become durable.
// The peers that sent them have got no acknowledgement, and would wait for it
// for ever: they, and whoever was to get what they sent, have to come back. The
// document isn't read again before the store has finished with all its writes.
func (d *document) abandonLocked() {
	for _, in := range d.pending {
		in.finish()
	}
	for _, l := range d.links {
		// The close handshake waits for the client; the document must not.
		go l.peer.close(wire.CloseTryLater, "the server couldn't store changes; come back later")
	}
	d.pending, d.graph, d.tips, d.orphans = nil, nil, nil, nil
	d.work = nil
	d.account()
}

// settleLocked finishes the messages at the front that wait for nothing.
func (d *document) settleLocked() {
	for len(d.pending) > 0 && d.pending[0].durable {
		in := d.pending[0]
		d.pending[0] = nil
		d.pending = d.pending[1:]
		d.settleOne(in)
		in.finish()
	}
	if len(d.pending) == 0 {
		d.pending = nil
	}
}

func (d *document) settleOne(in *message) {
	before := slices.Concat(d.graph.Heads(), in.foreign)
	first := d.graph.Len()
	l := in.link
	if !l.gone {
		l.peer.mark(l) // the author first: its acknowledgement shouldn't wait for everybody's copy
	}
	if in.upTo > first {
		d.graph.Publish(in.upTo)
		d.exists = true
		for i, c := range in.chunks {
			d.working().recent.add(first+i, c.Bytes())
		}
		d.hub.stats.changes.Add(uint64(len(in.chunks)))
		for _, other := range d.links {
			other.unavailable, other.tell = false, false
			if other != l {
				other.peer.mark(other)
			}
		}
	}
	if l.gone {
		return
	}
	shared := l.state.SharedHeads()
	l.state.Receive(d.view(), in.sync, before)
	l.peer.weigh(l)
	if l.peer.keepState && !slices.Equal(shared, l.state.SharedHeads()) {
		l.unsaved = true
	}
	if in.request && !d.exists {
		l.unavailable, l.tell = true, true
	} else {
		l.unavailable, l.tell = false, false
	}
	d.gossip(l, in.sync.Heads)
	d.heatLocked()
}
