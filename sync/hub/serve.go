package hub

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"concord/internal/id"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// joinBytes is the most that a client may send before it has joined.
const joinBytes = 64 << 10

// errEnded ends the reader of a connection that is being closed already.
var errEnded = errors.New("the connection is being closed")

// Serve runs one authenticated connection until it ends, and closes it. It
// returns why the connection ended; a client that simply went away is an error
// of its Read.
func (h *Hub) Serve(ctx context.Context, conn Conn, s Session) error {
	h.readers.Add(1)
	defer h.readers.Add(-1)
	limiter, done := h.limiter(s)
	defer done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := newConnection(h, conn, s, cancel)
	c.ephemerals = h.ephemerals.Connect(s.Company, s.User)
	defer c.ephemerals.Close()
	if err := h.connect(c); err != nil {
		c.close(err.Code, err.Reason)
		return err
	}
	defer h.disconnect(c)
	r := &reader{connection: c, limiter: limiter}
	// A revocation in the time since the token was verified missed this connection.
	err := c.checkRevoked(s)
	if err == nil {
		err = r.run(ctx)
	}
	var ce *wire.CloseError
	switch {
	case errors.As(err, &ce):
		c.close(ce.Code, ce.Reason)
	case r.gone:
		c.drop()
	default:
		c.close(wire.CloseTryLater, "the server failed on a message; come back later")
	}
	<-c.closed // another call may be at it
	return c.endOf(err)
}

// reader is the receiving side of one connection. A connection may carry one
// peer after another: a peer can leave and join again.
type reader struct {
	*connection
	limiter *rate.Limiter
	peer    *peer // nil until joined, and after a leave
	joined  bool  // at least once
	gone    bool  // the client went away
}

func (c *reader) run(ctx context.Context) error {
	defer c.leave() // also after a panic, which the caller may survive
	joined := new(atomic.Bool)
	handshake := time.AfterFunc(c.hub.opts.HandshakeTimeout, func() {
		if !joined.Load() {
			c.close(wire.CloseHandshake, "no join message came in time; the first message must be a join")
		}
	})
	defer handshake.Stop()
	for {
		// Waiting before the frame is read, a fast client holds no memory.
		if err := c.limiter.Wait(ctx); err != nil {
			return err
		}
		limit := c.hub.opts.MaxMessage
		if c.peer == nil {
			limit = min(limit, joinBytes)
		}
		frame, err := c.socket.Read(limit)
		if err != nil {
			c.gone = true // unless the error says otherwise
			return err
		}
		if c.ending() {
			frame.release()
			return errEnded
		}
		if c.peer != nil {
			c.peer.visit.Beat()
		}
		c.hub.stats.framesIn.Add(1)
		c.hub.stats.bytesIn.Add(uint64(len(frame.Data)))
		if err := c.handle(ctx, frame); err != nil {
			return err
		}
		if c.peer != nil && !joined.Swap(true) {
			handshake.Stop()
		}
		if c.hub.draining.Load() {
			// What isn't read is neither acknowledged nor lost: the client has it.
			<-c.ended
		}
	}
}

// handle consumes one frame. An error ends the connection.
func (c *reader) handle(ctx context.Context, frame Frame) error {
	msg, err := wire.Decode(frame.Data, wire.Limits{Frame: c.hub.opts.MaxMessage})
	if err != nil {
		frame.release()
		c.hub.log.Debug("frame refused", "user", c.currentSession().User, "error", err)
		if closing := wire.CloseFor(err); closing != nil {
			return closing
		}
		return nil
	}
	if c.peer == nil {
		defer frame.release()
		switch m := msg.(type) {
		case wire.Join:
			return c.join(m)
		case wire.Leave:
			return nil
		}
		if c.joined {
			return nil // said before the leave took effect
		}
		return wire.NewCloseError(wire.CloseMalformed, "the first message must be a join")
	}
	// Clients pass ephemeral messages of others on to all their peers; what
	// isn't the peer's own is an echo.
	if s := msg.Sender(); s != c.peer.id && s != "" {
		if _, join := msg.(wire.Join); !join {
			frame.release()
			c.hub.stats.echoes.Add(1)
			return nil
		}
	}
	switch m := msg.(type) {
	case wire.Sync:
		return c.peer.receiveSync(ctx, frame, m.Document, m.Data, false)
	case wire.Request:
		return c.peer.receiveSync(ctx, frame, m.Document, m.Data, true)
	}
	defer frame.release()
	switch m := msg.(type) {
	case wire.Ephemeral:
		c.peer.receiveEphemeral(m)
	case wire.Join:
		return c.join(m)
	case wire.Leave:
		c.leave()
	case wire.RemoteSubscriptionChange:
		c.peer.subscribeRemotes(m)
	case wire.Token:
		return c.refresh(ctx, m)
	}
	// Peer, Error, DocUnavailable, RemoteHeadsChanged and TokenAnswer from a
	// client need no answer: this node asks nobody for documents.
	return nil
}

