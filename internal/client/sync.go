package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"concord/crdt"
	"concord/sync/protocol"
)

// maxRounds bounds how often messages are exchanged before a sync is given up.
const maxRounds = 1000

// Synced says what a sync has brought.
type Synced struct {
	Sent, Received int // changes
	Rounds         int
	Waiting        int // changes whose dependencies nobody has
}

// replica is a document that is being synced.
type replica struct {
	doc   *crdt.Doc
	graph *crdt.Graph // of the same changes: the protocol needs it with its indexes
	bytes [][]byte
	state *protocol.State
}

// errNotLoadable is returned for a local file that isn't a document.
var errNotLoadable = errors.New("the file isn't an Automerge document")

// Sync brings a local document, as Save has written it or empty, and the
// server's to the same state, one message per call. It returns the document as
// one that can be saved. storageID names this copy of the document: the server
// keeps a small state for it.
func (c *Client) Sync(ctx context.Context, document, storageID string, local []byte) (merged []byte, s Synced, err error) {
	r := &replica{doc: crdt.New(), graph: crdt.NewGraph(), state: protocol.New(protocol.Options{Advertise: protocol.AdvertiseV2})}
	if len(local) > 0 {
		if r.doc, err = crdt.Load(local, wide); err != nil {
			return nil, s, fmt.Errorf("%w: %w", errNotLoadable, err)
		}
	}
	if err := r.index(); err != nil {
		return nil, s, err
	}
	before := r.graph.Len()
	for s.Rounds = 0; s.Rounds < maxRounds; s.Rounds++ {
		out, ok, err := r.state.Generate(r.view(), nil)
		if err != nil {
			return nil, s, err
		}
		if !ok {
			s.Received, s.Waiting = r.graph.Len()-before, r.doc.Queued()
			return r.doc.Save(), s, nil
		}
		m, err := protocol.Decode(out.Bytes, protocol.Limits{})
		if err != nil {
			return nil, s, err
		}
		for _, part := range m.Changes {
			_ = crdt.WalkChunks(part, func(crdt.Chunk) error { s.Sent++; return nil })
		}
		answer, err := c.post(ctx, document, storageID, out.Bytes)
		if err != nil {
			return nil, s, err
		}
		if len(answer) > 0 {
			if err := r.receive(answer); err != nil {
				return nil, s, err
			}
		}
	}
	return nil, s, fmt.Errorf("server and file don't agree after %d messages", maxRounds)
}

func (c *Client) post(ctx context.Context, document, storageID string, message []byte) (answer []byte, err error) {
	err = Retry(ctx, func() error {
		answer, _, err = c.Bytes(ctx, Request{
			Method: http.MethodPost, Path: "/v1/documents/" + document + "/sync", Body: bytes.NewReader(message),
			Type: "application/octet-stream", Header: http.Header{"Concord-Storage-Id": {storageID}},
		})
		return err
	})
	return answer, err
}

// wide limits fit what a server or the user's own file may hold.
var wide = crdt.Limits{ChunkBytes: 1 << 30, Ops: 1 << 29, Deps: 1 << 20, Rows: 1 << 29}

// index adds the document's changes that the graph lacks.
func (r *replica) index() error {
	for _, c := range r.doc.Changes(r.graph.Heads()) {
		if _, err := r.graph.Append(c.Header()); err != nil {
			return fmt.Errorf("index change %s: %w", c.Hash, err)
		}
		r.bytes = append(r.bytes, c.Bytes())
	}
	r.graph.Publish(r.graph.Staged())
	return nil
}

func (r *replica) receive(answer []byte) error {
	m, err := protocol.Decode(answer, protocol.Limits{})
	if err != nil {
		return fmt.Errorf("read the server's sync message: %w", err)
	}
	before := r.graph.Heads()
	for _, part := range m.Changes {
		if err := r.doc.LoadIncremental(part, wide); err != nil {
			return fmt.Errorf("take the server's changes: %w", err)
		}
	}
	if err := r.index(); err != nil {
		return err
	}
	r.state.Receive(r.view(), m, before)
	return nil
}

func (r *replica) view() protocol.Document {
	return protocol.Document{
		Graph: r.graph, Change: func(i int) ([]byte, error) { return r.bytes[i], nil },
		OrphanDeps: func(crdt.Hash) []crdt.Hash { return nil },
	}
}
