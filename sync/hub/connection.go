package hub

import (
	"sync"
	"time"

	"concord/sync/wire"
)

// connection is one authenticated socket, whether or not a peer has joined on it.
type connection struct {
	hub    *Hub
	socket Conn
	ended  chan struct{} // closed with the connection

	sessionMu sync.Mutex // guards the following fields
	session   Session
	expiry    *time.Timer
	closed    bool
}

func newConnection(h *Hub, socket Conn, s Session) *connection {
	c := &connection{hub: h, socket: socket, ended: make(chan struct{})}
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
	if s.Expires.IsZero() || c.closed {
		return
	}
	c.expiry = time.AfterFunc(s.Expires.Sub(c.hub.opts.Now()), func() {
		c.close(wire.CloseUnauthenticated, "the token has expired; connect again with a fresh one")
	})
}

// close ends the connection. The first call's code and reason count.
func (c *connection) close(code wire.CloseCode, reason string) {
	c.sessionMu.Lock()
	already := c.closed
	c.closed = true
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.sessionMu.Unlock()
	if !already {
		close(c.ended)
		c.hub.stats.closed(code)
		c.socket.Close(code, reason)
	}
}
