package events

import (
	"fmt"
	"sync"

	"concord/internal/id"
	"concord/store"
)

// company is what is in memory for a company while anybody listens.
type company struct {
	name  string
	feeds int // guarded by Log.mu

	mu      sync.Mutex // guards the following fields, and those that Feed says
	begun   bool       // last is known
	last    uint64     // every event up to here is committed; the store may have some more, of which Numbered will tell
	trimmed uint64     // events up to here may be gone: they were too old
	first   uint64     // number of the first entry in the tail
	tail    []*entry   // the newest events without gaps; nil for what mustn't be handed out
	size    int        // bytes of the tail
	rooms   map[string]map[*Feed]struct{}
}

// entry is an event in memory, which many feeds hand out.
type entry struct {
	header
	number uint64 // 0: it isn't kept
	value  []byte

	once sync.Once
	item Item
	err  error
}

// entrySize is about what an entry takes besides its bytes, which are there as a value and as JSON.
const entrySize = 512

func (e *entry) size() int { return entrySize + 2*len(e.value) }

// get returns what feeds hand out.
func (e *entry) get(epoch [epochSize]byte) (Item, error) {
	e.once.Do(func() { e.item, e.err = newItem(epoch, e.number, e.value) })
	return e.item, e.err
}

// newItem decodes an event; number is 0 for one that isn't kept.
func newItem(epoch [epochSize]byte, number uint64, value []byte) (Item, error) {
	e, err := Decode(value)
	if err != nil {
		return Item{}, fmt.Errorf("event %d: %w", number, err)
	}
	item := Item{JSON: e.appendJSON(make([]byte, 0, len(value)+192)), Event: e}
	if number > 0 {
		item.Cursor = position{epoch, number, e.Time.UnixMilli()}.String()
	}
	return item, nil
}

// enter returns a company, for one more feed.
func (l *Log) enter(name string) (*company, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	c := l.companies[name]
	if c == nil {
		c = &company{name: name, trimmed: l.trimmed[name], rooms: make(map[string]map[*Feed]struct{})}
		l.companies[name] = c
	}
	c.feeds++
	return c, nil
}

// leave takes a feed away, and what is in memory with the last one.
func (l *Log) leave(c *company) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.feeds--; c.feeds == 0 {
		delete(l.companies, c.name)
	}
}

func (l *Log) company(name string) *company {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.companies[name]
}

// Numbered tells the log what was committed. It doesn't block.
func (l *Log) Numbered(name string, t store.Table, first uint64, values [][]byte) {
	if t != store.TableEvents {
		return
	}
	l.tellWatched(first, values)
	c := l.company(name)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first != c.first+uint64(len(c.tail)) {
		c.first, c.tail, c.size = first, nil, 0
	}
	for i, v := range values {
		c.add(first+uint64(i), v)
	}
	c.evict(l.o.Memory)
}

// add puts an event at the end of the tail, and wakes those who wait for such.
func (c *company) add(number uint64, value []byte) {
	h, ok := parseHeader(value)
	if !ok {
		c.tail = append(c.tail, nil) // the check of the file tells
		c.last = max(c.last, number)
		return
	}
	e := &entry{header: h, number: number, value: value}
	c.tail = append(c.tail, e)
	c.size += e.size()
	if number <= c.last {
		return // no feed is beyond the store's last at the beginning
	}
	c.last = number
	for f := range c.rooms[string(h.room)] {
		if !f.behind && f.pos < number && f.filter.match(h.name) {
			f.behind, f.pos = true, number-1
			f.wake()
		}
	}
}

// evict forgets the first of the tail, so that it fits.
func (c *company) evict(limit int) {
	n, size := 0, c.size
	for ; size > limit && n < len(c.tail)-1; n++ {
		if e := c.tail[n]; e != nil {
			size -= e.size()
		}
	}
	c.drop(n)
}

// drop forgets the first n events of the tail.
func (c *company) drop(n int) {
	for i, e := range c.tail[:n] {
		if e != nil {
			c.size -= e.size()
			c.tail[i] = nil
		}
	}
	c.tail, c.first = c.tail[n:], c.first+uint64(n)
}

// Forget takes the events about a document out of memory. It is for store.Options.OnPurged.
func (l *Log) Forget(name string, doc id.DocumentID) {
	c := l.company(name)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, e := range c.tail {
		if e != nil && e.document == doc {
			c.size -= e.size()
			c.tail[i] = nil
		}
	}
}

// maxSent is how many events that aren't kept wait for a listener.
const maxSent = 64

// Send tells those who listen at this moment. The event isn't kept: a listener who is slow gets the newest 64 of such
// events. An event that Record would refuse goes nowhere. Without an ID or a time it gets them.
func (l *Log) Send(name string, e Event) {
	if e.Time.IsZero() {
		e.Time = l.o.Now()
	}
	if e.ID == "" {
		e.ID = NewID(e.Time)
	}
	value, err := e.encode()
	if err != nil {
		l.o.Logger.Error("event can't be sent", "type", clip(e.Type), "error", err)
		return
	}
	c := l.company(name)
	if c == nil {
		return
	}
	h, _ := parseHeader(value)
	sent := &entry{header: h, value: value}
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.rooms[string(h.room)] {
		if !f.filter.match(h.name) {
			continue
		}
		if len(f.sent) == maxSent {
			f.sent = append(f.sent[:0], f.sent[1:]...)
		}
		f.sent = append(f.sent, sent)
		f.wake()
	}
}
