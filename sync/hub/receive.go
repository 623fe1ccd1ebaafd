package hub

import (
	"context"
	"errors"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// message is a received sync message, or an edit by the server, on its way to being
// settled. What it holds of the hub is given back by done, exactly once: by
// document.receive when the document can't be read, and from then on by finish
// alone, when the message is over (settled or abandoned, which takes it out of
// document.pending) and the store has finished with its write, whichever comes
// last.
type message struct {
	document *document
	link     *link             // by which it came; nil for an edit
	sync     *protocol.Message // nil for an edit
	request  bool
	trusted  bool   // guards don't judge it
	tally    *tally // of an import

	frame  Frame // the changes are parts of it, unless they were compressed
	weight int64 // of Hub.staged
	grown  int64 // of Hub.inflated

	// settled, nil if nobody waits, is called once with the document's lock held:
	// when everything is durable, or with what came in between.
	settled func(error)

	// The following fields are guarded by document.mu.
	upTo    int            // the graph's length with this message's changes
	chunks  []*crdt.Change // staged from this message, in graph order
	foreign []crdt.Hash    // those among them that waited for this message, or answer it, from others
	durable bool
	writing bool // the store has its write and hasn't finished
	over    bool
}

// finish ends a message, once the store needs its memory no more.
func (in *message) finish(err error) {
	if !in.over && in.settled != nil {
		in.settled(err)
	}
	in.over = true
	if !in.writing {
		in.done()
	}
}

func (in *message) done() {
	h := in.document.hub
	in.frame.release()
	h.staged.Release(in.weight)
	h.inflated.Release(in.grown)
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
	in := &message{document: l.document, link: l, sync: m, request: request, frame: frame, weight: min(int64(len(frame.Data)), p.hub.opts.StagedBytes)}
	if err := p.hub.staged.Acquire(ctx, in.weight); err != nil {
		return err
	}
	taken = true
	var r reading
	if !s.ReadOnly {
		if r, err = in.parse(ctx); err != nil {
			in.done()
			return err
		}
	}
	return p.unreadable(doc, l.document.receive(ctx, in, &r))
}

// unreadable takes a damaged document for one that isn't there; every other
// error ends the connection, and faults of the server are logged.
func (p *peer) unreadable(doc id.DocumentID, err error) error {
	var closing *wire.CloseError
	switch {
	case errors.Is(err, store.ErrCorrupt):
		p.answer(p.damaged(doc, err))
		return nil
	case errors.Is(err, ErrPurged):
		p.answer(p.deleted(doc))
		p.answer(wire.DocUnavailable{SenderID: p.hub.id, TargetID: p.id, Document: doc}.Append(nil))
		return nil
	case err != nil && !errors.As(err, &closing) && !errors.Is(err, context.Canceled):
		p.hub.log.Error("receive sync message", "document", doc.String(), "error", err)
	}
	return err
}

// receive gates and stages the changes of a message, then settles it, at once
// or after the commit of what it has to wait for.
func (d *document) receive(ctx context.Context, in *message, r *reading) (err error) {
	if len(r.changes) > 0 {
		err = d.lockContent(ctx)
	} else {
		err = d.lockGraph()
	}
	if err != nil {
		in.done()
		return err
	}
	defer d.mu.Unlock()
	defer d.guard(&err)
	d.pending = append(d.pending, in)
	for _, h := range r.refused {
		d.refused.add(h)
	}
	s := d.begin(!in.trusted)
	s.tally, s.imported = in.tally, in.trusted
	s.tally.know(r.known)
	if err := s.stage(in.link, in.link.peer.sender(), r.changes); err != nil {
		d.abandonLocked(err)
		return err
	}
	s.records = in.tally.take(s.runs, in.link.peer.sender())
	d.takeKind(s.records)
	return s.submit(in)
}

// lockGraph takes the document's lock when the graph is in memory.
func (d *document) lockGraph() (err error) {
	d.mu.Lock()
	defer func() {
		if err != nil {
			d.mu.Unlock()
		}
	}()
	defer d.guard(&err)
	return d.load()
}