func (c *reader) join(m wire.Join) error {
	if !m.Speaks(wire.ProtocolVersion) {
		ctx, cancel := context.WithTimeout(c.hub.ctx, c.hub.opts.WriteTimeout)
		defer cancel()
		_ = c.socket.Write(ctx, wire.Error{SenderID: c.hub.id, TargetID: m.SenderID,
			Message: "unsupported protocol version; this server speaks version " + wire.ProtocolVersion}.Append(nil), nil)
		return wire.NewCloseError(wire.CloseMalformed, "unsupported protocol version; this server speaks version "+wire.ProtocolVersion)
	}
	c.leave() // a peer may join again on its own socket, as after a lost answer
	p := newPeer(c.connection, m)
	old, err := c.hub.register(p)
	if err != nil {
		return err
	}
	if old != nil {
		// The old one is often half-open and won't answer.
		old.end(wire.CloseReplaced, "a newer connection of the same peer took over")
	}
	c.peer, c.joined = p, true
	p.arrive()
	p.notify(wire.Peer{SenderID: c.hub.id, TargetID: p.id, Metadata: c.hub.metadata(), Version: wire.ProtocolVersion}.Append(nil))
	c.hub.stats.joins.Add(1)
	return nil
}

// leave ends the peer, if there is one, but not the connection.
func (c *reader) leave() {
	if c.peer != nil {
		c.peer.leave()
		c.peer = nil
	}
}

// refresh takes a newer token for the open connection.
func (c *reader) refresh(ctx context.Context, m wire.Token) error {
	p := c.peer
	answer := wire.TokenAnswer{SenderID: c.hub.id, TargetID: p.id}
	if c.hub.opts.Authenticate == nil {
		answer.Message = "this server takes no tokens on open connections"
		p.answer(answer.Append(nil))
		return nil
	}
	s, err := c.hub.opts.Authenticate(ctx, m.Token)
	if err != nil {
		answer.Message = err.Error()
		p.answer(answer.Append(nil))
		return nil
	}
	old := p.currentSession()
	switch {
	case s.Company != old.Company || s.User != old.User:
		answer.Message = "the token is another user's; open a connection of its own for it"
	case !old.samePowers(s):
		return wire.NewCloseError(wire.CloseTryLater, "the new token grants other rights; connect again with it")
	default:
		answer.Accepted = true
		if !s.Expires.IsZero() {
			answer.Expires = uint64(max(0, s.Expires.UnixMilli()))
		}
		c.renew(s)
		if err := c.checkRevoked(s); err != nil {
			return err
		}
	}
	p.answer(answer.Append(nil))
	return nil
}

// checkRevoked looks again at a session that revocations reach from now on: one
// between the verification of its token and this moment has passed it by.
func (c *connection) checkRevoked(s Session) error {
	if c.hub.opts.Revoked != nil && c.hub.opts.Revoked(s) {
		return wire.NewCloseError(wire.CloseUnauthenticated, "the token was revoked; sign in again")
	}
	return nil
}

// open returns the peer's link to a document, a new one if there's none.
func (p *peer) open(doc id.DocumentID) (*link, error) {
	if l := p.links[doc]; l != nil {
		return l, nil
	}
	if len(p.links) >= p.hub.opts.MaxDocuments {
		return nil, wire.NewCloseError(wire.CloseTooMany, "too many documents open on one connection")
	}
	s := p.currentSession()
	o := protocol.Options{Advertise: protocol.AdvertiseV2, ReadOnlyPeer: s.ReadOnly, Acknowledge: true, ExactHeads: true}
	l := &link{peer: p, options: o, state: protocol.New(o)}
	for {
		d := p.hub.acquire(s.docKey(doc))
		ok, err := d.attach(l, s.User)
		if err != nil {
			return nil, err
		}
		if ok {
			p.links[doc] = l
			p.visit.Open(doc)
			return l, nil
		}
	}
}
