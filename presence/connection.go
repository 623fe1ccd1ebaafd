package presence

import (
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"concord/internal/id"
)

const (
	// maxDocuments is how many documents of a connection are known; the latest are.
	maxDocuments = 256
	// maxDevice bounds the name of a device, in bytes; longer ones are cut.
	maxDevice = 128
)

// Connection is one connection of a device. It is safe for concurrent use, and does
// nothing once it is closed.
type Connection struct {
	tracker *Tracker
	user    *user
	device  string
	since   time.Time
	heard   atomic.Int64 // nanoseconds since Tracker.start
	stale   atomic.Bool  // not heard of for the TTL; set with the tracker's lock held

	// The following fields are guarded by the tracker's lock.
	alarm     alarm
	index     int // in user.connections
	closed    bool
	documents []id.DocumentID // latest last
}

// Connect tells that a connection of a user's device has come. An empty device is
// one of its own.
func (t *Tracker) Connect(company, user, device string) *Connection {
	now := time.Now()
	c := &Connection{tracker: t, device: cut(device, maxDevice), since: now}
	c.alarm.owner = c
	c.heard.Store(int64(now.Sub(t.start)))
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.user(company, user)
	c.user, c.index = u, len(u.connections)
	u.connections = append(u.connections, c)
	u.arrive(now)
	t.set(&c.alarm, now.Add(t.o.TTL))
	return c
}

// cut returns a text of at most max bytes.
func cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}

// Beat tells that the connection is alive. It costs little.
func (c *Connection) Beat() {
	c.heard.Store(int64(time.Since(c.tracker.start)))
	if c.stale.Load() {
		c.revive()
	}
}

func (c *Connection) revive() {
	t := c.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.closed || !c.stale.Load() {
		return
	}
	c.stale.Store(false)
	now := time.Now()
	c.user.arrive(now)
	t.set(&c.alarm, now.Add(t.o.TTL))
}

// lastHeard returns the time of the last beat.
func (c *Connection) lastHeard() time.Time {
	return c.tracker.start.Add(time.Duration(c.heard.Load()))
}

// fire looks whether the TTL has passed since the last beat.
func (c *Connection) fire(now time.Time) {
	t := c.tracker
	heard := c.lastHeard()
	if end := heard.Add(t.o.TTL); end.After(now) {
		t.queue.set(&c.alarm, end)
		return
	}
	c.stale.Store(true)
	c.user.depart(now, heard, false)
}

// Open tells that the device has a document open.
func (c *Connection) Open(doc id.DocumentID) {
	c.tracker.mu.Lock()
	defer c.tracker.mu.Unlock()
	if c.closed || slices.Contains(c.documents, doc) {
		return
	}
	if len(c.documents) == maxDocuments {
		c.documents = append(c.documents[:0], c.documents[1:]...)
	}
	c.documents = append(c.documents, doc)
}

// Shut tells that it has not any more.
func (c *Connection) Shut(doc id.DocumentID) {
	c.tracker.mu.Lock()
	defer c.tracker.mu.Unlock()
	if i := slices.Index(c.documents, doc); i >= 0 {
		c.documents = slices.Delete(c.documents, i, i+1)
	}
}

// Close tells that the connection has ended. It is idempotent.
func (c *Connection) Close() {
	t := c.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.closed {
		return
	}
	c.closed, c.documents = true, nil
	t.queue.cancel(&c.alarm)
	u := c.user
	last := len(u.connections) - 1
	u.connections[c.index] = u.connections[last]
	u.connections[c.index].index = c.index
	u.connections[last] = nil
	u.connections = u.connections[:last]
	now := time.Now()
	u.stopTyping(c, now)
	if !c.stale.Load() {
		u.depart(now, now, true)
	}
	u.tidy()
}
