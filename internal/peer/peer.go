// Package peer is a client of the automerge-repo WebSocket protocol, made for load and for hostile tests: it joins,
// edits documents with valid changes, syncs them, tells when a change is acknowledged, and sends frames that no good
// client would send when it is told to. It works against every server of the protocol.
//
// A peer costs one goroutine and some 20 KB, so that hundreds fit into a process. It has no document content, only the
// change graph and the changes' bytes.
package peer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// Options says how to connect. Only URL is required.
type Options struct {
	URL       string // ws:// or wss:// address of the sync endpoint
	Token     string // sent as "Authorization: Bearer"; "" sends none
	PeerID    string // "" makes a random one
	StorageID string // "" joins as an ephemeral peer: the server keeps no sync state for it

	// Advertise is which capabilities the peer claims. With protocol.AdvertiseV2 a server may send whole-document
	// chunks.
	Advertise protocol.Advertise

	LocalAddr string        // source IP address; "" leaves it to the system
	Timeout   time.Duration // for connecting and joining; 0 = 30 s

	// The hooks are called on the peer's own goroutine while it holds its lock: they must be quick and must not call
	// methods of the peer or its documents.

	// OnChange is called for each change that arrives from the server.
	OnChange func(d *Document, h crdt.Hash)
	// OnAck is called for each own change that the server's heads cover for the first time.
	OnAck func(d *Document, h crdt.Hash)
	// OnFrame is called for each frame from the server; its data aliases the frame.
	OnFrame func(m wire.Message)
}

// Peer is one connection. Its methods are safe for concurrent use.
type Peer struct {
	ID     string
	Server wire.Peer // the server's answer to the join

	o    Options
	conn *websocket.Conn
	done chan struct{} // closed when the reading ends

	mu      sync.Mutex // guards the following fields
	docs    map[id.DocumentID]*Document
	dirty   []*Document // have to be asked for a message
	writing bool        // a goroutine is in flush
	event   chan struct{}
	err     error // why the reading ended
	stats   Stats
}

// Stats counts what went over the connection.
type Stats struct {
	FramesIn, FramesOut uint64
	BytesIn, BytesOut   uint64
	Refused             uint64 // changes from the server that the gate doesn't accept
	Documents           uint64 // whole-document chunks from the server
}

// Dial connects and joins. ctx bounds only that.
func Dial(ctx context.Context, o Options) (*Peer, error) {
	if o.PeerID == "" {
		o.PeerID = "peer-" + randomHex(8)
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	conn, err := dial(ctx, o)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1)
	p := &Peer{ID: o.PeerID, o: o, conn: conn, done: make(chan struct{}), docs: map[id.DocumentID]*Document{}}
	if err := p.join(ctx); err != nil {
		conn.CloseNow()
		return nil, err
	}
	go p.read()
	return p, nil
}

func dial(ctx context.Context, o Options) (*websocket.Conn, error) {
	header := http.Header{}
	if o.Token != "" {
		header.Set("Authorization", "Bearer "+o.Token)
	}
	conn, response, err := websocket.Dial(ctx, o.URL, &websocket.DialOptions{HTTPHeader: header, HTTPClient: clientFor(o.LocalAddr)})
	if err != nil {
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			return nil, fmt.Errorf("connect: %w", &StatusError{response.StatusCode})
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}

// StatusError is returned when the server answers the upgrade with an HTTP status.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("the server answered %d", e.Status) }

var clients sync.Map // source address → *http.Client

// clientFor returns the HTTP client that dials from a source address.
func clientFor(local string) *http.Client {
	if c, ok := clients.Load(local); ok {
		return c.(*http.Client)
	}
	dialer := &net.Dialer{KeepAlive: -1}
	if local != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
	}
	c, _ := clients.LoadOrStore(local, &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}})
	return c.(*http.Client)
}

// join says who this is and waits for the server's answer.
func (p *Peer) join(ctx context.Context) error {
	hello := wire.Join{SenderID: p.ID, Metadata: wire.PeerMetadata{StorageID: p.o.StorageID, Ephemeral: p.o.StorageID == ""},
		Versions: []string{wire.ProtocolVersion}}
	if err := p.Send(ctx, hello.Append(nil)); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	for {
		_, frame, err := p.conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("join: %w", closeError(err))
		}
		m, err := wire.Decode(frame, limits)
		if err != nil {
			return fmt.Errorf("join: %w", err)
		}
		switch m := m.(type) {
		case wire.Peer:
			p.Server = m
			return nil
		case wire.Error:
			return fmt.Errorf("join: the server refused: %s", m.Message)
		}
	}
}

// Send writes one binary frame as it is. Frames of documents that the peer holds should not be among them.
func (p *Peer) Send(ctx context.Context, frame []byte) error {
	p.mu.Lock()
	p.stats.FramesOut++
	p.stats.BytesOut += uint64(len(frame))
	p.mu.Unlock()
	return p.conn.Write(ctx, websocket.MessageBinary, frame)
}

// Drop cuts the connection without a goodbye and waits until the peer's goroutine has ended. It is idempotent.
func (p *Peer) Drop() {
	p.conn.CloseNow()
	<-p.done
}

// Done is closed when the connection has ended; Err then says why.
func (p *Peer) Done() <-chan struct{} { return p.done }

// Err returns why the connection has ended: a *wire.CloseError if the server said so. It is nil before.
func (p *Peer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Stats returns the counters.
func (p *Peer) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// closeError turns the end of a WebSocket into the server's words, if there are any.
func closeError(err error) error {
	var end websocket.CloseError
	if errors.As(err, &end) {
		return &wire.CloseError{Code: wire.CloseCode(end.Code), Reason: end.Reason}
	}
	return err
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
