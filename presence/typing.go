package presence

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"concord/internal/id"
)

const (
	// maxField bounds the name of a field, in bytes.
	maxField = 256
	// maxTyping is in how many fields a user may type at once.
	maxTyping = 32
)

// ErrInvalid is returned for a field that can't be one.
var ErrInvalid = errors.New("invalid field")

// ErrBusy is returned when a user types in too many fields at once.
var ErrBusy = errors.New("typing in too many fields at once")

// Typing tells that somebody has begun to type in a field, types on, or has stopped.
type Typing struct {
	User     string        `json:"user"`
	Document id.DocumentID `json:"document"`
	Field    string        `json:"field"`
	Active   bool          `json:"active"`
}

// place is where somebody types.
type place struct {
	document id.DocumentID
	field    string
}

// typing is a user's typing in one place: what is so, and what was told of it.
type typing struct {
	alarm  alarm
	user   *user
	place  place
	by     *Connection // that told of it last
	until  time.Time
	told   bool
	toldAt time.Time
}

// Typing tells that the user types in a field, or has stopped. Typing ends by itself
// when it isn't repeated for Options.Expiry. Others are told at once, but of one
// place at most every tenth of Expiry; typing that goes on is told again every half.
//
// field is 1 to 256 bytes of the caller's own, a path say. The error is ErrInvalid
// or ErrBusy.
func (c *Connection) Typing(doc id.DocumentID, field string, on bool) error {
	if field == "" || len(field) > maxField || !utf8.ValidString(field) {
		return fmt.Errorf("%w: want 1 to %d bytes of UTF-8", ErrInvalid, maxField)
	}
	t := c.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.closed || t.closed {
		return nil
	}
	u, now := c.user, time.Now()
	p := u.typing[place{doc, field}]
	switch {
	case p == nil && !on:
		return nil
	case p == nil && len(u.typing) >= maxTyping:
		return fmt.Errorf("%w: at most %d", ErrBusy, maxTyping)
	case p == nil:
		p = &typing{user: u, place: place{doc, field}}
		p.alarm.owner = p
		if u.typing == nil {
			u.typing = make(map[place]*typing)
		}
		u.typing[p.place] = p
	}
	p.by, p.until = c, now
	if on {
		p.until = now.Add(t.o.Expiry)
		if p.told && now.Sub(p.toldAt) >= t.o.Expiry/2 {
			p.tell(true, now)
		}
	}
	p.fire(now)
	return nil
}

// fire tells what there is to tell, and sets the next alarm.
func (p *typing) fire(now time.Time) {
	t := p.user.tracker
	active := p.until.After(now)
	if active != p.told {
		if free := p.toldAt.Add(t.o.Expiry / 10); free.After(now) {
			t.set(&p.alarm, free) // what is so by then counts
			return
		}
		p.tell(active, now)
	}
	// What has ended is remembered for as long as it bounds what can be told next.
	end := p.toldAt.Add(t.o.Expiry / 10)
	if active {
		end = p.until
	}
	if end.After(now) {
		t.set(&p.alarm, end)
		return
	}
	t.queue.cancel(&p.alarm)
	delete(p.user.typing, p.place)
	p.user.tidy()
}

func (p *typing) tell(active bool, now time.Time) {
	p.told, p.toldAt = active, now
	if t := p.user.tracker; t.o.Typing != nil && !t.closed {
		t.o.Typing(p.user.company.name, Typing{User: p.user.name, Document: p.place.document, Field: p.place.field, Active: active})
	}
}

// stopTyping ends what a connection has told.
func (u *user) stopTyping(c *Connection, now time.Time) {
	for _, p := range u.typing {
		if p.by == c {
			p.by, p.until = nil, now
			p.fire(now)
		}
	}
}
