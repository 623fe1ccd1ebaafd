package hub

import (
	"context"
	"errors"
	"fmt"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// message is a received sync message on its way to being settled. What it holds
// of the hub is given back by done, exactly once: by document.receive when the
// document can't be read, and from then on by finish alone, when the message is
// over (settled or abandoned, which takes it out of document.pending) and the
// store has finished with all of its writes, whichever comes last.
type message struct {
	link    *link
	sync    *protocol.Message
	request bool

	frame     Frame // the changes are parts of it, unless they were compressed
	weight    int64 // of Hub.staged
	inflating bool  // holds Hub.inflate

	// The following fields are guarded by document.mu.
	upTo    int            // the graph's length with this message's changes
	chunks  []*crdt.Change // staged from this message, in graph order
	foreign []crdt.Hash    // those among them that waited for this message, from other peers
	durable bool
	writes  int // of its changes, that the store has and hasn't finished
	over    bool
}

// finish ends a message, once the store needs its memory no more.
func (in *message) finish() {
	in.over = true
	if in.writes == 0 {
		in.done()
	}
}

func (in *message) done() {
	h := in.link.peer.hub
	in.frame.release()
	h.staged.Release(in.weight)
	if in.inflating {
		<-h.inflate
	}
}

// receiveSync takes a sync or request message.
func (p *peer) receiveSync(ctx context.Context, frame Frame, doc id.DocumentID, data []byte, request bool) error {
	taken := false
	defer func() {
		if !taken {
			frame.release()
		}
	}()
	s := p.currentSession()
	if s.MayOpen != nil && !s.MayOpen(doc) {
		p.answer(wire.DocUnavailable{SenderID: p.hub.id, TargetID: p.id, Document: doc}.Append(nil))
		return nil
	}
	m, err := protocol.Decode(data, p.hub.opts.Messages)
	if err != nil {
		return wire.NewCloseError(wire.CloseMalformed, describe(doc, "sync message: %v", err))
	}
	l, err := p.open(doc)
	if err != nil {
		return p.unreadable(doc, err)
	}
	in := &message{link: l, sync: m, request: request, frame: frame, weight: min(int64(len(frame.Data)), p.hub.opts.StagedBytes)}
	if err := p.hub.staged.Acquire(ctx, in.weight); err != nil {
		return err
	}
	taken = true
	var changes []*crdt.Change
	var refused []crdt.Hash
	if !s.ReadOnly {
		changes, refused = in.parse()
	}
	return p.unreadable(doc, l.document.receive(in, changes, refused))
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
// at a time. If they have grown by more than maxGrowth, the message keeps all
// others like it waiting until it is done.
func (in *message) parse() (changes []*crdt.Change, refused []crdt.Hash) {
	p, doc := in.link.peer, in.link.document.key.Document
	p.reported.Store(0)
	refuse := func(err error) {
		if h := p.refuse(doc, err); h != (crdt.Hash{}) {
			refused = append(refused, h)
		}
	}
	inflated := 0
	defer func() {
		if in.inflating && inflated <= maxGrowth*len(in.frame.Data) {
			in.inflating = false
			<-p.hub.inflate
		}
	}()
	for _, rest := range in.sync.Changes {
		for len(rest) > 0 {
			chunk, next, err := crdt.NextChunk(rest)
			if err != nil {
				refuse(err)
				break
			}
			rest = next
			if chunk.Type == crdt.ChunkCompressed && !in.inflating {
				p.hub.inflate <- struct{}{}
				in.inflating = true
			}
			c, err := chunk.ParseChange(p.hub.opts.Changes)
			if err != nil {
				refuse(err)
				continue
			}
			if inflated += len(c.Bytes()); inflated > p.hub.opts.MaxInflated {
				refuse(&crdt.RefusalError{Hash: c.Hash, Reason: crdt.ReasonLimit, Detail: "the message holds too many bytes once inflated"})
				return changes, refused
			}
			changes = append(changes, c)
		}
	}
	return changes, refused
}

// receive gates and stages the changes of a message, then settles it, at once
// or after the commit of what it has to wait for.
func (d *document) receive(in *message, changes []*crdt.Change, refused []crdt.Hash) (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.guard(&err)
	l := in.link
	d.pending = append(d.pending, in)
	if err := d.load(); err != nil {
		d.pending = d.pending[:len(d.pending)-1]
		in.done()
		return err
	}
	for _, h := range refused {
		d.refused.add(h)
	}
	from := l.peer.sender()
	runs := d.stage(l, from, changes)
	in.upTo = d.graph.Staged()
	in.durable = len(runs) == 0
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
