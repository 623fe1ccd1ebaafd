package events

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"concord/internal/id"
)

const (
	// MaxDevice is the limit in bytes for the name of a device.
	MaxDevice = 128

	// MaxRooms is how many rooms a feed can have.
	MaxRooms = 1000
)

// Listener is a device of a user.
type Listener struct {
	Company string
	User    string
	Device  string // its own name for itself, at most MaxDevice bytes of UTF-8; empty: it can't acknowledge

	// MayOpen tells which documents the session may see: others' rooms can't be subscribed to, and events about them don't
	// come. Nil means all.
	MayOpen func(id.DocumentID) bool
}

func (who *Listener) validate() error {
	switch {
	case who.Company == "" || who.User == "" || len(who.Company) > maxName || len(who.User) > maxName:
		return fmt.Errorf("names of user and company have 1 to %d bytes: %w", maxName, ErrInvalid)
	case len(who.Device) > MaxDevice || !utf8.ValidString(who.Device):
		return fmt.Errorf("device has %d bytes, at most %d of UTF-8 are allowed: %w", len(who.Device), MaxDevice, ErrInvalid)
	}
	return nil
}

// Start is where a feed begins, and what it gets.
type Start struct {
	// Cursor is the last one that the device has seen. Empty means what it has acknowledged, or the end of the log if it
	// never has.
	Cursor string

	// Rooms are those besides the user's and the company's, which everybody has.
	Rooms []string

	// Filter are the types that the device wants, "invoice:*" for all that begin with "invoice:". Nil means all.
	Filter []string
}

// Joined is what a feed has begun with.
type Joined struct {
	Cursor    string // from where on
	Recovered bool   // nothing is missing between what the device had and this
	Rooms     []string
	Refused   []RoomError
}

// RoomError says why a room can't be subscribed to.
type RoomError struct {
	Room    string `json:"room"`
	Message string `json:"message"`
}

// Feed hands the log out to one device. Next must not be called twice at a time; else its methods are safe for
// concurrent use.
type Feed struct {
	log     *Log
	company *company
	who     Listener
	filter  *filter
	own     [2]string     // the user's room and the company's
	woken   chan struct{} // capacity 1
	closed  chan struct{}

	// company.mu guards the following fields.
	rooms  map[string]uint64 // the number after which the feed has the room
	behind bool              // there may be events for it between pos and company.last
	pos    uint64            // everything up to here was handed out
	told   uint64            // the latest gap that was told: company.trimmed
	sent   []*entry          // events that aren't kept
	done   bool

	// Join and Next alone use the following fields.
	shown   uint64    // position in the latest cursor that the device got
	shownAt time.Time // by the clock of the machine
	skipped uint64    // how far the latest read has skipped what can't be read
	timer   *time.Timer
}

// Batch is what Next returns.
type Batch struct {
	Items  []Item // may be empty: then the batch only tells a newer Cursor, or a gap
	Cursor string // everything up to here was handed out
	Gap    bool   // events between the batch before and this one may have been too old, and are gone
}

// Item is one event.
type Item struct {
	Cursor string // empty for one that isn't kept
	JSON   []byte // shared with others: must not be changed
	Event  *Event // likewise
}

func (f *Feed) wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// Cursor returns up to where everything was handed out. What Next has returned counts as handed out: whoever sends it has
// to send that before.
func (f *Feed) Cursor() string {
	f.company.mu.Lock()
	defer f.company.mu.Unlock()
	return f.cursor()
}

// cursor returns the feed's position as text. The caller holds company.mu.
func (f *Feed) cursor() string {
	return position{f.log.epoch, f.at(), f.log.o.Now().UnixMilli()}.String()
}

// at returns up to where everything was handed out. The caller holds company.mu.
func (f *Feed) at() uint64 {
	if f.behind {
		return f.pos
	}
	return max(f.pos, f.company.last)
}

// Subscribe adds rooms, from now on, and returns those that it can't.
func (f *Feed) Subscribe(rooms []string) (refused []RoomError) {
	f.company.mu.Lock()
	since := f.company.last
	f.company.mu.Unlock()
	_, refused = f.subscribe(rooms, since)
	return refused
}

func (f *Feed) subscribe(rooms []string, since uint64) (added []string, refused []RoomError) {
	for _, name := range rooms {
		room, err := f.mayHave(name)
		fresh := false
		if err == nil {
			fresh, err = f.add(room, since)
		}
		if err != nil {
			refused = append(refused, RoomError{name[:min(len(name), maxName)], err.Error()})
		}
		if fresh {
			added = append(added, room)
		}
	}
	return added, refused
}

var (
	errOthersRoom = errors.New("there is no such room for you")
	errManyRooms  = fmt.Errorf("you have %d rooms, which is the limit", MaxRooms)
)

// mayHave returns a room in its one form.
func (f *Feed) mayHave(name string) (string, error) {
	room, err := ParseRoom(name)
	if err != nil {
		return "", err
	}
	name = room.String()
	if room.Kind != KindDocument {
		if !slices.Contains(f.own[:], name) {
			return "", errOthersRoom
		}
		return name, nil
	}
	doc, err := id.Parse(room.Name)
	if err != nil || !f.mayOpen(doc) {
		return "", errOthersRoom
	}
	return name, nil
}

func (f *Feed) mayOpen(doc id.DocumentID) bool { return f.who.MayOpen == nil || f.who.MayOpen(doc) }

// add gives the feed a room; one that it has stays as it is.
func (f *Feed) add(room string, since uint64) (fresh bool, err error) {
	c := f.company
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := f.rooms[room]; ok || f.done {
		return false, nil
	}
	if len(f.rooms) == MaxRooms {
		return false, errManyRooms
	}
	f.rooms[room] = since
	if c.rooms[room] == nil {
		c.rooms[room] = make(map[*Feed]struct{})
	}
	c.rooms[room][f] = struct{}{}
	return true, nil
}

// Unsubscribe takes rooms away, but not the user's and the company's.
func (f *Feed) Unsubscribe(rooms []string) {
	for _, name := range rooms {
		room, err := ParseRoom(name)
		if err != nil || slices.Contains(f.own[:], room.String()) {
			continue
		}
		f.company.mu.Lock()
		f.remove(room.String())
		f.company.mu.Unlock()
	}
}

// remove takes a room away. The caller holds company.mu.
func (f *Feed) remove(room string) {
	delete(f.rooms, room)
	if all := f.company.rooms[room]; all != nil {
		if delete(all, f); len(all) == 0 {
			delete(f.company.rooms, room)
		}
	}
}

// Close ends the feed. Next returns ErrClosed.
func (f *Feed) Close() {
	f.company.mu.Lock()
	done := f.done
	f.done, f.sent = true, nil
	for _, room := range slices.Collect(maps.Keys(f.rooms)) {
		f.remove(room)
	}
	f.company.mu.Unlock()
	if !done {
		close(f.closed)
		f.log.leave(f.company)
	}
}
