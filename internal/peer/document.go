package peer

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/protocol"
)

// NewDocumentID returns a random document ID.
func NewDocumentID() id.DocumentID {
	var d id.DocumentID
	rand.Read(d[:])
	d[6], d[8] = d[6]&0x0f|0x40, d[8]&0x3f|0x80 // a UUID of version 4
	return d
}

// Document is a peer's copy of one document: the change graph, the changes' bytes, and the peer's own author. Its
// methods are safe for concurrent use.
type Document struct {
	ID id.DocumentID

	peer *Peer

	// The peer's lock guards the following fields.
	graph       *crdt.Graph
	changes     [][]byte // type 1 chunks by index
	orphans     *crdt.Orphans
	state       *protocol.State
	serverHeads []crdt.Hash // of the last message
	synced      bool        // a sync message has come
	unavailable bool        // the server said that it doesn't have the document
	dirty       bool
	pending     []int // own changes that aren't acknowledged, ascending

	actor crdt.ActorID
	seq   uint32
	last  map[string]crdt.OpID // by map key: the own op that set it

	imported        []byte // the document chunk of Import
	importedChanges int
}

// Create begins a document of this peer. Nothing is sent before its first change.
func (p *Peer) Create(document id.DocumentID) *Document {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hold(document)
}

// Open asks the server for a document.
func (p *Peer) Open(document id.DocumentID) *Document {
	p.mu.Lock()
	d := p.hold(document)
	p.mark(d)
	p.mu.Unlock()
	p.flush()
	return d
}

