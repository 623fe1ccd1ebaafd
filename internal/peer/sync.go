package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"concord/crdt"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// limits are wide: the peer trusts servers with its memory.
var limits = wire.Limits{Frame: 256 << 20, Items: 1 << 20}

// read takes frames until the connection ends.
func (p *Peer) read() {
	defer close(p.done)
	for {
		_, frame, err := p.conn.Read(context.Background())
		if err == nil {
			err = p.receive(frame)
			p.flush()
		}
		if err != nil {
			p.mu.Lock()
			p.err = closeError(err)
			p.mu.Unlock()
			p.conn.CloseNow()
			return
		}
	}
}

func (p *Peer) receive(frame []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.FramesIn++
	p.stats.BytesIn += uint64(len(frame))
	m, err := wire.Decode(frame, limits)
	if errors.Is(err, wire.ErrUnknownType) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the server's frame: %w", err)
	}
	if p.o.OnFrame != nil {
		p.o.OnFrame(m)
	}
	switch m := m.(type) {
	case wire.Sync:
		if d := p.docs[m.Document]; d != nil {
			err = d.receive(m.Data)
		}
	case wire.DocUnavailable:
		if d := p.docs[m.Document]; d != nil {
			d.unavailable = true
		}
	}
	p.signal()
	return err
}

// mark makes sure that a document is asked for a message. The caller holds the lock and flushes after it.
func (p *Peer) mark(d *Document) {
	if !d.dirty {
		d.dirty = true
		p.dirty = append(p.dirty, d)
	}
}

// flush sends what the dirty documents have to say. One goroutine at a time does so, without the lock while it writes,
// so that messages leave in the order in which they were generated; a message is generated when the socket can take it.
func (p *Peer) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writing {
		return
	}
	p.writing = true
	defer func() { p.writing = false }()
	for len(p.dirty) > 0 {
		d := p.dirty[0]
		p.dirty = p.dirty[1:]
		d.dirty = false
		frame := d.generate()
		if frame == nil {
			continue
		}
		p.mu.Unlock()
		err := p.Send(context.Background(), frame)
		p.mu.Lock()
		if err != nil {
			return // the reader meets the end of the connection too, and tells
		}
	}
	p.dirty = nil
}

// signal wakes those who wait. The caller holds the lock.
func (p *Peer) signal() {
	if p.event != nil {
		close(p.event)
		p.event = nil
	}
}

// wait returns nil once cond holds, which is asked under the lock, after every frame and every own change.
func (p *Peer) wait(ctx context.Context, cond func() bool) error {
	for {
		p.mu.Lock()
		if cond() {
			p.mu.Unlock()
			return nil
		}
		if err := p.err; err != nil {
			p.mu.Unlock()
			return fmt.Errorf("the connection has ended: %w", err)
		}
		if p.event == nil {
			p.event = make(chan struct{})
		}
		event := p.event
		p.mu.Unlock()
		select {
		case <-event:
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// receive takes a sync message. The peer's lock is held.
func (d *Document) receive(data []byte) error {
	m, err := protocol.Decode(data, protocol.Limits{})
	if err != nil {
		return fmt.Errorf("read the server's sync message: %w", err)
	}
	before := d.graph.Heads()
	for _, part := range m.Changes {
		if err := d.load(part); err != nil {
			return err
		}
	}
	d.state.Receive(d.view(), m, before)
	d.synced = true
	d.serverHeads = m.Heads
	d.unavailable = d.unavailable && len(m.Heads) == 0
	d.acknowledge(m.Heads)
	d.peer.mark(d)
	return nil
}

// load takes the chunks of one part.
func (d *Document) load(part []byte) error {
	for len(part) > 0 {
		chunk, rest, err := crdt.NextChunk(part)
		if err != nil {
			return fmt.Errorf("read the server's changes: %w", err)
		}
		part = rest
		if chunk.Type == crdt.ChunkDocument {
			d.peer.stats.Documents++
			if err := d.loadDocument(chunk); err != nil {
				return fmt.Errorf("read the server's document: %w", err)
			}
			continue
		}
		c, err := chunk.ParseChange(crdt.Limits{})
		if err != nil {
			d.peer.stats.Refused++
			continue
		}
		d.add(c)
	}
	return nil
}

// documentLimits are wide, like limits.
var documentLimits = crdt.Limits{ChunkBytes: 1 << 30, Ops: 1 << 29, Deps: 1 << 20, Rows: 1 << 29}

func (d *Document) loadDocument(chunk crdt.Chunk) error {
	_, err := chunk.ParseDocument(documentLimits, func(c crdt.DocumentChange) error {
		if d.graph.HasStaged(c.Hash) {
			return nil
		}
		change, err := c.Keep(bytes.Clone(c.Raw))
		if err == nil {
			d.add(change)
		}
		return err
	})
	return err
}

// add puts a change from the server, and the orphans that waited for it, into the graph.
func (d *Document) add(c *crdt.Change) {
	queue := []*crdt.Change{c}
	for len(queue) > 0 {
		c, queue = queue[0], queue[1:]
		var missing *crdt.MissingDepsError
		_, err := d.graph.Append(c.Header())
		switch {
		case err == nil:
			d.graph.Publish(d.graph.Staged())
			d.changes = append(d.changes, c.Bytes())
			for _, o := range d.orphans.Release(c.Hash) {
				queue = append(queue, o.Change)
			}
			if d.peer.o.OnChange != nil {
				d.peer.o.OnChange(d, c.Hash)
			}
		case errors.As(err, &missing):
			d.orphans.Add(c, "server", missing.Missing)
		case errors.Is(err, crdt.ErrKnown):
		default:
			d.peer.stats.Refused++
		}
	}
}

// acknowledge settles the own changes that the server's heads cover.
func (d *Document) acknowledge(heads []crdt.Hash) {
	if len(d.pending) == 0 {
		return
	}
	covered := d.graph.AncestorsAmong(heads, d.pending)
	if len(covered) == 0 {
		return
	}
	kept := d.pending[:0]
	for _, i := range d.pending {
		if len(covered) > 0 && covered[0] == i {
			covered = covered[1:]
			if d.peer.o.OnAck != nil {
				d.peer.o.OnAck(d, d.graph.HashAt(i))
			}
			continue
		}
		kept = append(kept, i)
	}
	d.pending = kept
}

// generate returns the frame of the next message, nil if there is none. The peer's lock is held.
func (d *Document) generate() []byte {
	out, ok, err := d.state.Generate(d.view(), nil)
	if err != nil || !ok {
		return nil // view's functions don't fail
	}
	ask := !d.synced && d.graph.Len() == 0
	if ask {
		return wire.Request{SenderID: d.peer.ID, TargetID: d.peer.Server.SenderID, Document: d.ID, Data: out.Bytes}.Append(nil)
	}
	return wire.Sync{SenderID: d.peer.ID, TargetID: d.peer.Server.SenderID, Document: d.ID, Data: out.Bytes}.Append(nil)
}

func (d *Document) view() protocol.Document {
	v := protocol.Document{Graph: d.graph, Change: d.bytes, OrphanDeps: d.orphans.Deps}
	if d.imported != nil {
		v.WholeDocument = d.wholeDocument
	}
	return v
}

func (d *Document) bytes(i int) ([]byte, error) { return d.changes[i], nil }
