package hub

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/snapshot"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// pipe is an in-memory Conn. The test's side sends and receives frames.
type pipe struct {
	toHub   chan []byte
	fromHub chan []byte
	once    sync.Once
	ended   chan struct{}
	code    wire.CloseCode
	reason  string
}

func newPipe() *pipe {
	return &pipe{toHub: make(chan []byte, 8192), fromHub: make(chan []byte, 8192), ended: make(chan struct{})}
}

func (p *pipe) Read(limit int) (Frame, error) {
	select {
	case b := <-p.toHub:
		if len(b) > limit {
			return Frame{}, wire.NewCloseError(wire.CloseTooLarge, "too large")
		}
		return Frame{Data: b}, nil
	case <-p.ended:
		return Frame{}, io.EOF
	}
}

func (p *pipe) Write(ctx context.Context, head, tail []byte) error {
	select {
	case p.fromHub <- slices.Concat(head, tail):
		return nil
	case <-p.ended:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pipe) Close(code wire.CloseCode, reason string) {
	p.once.Do(func() {
		p.code, p.reason = code, reason
		close(p.ended)
	})
}

// rig is a hub over a real store.
type rig struct {
	tb    testing.TB
	dir   string
	hub   *Hub
	store *store.Store
	pool  *snapshot.Pool   // with snapshots
	eager *snapshot.Policy // nil = no snapshots
	wg    sync.WaitGroup
}

func newRig(tb testing.TB, o Options) *rig {
	tb.Helper()
	r := &rig{tb: tb, dir: tb.TempDir()}
	return r.run(o)
}

// newSnapshotRig is newRig with a pool that writes snapshots at every opportunity.
func newSnapshotRig(tb testing.TB, o Options) *rig {
	tb.Helper()
	r := &rig{tb: tb, dir: tb.TempDir(), eager: &snapshot.Policy{Changes: 3, Growth: 1 << 20, ColdChanges: 1, ColdGrowth: 1 << 20, ColdBytes: 1 << 20}}
	return r.run(o)
}

func (r *rig) run(o Options) *rig {
	r.tb.Helper()
	tb := r.tb
	r.start(o)
	tb.Cleanup(func() {
		r.stop()
		report, err := store.Check(context.Background(), r.dir, store.CheckOptions{
			NewDocument: func() store.DocumentVerifier { return snapshot.NewVerifier() },
		})
		if err != nil || !report.OK() {
			tb.Errorf("check: %v %v", err, report)
		}
	})
	return r
}

func (r *rig) start(o Options) {
	r.tb.Helper()
	s, err := store.Open(r.dir, store.Options{})
	if err != nil {
		r.tb.Fatal(err)
	}
	if r.eager != nil {
		if r.pool, err = snapshot.NewPool(s, snapshot.Options{Policy: *r.eager}); err != nil {
			r.tb.Fatal(err)
		}
		o.Snapshots = r.pool
	}
	h, err := New(s, o)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.store, r.hub = s, h
}

func (r *rig) stop() {
	r.hub.Close()
	r.wg.Wait()
	if r.pool != nil {
		r.pool.Close()
		if n := r.pool.Stats().Failed; n > 0 {
			r.tb.Errorf("%d snapshots failed", n)
		}
	}
	if err := r.store.Close(); err != nil {
		r.tb.Error(err)
	}
}

// client is a simple automerge-repo client: it keeps documents as change graphs.
type client struct {
	tb      testing.TB
	pipe    *pipe
	id      string
	session Session
	docs    map[id.DocumentID]*replica
	other   []wire.Message // received frames that aren't sync messages
}

type replica struct {
	graph   *crdt.Graph
	chunks  [][]byte
	state   *protocol.State
	orphans *crdt.Orphans
	actor   crdt.ActorID
	seq     uint32
}

func alice() Session { return Session{Company: "acme", User: "alice"} }
func bob() Session   { return Session{Company: "acme", User: "bob"} }

// connect joins a client; storage may be empty.
func (r *rig) connect(s Session, peerID, storage string) *client {
	r.tb.Helper()
	c := r.dial(s)
	c.id = peerID
	c.send(wire.Join{SenderID: peerID, Metadata: wire.PeerMetadata{StorageID: storage, Ephemeral: storage == ""}, Versions: []string{"1"}})
	m := c.next()
	if p, ok := m.(wire.Peer); !ok || p.TargetID != peerID || p.Metadata.StorageID != r.store.StorageID() || p.Metadata.Ephemeral {
		r.tb.Fatalf("answer to join: %#v", m)
	}
	return c
}

// dial opens a connection without joining.
func (r *rig) dial(s Session) *client {
	c := &client{tb: r.tb, pipe: newPipe(), session: s, docs: make(map[id.DocumentID]*replica)}
	r.wg.Go(func() { _ = r.hub.Serve(context.Background(), c.pipe, s) })
	return c
}

// over joins a client without storage by a Conn that adds something to its pipe.
func (r *rig) over(conn Conn, p *pipe, s Session, peerID string) *client {
	r.tb.Helper()
	c := &client{tb: r.tb, id: peerID, pipe: p, session: s, docs: make(map[id.DocumentID]*replica)}
	r.wg.Go(func() { _ = r.hub.Serve(r.tb.Context(), conn, s) })
	c.send(wire.Join{SenderID: peerID})
	if m, ok := c.next().(wire.Peer); !ok {
		r.tb.Fatalf("answer to join: %#v", m)
	}
	return c
}

func (c *client) send(m wire.Message) { c.pipe.toHub <- m.Append(nil) }

// next returns the next message from the hub.
func (c *client) next() wire.Message {
	c.tb.Helper()
	m, err := c.receive(10 * time.Second)
	if err != nil {
		c.tb.Fatal(err)
	}
	return m
}

var errQuiet = errors.New("nothing received")

func (c *client) receive(timeout time.Duration) (wire.Message, error) {
	select {
	case b := <-c.pipe.fromHub:
		return wire.Decode(b, wire.Limits{})
	default:
	}
	select {
	case b := <-c.pipe.fromHub:
		return wire.Decode(b, wire.Limits{})
	case <-c.pipe.ended:
		return nil, wire.NewCloseError(c.pipe.code, c.pipe.reason)
	case <-time.After(timeout):
		return nil, errQuiet
	}
}

// closed waits for the end of the connection.
func (c *client) closed() (wire.CloseCode, string) {
	c.tb.Helper()
	select {
	case <-c.pipe.ended:
		return c.pipe.code, c.pipe.reason
	case <-time.After(10 * time.Second):
		c.tb.Fatal("the hub didn't close the connection")
		return 0, ""
	}
}

func (c *client) leaveSocket() { c.pipe.Close(1000, "bye") }

func (c *client) doc(doc id.DocumentID) *replica {
	d := c.docs[doc]
	if d == nil {
		d = &replica{graph: crdt.NewGraph(), state: protocol.New(protocol.Options{}), actor: crdt.ActorID(c.id + doc.String()), orphans: crdt.NewOrphans(crdt.OrphanLimits{})}
		c.docs[doc] = d
	}
	return d
}

func (d *replica) view() protocol.Document {
	return protocol.Document{Graph: d.graph, Change: func(i int) ([]byte, error) { return d.chunks[i], nil }, OrphanDeps: d.orphans.Deps}
}

// add puts a change into the replica.
func (d *replica) add(ch *crdt.Change) {
	if _, err := d.graph.Append(ch.Header()); err == nil {
		d.chunks = append(d.chunks, ch.Bytes())
		d.graph.Publish(d.graph.Staged())
		for _, o := range d.orphans.Release(ch.Hash) {
			d.add(o.Change)
		}
	} else if m := new(crdt.MissingDepsError); errors.As(err, &m) {
		d.orphans.Add(ch, "hub", m.Missing)
	}
}

// edit makes one change with a single op, without sending it.
func (c *client) edit(doc id.DocumentID, key string) *crdt.Change {
	c.tb.Helper()
	d := c.doc(doc)
	d.seq++
	ch, err := crdt.EncodeChange(crdt.ChangeMeta{Deps: d.graph.Heads(), Actor: d.actor, Seq: d.seq, StartOp: d.graph.MaxOp() + 1, Time: 1},
		[]crdt.Op{{Action: crdt.ActionSet, Key: crdt.MapKey(key), Value: crdt.IntValue(int64(d.seq))}})
	if err != nil {
		c.tb.Fatal(err)
	}
	d.add(ch)
	return ch
}

// save makes one change, sends it and waits until it is durable.
func (c *client) save(doc id.DocumentID, key string) *crdt.Change {
	c.tb.Helper()
	ch := c.edit(doc, key)
	c.speak(doc)
	c.acked(doc, ch.Hash)
	return ch
}

// speak sends what the replica has to say; it reports whether that was anything.
func (c *client) speak(doc id.DocumentID) bool {
	c.tb.Helper()
	d := c.doc(doc)
	out, ok, err := d.state.Generate(d.view(), nil)
	if err != nil {
		c.tb.Fatal(err)
	}
	if ok {
		c.send(wire.Sync{SenderID: c.id, Document: doc, Data: out.Bytes})
	}
	return ok
}

// request asks for a document.
func (c *client) request(doc id.DocumentID) {
	d := c.doc(doc)
	out, _, _ := d.state.Generate(d.view(), nil)
	c.send(wire.Request{SenderID: c.id, Document: doc, Data: out.Bytes})
}

// take handles one message from the hub.
func (c *client) take(m wire.Message) {
	c.tb.Helper()
	s, ok := m.(wire.Sync)
	if !ok {
		c.other = append(c.other, m)
		return
	}
	d := c.doc(s.Document)
	msg, err := protocol.Decode(s.Data, protocol.Limits{})
	if err != nil {
		c.tb.Fatal(err)
	}
	before := d.graph.Heads()
	for _, rest := range msg.Changes {
		for len(rest) > 0 {
			chunk, next, err := crdt.NextChunk(rest)
			if err != nil {
				c.tb.Fatal(err)
			}
			rest = next
			if chunk.Type == crdt.ChunkDocument {
				for _, ch := range documentChanges(c.tb, chunk) {
					d.add(ch)
				}
				continue
			}
			ch, err := chunk.ParseChange(crdt.Limits{})
			if err != nil {
				c.tb.Fatal(err)
			}
			d.add(ch)
		}
	}
	d.state.Receive(d.view(), msg, before)
	c.speak(s.Document)
}

// until exchanges messages until a condition holds.
func (c *client) until(what string, ok func() bool) {
	c.tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		m, err := c.receive(50 * time.Millisecond)
		if err == nil {
			c.take(m)
		} else if !errors.Is(err, errQuiet) {
			c.tb.Fatalf("%s: %v", what, err)
		}
		if time.Now().After(deadline) {
			c.tb.Fatalf("%s: not reached", what)
		}
	}
}

// acked waits until the hub's heads say that it has a change durably.
func (c *client) acked(doc id.DocumentID, h crdt.Hash) {
	c.tb.Helper()
	c.until("acknowledgement", func() bool {
		heads, ok := c.doc(doc).state.TheirHeads()
		return ok && slices.Contains(heads, h)
	})
}

// has waits until the replica holds a change.
func (c *client) has(doc id.DocumentID, h crdt.Hash) {
	c.tb.Helper()
	c.until("change", func() bool { return c.doc(doc).graph.Has(h) })
}

// quiet exchanges messages until nothing comes for a moment.
func (c *client) quiet() {
	c.tb.Helper()
	for {
		m, err := c.receive(100 * time.Millisecond)
		if err != nil {
			return
		}
		c.take(m)
	}
}

var docA = id.DocumentID{0: 0xa, 15: 1}
var docB = id.DocumentID{0: 0xb, 15: 2}
