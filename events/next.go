package events

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"time"

	"concord/internal/id"
	"concord/store"
)

// Next waits until there is something to hand out, and returns at most limit items, in the order of the log. Now and then
// it returns a batch without items, for its cursor: a device should have a recent one, also where nothing happens for
// it. The error is that of ctx, ErrClosed, or the store's.
func (f *Feed) Next(ctx context.Context, limit int) (Batch, error) {
	for {
		if err := f.ended(ctx); err != nil {
			return Batch{}, err
		}
		b, more, err := f.take(max(limit, 1))
		switch {
		case err != nil:
			return Batch{}, fmt.Errorf("read events of company %s: %w", f.company.name, err)
		case len(b.Items) > 0 || b.Gap || !more && f.late():
			return f.show(b), nil
		case more:
			continue
		}
		if err := f.wait(ctx); err != nil {
			return Batch{}, err
		}
	}
}

// ended returns an error when there is no next batch.
func (f *Feed) ended(ctx context.Context) error {
	select {
	case <-f.closed:
		return ErrClosed
	case <-f.log.quit:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// wait waits until there may be something, or a cursor to show.
func (f *Feed) wait(ctx context.Context) error {
	every := f.log.showEvery
	f.timer.Reset(max(every-time.Since(f.shownAt), every/2))
	defer f.timer.Stop()
	select {
	case <-f.woken:
	case <-f.timer.C:
	case <-f.closed:
	case <-f.log.quit:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// late tells that the cursor which the device has is an old one.
func (f *Feed) late() bool {
	if time.Since(f.shownAt) < f.log.showEvery {
		return false
	}
	f.company.mu.Lock()
	defer f.company.mu.Unlock()
	return f.at() > f.shown
}

// show gives a batch the feed's cursor.
func (f *Feed) show(b Batch) Batch {
	f.company.mu.Lock()
	defer f.company.mu.Unlock()
	b.Cursor = f.cursor()
	f.shown, f.shownAt = f.at(), time.Now()
	return b
}

// take returns what comes next, if there is anything. more tells that there may be, when there is nothing.
func (f *Feed) take(limit int) (b Batch, more bool, err error) {
	c := f.company
	c.mu.Lock()
	var found []*entry
	switch {
	case !f.behind:
	case f.pos+1 >= c.first && f.pos+1 < c.first+uint64(len(c.tail)):
		found = f.takeTail(limit)
	default:
		r := reading{feed: f, rooms: maps.Clone(f.rooms), limit: limit, from: f.pos, last: c.last}
		c.mu.Unlock()
		err := r.read()
		c.mu.Lock()
		if err != nil {
			c.mu.Unlock()
			return Batch{}, false, err
		}
		found, b.Gap = r.found, f.took(&r)
	}
	found = append(found, f.takeSent(limit-len(found))...)
	more = f.behind
	c.mu.Unlock()
	for _, e := range found {
		if !f.mayGet(&e.header) {
			continue
		}
		item, err := e.get(f.log.epoch)
		if err != nil {
			f.log.o.Logger.Error("event can't be read", "company", c.name, "error", err)
			continue
		}
		b.Items = append(b.Items, item)
		if e.receipts && e.number > 0 && f.who.Device != "" {
			f.log.handOut(&f.who, e.number, e.value)
		}
	}
	return b, more, nil
}

// mayGet tells whether the session may see what an event is about.
func (f *Feed) mayGet(h *header) bool {
	return h.document == (id.DocumentID{}) || f.mayOpen(h.document)
}

// takeTail takes entries out of memory. The caller holds company.mu.
func (f *Feed) takeTail(limit int) (found []*entry) {
	c := f.company
	end := min(c.last, c.first+uint64(len(c.tail))-1)
	for f.pos < end && len(found) < limit {
		f.pos++
		e := c.tail[f.pos-c.first]
		if e != nil && wants(f.rooms, f.filter, &e.header, e.number) {
			found = append(found, e)
		}
	}
	f.behind = f.pos < c.last
	return found
}

// takeSent takes events that aren't kept. The caller holds company.mu.
func (f *Feed) takeSent(limit int) []*entry {
	n := min(len(f.sent), limit)
	taken := f.sent[:n:n]
	if f.sent = f.sent[n:]; len(f.sent) == 0 {
		f.sent = nil
	}
	return taken
}

// took notes how far the store was read, and tells whether something there may have been too old. The caller holds
// company.mu.
func (f *Feed) took(r *reading) (gap bool) {
	c := f.company
	gap = r.damaged || c.trimmed > r.from && c.trimmed > f.told
	f.told = max(f.told, c.trimmed)
	f.pos = r.upTo
	f.behind = f.pos < c.last
	return gap
}

// wants tells whether an event is for a feed with these rooms, each of which it has had since a number.
func wants(rooms map[string]uint64, types *filter, h *header, number uint64) bool {
	since, ok := rooms[string(h.room)]
	return ok && number > since && types.match(h.name)
}

// One read of the store looks at so much.
const (
	readRecords = 2000
	readBytes   = 1 << 20
)

// reading is one read of the store for a feed.
type reading struct {
	feed       *Feed
	rooms      map[string]uint64
	limit      int
	from, last uint64 // after from, up to last

	found   []*entry
	upTo    uint64
	damaged bool // what was between from and upTo can't be read
}

func (r *reading) read() error {
	r.upTo = r.from
	count, size := 0, 0
	part := store.Range{From: numberKey(r.from + 1), To: numberKey(r.last + 1)}
	stopped := false
	err := r.feed.log.store.Scan(r.feed.company.name, store.TableEvents, part, func(key, value []byte) error {
		if stopped = count == readRecords || size >= readBytes || len(r.found) == r.limit; stopped {
			return store.ErrStop
		}
		count++
		r.upTo = binary.BigEndian.Uint64(key)
		h, ok := parseHeader(value)
		if !ok || !wants(r.rooms, r.feed.filter, &h, r.upTo) {
			return nil
		}
		e := &entry{number: r.upTo, value: bytes.Clone(value)}
		e.header, _ = parseHeader(e.value)
		r.found = append(r.found, e)
		size += len(value)
		return nil
	})
	switch {
	case errors.Is(err, store.ErrCorrupt) && r.upTo > r.from:
		return nil // what could be read comes first
	case errors.Is(err, store.ErrCorrupt):
		r.skip(err)
		return nil
	case err == nil && !stopped:
		r.upTo = r.last
	}
	r.feed.skipped = 0
	return err
}

// skip goes on after a record that can't be read, further each time, as its number isn't known.
func (r *reading) skip(err error) {
	r.feed.skipped = 2*r.feed.skipped + 1
	r.upTo, r.damaged = min(r.from+r.feed.skipped, r.last), true
	r.feed.log.o.Logger.Error("events can't be read", "company", r.feed.company.name, "error", err)
}