// Import begins a document of this peer with the changes of a document chunk, which must be valid, and sends it.
func (p *Peer) Import(document id.DocumentID, chunk []byte) (*Document, error) {
	c, _, err := crdt.NextChunk(chunk)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	d := p.hold(document)
	if err = d.loadDocument(c); err == nil {
		d.imported, d.importedChanges = chunk, d.graph.Len()
		p.mark(d)
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	p.flush()
	return d, nil
}

// wholeDocument returns the imported chunk, and after it what has come since.
func (d *Document) wholeDocument() (protocol.Whole, error) {
	n := d.graph.Len()
	chunks := append([][]byte{d.imported}, d.changes[d.importedChanges:n]...)
	return protocol.Whole{Chunks: slices.Concat(chunks...), Document: d.importedChanges, Changes: n}, nil
}

func (p *Peer) hold(document id.DocumentID) *Document {
	if d := p.docs[document]; d != nil {
		return d
	}
	var actor [16]byte
	rand.Read(actor[:])
	d := &Document{ID: document, peer: p, graph: crdt.NewGraph(), orphans: crdt.NewOrphans(crdt.OrphanLimits{}),
		state: protocol.New(protocol.Options{Advertise: p.o.Advertise}), actor: crdt.ActorID(actor[:]), last: map[string]crdt.OpID{}}
	p.docs[document] = d
	return d
}

// Set authors a change that sets one key of the document's root, and sends it as soon as the protocol allows.
func (d *Document) Set(key string, value crdt.Value) (crdt.Hash, error) {
	return d.Author(time.Now(), Entry{key, value})
}

// Empty authors a change without ops.
func (d *Document) Empty() (crdt.Hash, error) { return d.Author(time.Now()) }

// Entry is a key of a document's root and its new value.
type Entry struct {
	Key   string
	Value crdt.Value
}

// Author makes one change that sets the given entries of the root, and sends it. The change overwrites what this peer
// has set before; what others have set at the same keys stays as a conflict.
func (d *Document) Author(at time.Time, entries ...Entry) (crdt.Hash, error) {
	p := d.peer
	p.mu.Lock()
	c, err := d.author(at, entries)
	if err != nil {
		p.mu.Unlock()
		return crdt.Hash{}, err
	}
	p.mark(d)
	p.signal()
	p.mu.Unlock()
	p.flush()
	return c.Hash, nil
}

func (d *Document) author(at time.Time, entries []Entry) (*crdt.Change, error) {
	start := d.graph.MaxOp() + 1
	meta := crdt.ChangeMeta{Deps: d.graph.Heads(), Actor: d.actor, Seq: d.seq + 1, StartOp: start, Time: at.Unix()}
	ops := make([]crdt.Op, len(entries))
	for i, e := range entries {
		ops[i] = crdt.Op{Action: crdt.ActionSet, Key: crdt.MapKey(e.Key), Value: e.Value}
		if last, ok := d.last[e.Key]; ok {
			ops[i].Preds = []crdt.OpID{last}
		}
	}
	c, err := crdt.EncodeChange(meta, ops)
	if err != nil {
		return nil, fmt.Errorf("encode a change: %w", err)
	}
	index, err := d.graph.Append(c.Header())
	if err != nil {
		return nil, fmt.Errorf("append a change: %w", err)
	}
	d.graph.Publish(d.graph.Staged())
	d.changes = append(d.changes, c.Bytes())
	d.pending = append(d.pending, index)
	d.seq++
	for i, e := range entries {
		d.last[e.Key] = crdt.OpID{Counter: start + uint32(i), Actor: d.actor}
	}
	return c, nil
}

// WaitAcked waits until the server's heads cover an own change: it is durable there.
func (d *Document) WaitAcked(ctx context.Context, h crdt.Hash) error {
	err := d.peer.wait(ctx, func() bool {
		i, ok := d.graph.Index(h)
		_, waiting := slices.BinarySearch(d.pending, i)
		return ok && !waiting
	})
	return d.explain(err, "wait for the acknowledgement of", h)
}

// WaitServerHas waits until a change is one of the server's heads: it is durable there.
func (d *Document) WaitServerHas(ctx context.Context, h crdt.Hash) error {
	return d.explain(d.peer.wait(ctx, func() bool { return slices.Contains(d.serverHeads, h) }), "wait for the server to have", h)
}

// WaitFor waits until the document holds a change.
func (d *Document) WaitFor(ctx context.Context, h crdt.Hash) error {
	return d.explain(d.peer.wait(ctx, func() bool { return d.graph.Has(h) }), "wait for", h)
}

func (d *Document) explain(err error, what string, h crdt.Hash) error {
	if err != nil {
		return fmt.Errorf("%s change %s: %w", what, h, err)
	}
	return nil
}

// WaitSynced waits until the document holds all that the server has told of, or the server said that it has nothing;
// then available is false.
func (d *Document) WaitSynced(ctx context.Context) (available bool, err error) {
	err = d.peer.wait(ctx, func() bool {
		available = d.synced && len(d.serverHeads) > 0 && !slices.ContainsFunc(d.serverHeads, func(h crdt.Hash) bool { return !d.graph.Has(h) })
		return available || d.unavailable
	})
	if err != nil {
		return false, fmt.Errorf("wait for document %s: %w", d.ID, err)
	}
	return available, nil
}

// Has reports whether the document holds a change.
func (d *Document) Has(h crdt.Hash) bool {
	d.peer.mu.Lock()
	defer d.peer.mu.Unlock()
	return d.graph.Has(h)
}

// Len returns the number of changes.
func (d *Document) Len() int {
	d.peer.mu.Lock()
	defer d.peer.mu.Unlock()
	return d.graph.Len()
}

// Unavailable reports whether the server said, last, that it doesn't have the document.
func (d *Document) Unavailable() bool {
	d.peer.mu.Lock()
	defer d.peer.mu.Unlock()
	return d.unavailable
}

// Unacked returns how many own changes the server hasn't acknowledged.
func (d *Document) Unacked() int {
	d.peer.mu.Lock()
	defer d.peer.mu.Unlock()
	return len(d.pending)
}

// CoveredByServer returns which of the changes are in the server's latest heads or ancestors of them.
func (d *Document) CoveredByServer(changes []crdt.Hash) map[crdt.Hash]bool {
	d.peer.mu.Lock()
	defer d.peer.mu.Unlock()
	indexes := make([]int, 0, len(changes))
	for _, h := range changes {
		if i, ok := d.graph.Index(h); ok {
			indexes = append(indexes, i)
		}
	}
	slices.Sort(indexes)
	covered := make(map[crdt.Hash]bool, len(indexes))
	for _, i := range d.graph.AncestorsAmong(d.serverHeads, slices.Compact(indexes)) {
		covered[d.graph.HashAt(i)] = true
	}
	return covered
}
