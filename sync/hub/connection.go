package hub

import (
	"context"
	"sync"
	"time"

	"concord/internal/limit"
	"concord/sync/wire"
)

// connection is one authenticated socket, whether or not a peer has joined on it.
type connection struct {
	hub    *Hub
	socket Conn
	cancel context.CancelFunc // ends what the reader waits for
	ended  chan struct{}      // closed when closing begins
	closed chan struct{}      // closed when the socket is closed

	ephemerals *limit.Connection // nil for a caller

	sessionMu sync.Mutex // guards the following fields
	session   Session
	expiry    *time.Timer
	closing   bool
	why       *wire.CloseError // with which the hub closed the connection
}

func newConnection(h *Hub, socket Conn, s Session, cancel context.CancelFunc) *connection {
	c := &connection{hub: h, socket: socket, cancel: cancel, ended: make(chan struct{}), closed: make(chan struct{})}
	c.renew(s)
	return c
}

func (c *connection) currentSession() Session {
	c.sessionMu.Lock()
	defer c.sessionMu.Unlock()
	return c.session
}

// renew replaces the session and closes the connection when the new one expires.
func (c *connection) renew(s Session) {
	c.sessionMu.Lock()
	defer c.sessionMu.Unlock()
	c.session = s
	if c.expiry != nil {
		c.expiry.Stop()
		c.expiry = nil
	}
	if s.Expires.IsZero() || c.closing {
		return
	}
	c.expiry = time.AfterFunc(s.Expires.Sub(c.hub.opts.Now()), func() {
		c.close(wire.CloseUnauthenticated, "the token has expired; connect again with a fresh one")
	})
}

// close ends the connection: nothing that comes from then on is handled. The
// first call's code and reason count; it waits for the close handshake, for
// which a client that is gone lets it wait until its timeout.
func (c *connection) close(code wire.CloseCode, reason string) {
	if c.beginClose(wire.NewCloseError(code, reason)) {
		c.finishClose(code, reason)
	}
}

// end is close without the wait, for callers with locks or with more to do; the
// connection's Serve waits in their place.
func (c *connection) end(code wire.CloseCode, reason string) {
	if c.beginClose(wire.NewCloseError(code, reason)) {
		go c.finishClose(code, reason)
	}
}

// drop is close for a client that went away, which isn't counted.
func (c *connection) drop() {
	if c.beginClose(nil) {
		c.finishClose(wire.CloseTryLater, "the connection failed; come back later")
	}
}

// beginClose reports whether it was the first call. why is nil when the client
// went away.
func (c *connection) beginClose(why *wire.CloseError) bool {
	c.sessionMu.Lock()
	already := c.closing
	c.closing = true
	if !already {
		c.why = why
	}
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.sessionMu.Unlock()
	if already {
		return false
	}
	close(c.ended)
	c.cancel()
	if why != nil {
		c.hub.stats.closed(why.Code)
	}
	return true
}

func (c *connection) finishClose(code wire.CloseCode, reason string) {
	c.socket.Close(code, reason)
	close(c.closed)
}

// ending reports whether closing has begun.
func (c *connection) ending() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// endOf returns why a connection that is closed has ended: the hub's reason, or
// else the error with which the client went away.
func (c *connection) endOf(err error) error {
	c.sessionMu.Lock()
	defer c.sessionMu.Unlock()
	if c.why != nil {
		return c.why
	}
	return err
}
