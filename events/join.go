package events

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"concord/store"
)

// Join begins a feed for a device. A device can have several. The errors are ErrCursor and ErrInvalid, ErrClosed, or the
// store's.
func (l *Log) Join(ctx context.Context, who Listener, s Start) (*Feed, Joined, error) {
	f, joined, err := l.join(ctx, who, s)
	if err != nil {
		return nil, Joined{}, fmt.Errorf("join events of company %s: %w", who.Company, err)
	}
	return f, joined, nil
}

func (l *Log) join(ctx context.Context, who Listener, s Start) (*Feed, Joined, error) {
	if err := who.validate(); err != nil {
		return nil, Joined{}, err
	}
	types, err := newFilter(s.Filter)
	if err != nil {
		return nil, Joined{}, err
	}
	c, err := l.enter(who.Company)
	if err != nil {
		return nil, Joined{}, err
	}
	f := &Feed{
		log: l, company: c, who: who, filter: types, own: [2]string{UserRoom(who.User), CompanyRoom(who.Company)},
		rooms: make(map[string]uint64), woken: make(chan struct{}, 1), closed: make(chan struct{}), shownAt: time.Now(),
		timer: time.NewTimer(l.showEvery),
	}
	joined, err := f.begin(ctx, s)
	if err == nil && s.Cursor != "" && who.Device != "" {
		err = f.recall(s.Cursor)
	}
	if err != nil {
		f.Close()
		return nil, Joined{}, err
	}
	return f, joined, nil
}

// begin gives the feed its place in the log, and its rooms.
func (f *Feed) begin(ctx context.Context, s Start) (Joined, error) {
	l, c := f.log, f.company
	last, trimmed, err := l.ends(c.name)
	if err != nil {
		return Joined{}, err
	}
	from, known, sure, err := l.start(ctx, f.who, s.Cursor, last)
	if err != nil {
		return Joined{}, err
	}
	// With its rooms, the feed is told of what comes from here on.
	added, refused := f.subscribe(append(f.own[:], s.Rooms...), 0)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		c.begun, c.last = true, max(c.last, last)
	}
	c.trimmed = max(c.trimmed, trimmed)
	if f.pos = max(c.last, last); known {
		f.pos = from
	}
	f.behind = f.pos < c.last
	f.told = c.trimmed
	f.shown = f.at()
	return Joined{Cursor: f.cursor(), Recovered: sure && c.trimmed <= f.pos, Rooms: added, Refused: refused}, nil
}

// ends returns the number of a company's last event, and up to which number events may be gone.
func (l *Log) ends(company string) (last, trimmed uint64, err error) {
	if last, err = l.store.Last(company, store.TableEvents); err != nil {
		return 0, 0, err
	}
	value, ok, err := l.store.Get(company, store.TableEventState, StateKeyOf(StateTrimmed, nil))
	if err != nil || !ok {
		return last, 0, err
	}
	s, err := ParseState(StateKeyOf(StateTrimmed, nil), value)
	if err != nil || len(s.Body) != 8 {
		return 0, 0, fmt.Errorf("where the log was trimmed can't be read: %w", store.ErrCorrupt)
	}
	return last, binary.BigEndian.Uint64(s.Body), nil
}

// start returns the number after which a device goes on; known is false for the end of the log. sure tells that it is
// the device's own place.
func (l *Log) start(ctx context.Context, who Listener, cursor string, last uint64) (from uint64, known, sure bool, err error) {
	if cursor == "" {
		from, known, err = l.acked(who)
		if errors.Is(err, store.ErrCorrupt) {
			l.o.Logger.Error("place of a device is lost", "company", who.Company, "error", err)
			return 0, false, false, nil
		}
		return from, known, true, err
	}
	p, err := parseCursor(cursor)
	if err != nil {
		return 0, false, false, err
	}
	if p.epoch == l.epoch && p.number <= last {
		return p.number, true, true, nil
	}
	// Of another log, or of this one before an older copy of the file took its place.
	from, err = l.numberAt(ctx, who.Company, p.time-resumeEarlier.Milliseconds(), last)
	return from, true, false, err
}

// resumeEarlier is how much earlier a feed begins that can go by the time alone.
const resumeEarlier = time.Minute

// numberAt returns a number before all events from a time on, more or less: times follow the order of the log by and
// large.
func (l *Log) numberAt(ctx context.Context, company string, ms int64, last uint64) (uint64, error) {
	low, high := uint64(0), last // events up to low are earlier; those after high aren't
	for low < high {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		middle := low + (high-low)/2
		found, earlier := uint64(0), false
		part := store.Range{From: numberKey(middle + 1), To: numberKey(high + 1)}
		err := l.store.Scan(company, store.TableEvents, part, func(key, value []byte) error {
			h, ok := parseHeader(value)
			found, earlier = binary.BigEndian.Uint64(key), ok && h.time < ms
			return store.ErrStop
		})
		switch {
		case err != nil:
			return 0, err
		case earlier:
			low = found
		default:
			high = middle
		}
	}
	return low, nil
}
