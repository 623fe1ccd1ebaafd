package events

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"concord/internal/id"
	"concord/store"
)

const (
	// MaxData is the limit in bytes for the data of an event.
	MaxData = 64 << 10

	// MaxType is the limit in bytes for the name of a type.
	MaxType = 128
)

// Event is something that has happened, told to one room.
type Event struct {
	ID       string          `json:"id"`                 // ULID; clients know by it what they have seen
	Type     string          `json:"type"`               // "invoice:paid"; 1 to MaxType printable bytes of ASCII
	Room     string          `json:"room"`               // "user:alice", "company:acme", "document:<id>"
	Time     time.Time       `json:"time"`               // kept in whole milliseconds
	From     string          `json:"from,omitempty"`     // the user who caused it; empty: the server
	Receipts bool            `json:"receipts,omitempty"` // the publisher wants to know of delivery and reading
	Data     json.RawMessage `json:"data"`               // at most MaxData bytes; nil stands for {}
	Document id.DocumentID   `json:"document,omitzero"`  // what it is about: the event goes when this is purged; zero: none
}

// NewID returns a fresh ID whose time is t.
func NewID(t time.Time) string {
	var u ulid.ULID
	rand.Read(u[6:])
	u.SetTime(uint64(min(max(t.UnixMilli(), 0), int64(ulid.MaxTime())))) // can't fail within the bounds
	return u.String()
}

// The value of a record in store.TableEvents: what a reader filters by stands in front, so that it parses no more.
//
//	16B document, 8B time, 16B ID, 1B flags (1: receipts), 1B length and type, 2B length and room, 2B length and from, data
const eventFixed = id.DocumentIDSize + 8 + 16 + 1

const flagReceipts = 1

// Record returns what puts the event into the log. Without an ID it gets a fresh one. The errors are ErrInvalid and
// ErrTooLarge.
func (e Event) Record() (store.Record, error) {
	if e.ID == "" {
		e.ID = NewID(e.Time)
	}
	v, err := e.encode()
	if err != nil {
		return store.Record{}, fmt.Errorf("record event %q: %w", clip(e.Type), err)
	}
	return store.Record{Table: store.TableEvents, Next: true, Value: v}, nil
}

// Records is Record for several rooms, with a fresh ID for each.
func (e Event) Records(rooms ...string) ([]store.Record, error) {
	data, err := compact(e.Data)
	if err != nil {
		return nil, fmt.Errorf("record event %q: %w", clip(e.Type), err)
	}
	records := make([]store.Record, len(rooms))
	for i, room := range rooms {
		e.ID, e.Room = NewID(e.Time), room
		v, err := e.encodeWith(data)
		if err != nil {
			return nil, fmt.Errorf("record event %q: %w", clip(e.Type), err)
		}
		records[i] = store.Record{Table: store.TableEvents, Next: true, Value: v}
	}
	return records, nil
}

func clip(s string) string { return s[:min(len(s), MaxType)] }

// encode returns the event's value in the table.
func (e *Event) encode() ([]byte, error) {
	data, err := compact(e.Data)
	if err != nil {
		return nil, err
	}
	return e.encodeWith(data)
}

// encodeWith is encode with the data as compact returns it.
func (e *Event) encodeWith(data []byte) ([]byte, error) {
	u, err := ulid.ParseStrict(e.ID)
	if err != nil {
		return nil, fmt.Errorf("ID is no ULID: %w", ErrInvalid)
	}
	if err := checkType(e.Type); err != nil {
		return nil, err
	}
	room, err := ParseRoom(e.Room)
	if err != nil {
		return nil, err
	}
	switch {
	case e.Time.Year() < 1970 || e.Time.Year() > 9999:
		return nil, fmt.Errorf("time is beyond the years 1970 to 9999: %w", ErrInvalid)
	case len(e.From) > maxName || !utf8.ValidString(e.From):
		return nil, fmt.Errorf("from has %d bytes, at most %d of UTF-8 are allowed: %w", len(e.From), maxName, ErrInvalid)
	}
	name := room.String()
	v := make([]byte, 0, eventFixed+5+len(e.Type)+len(name)+len(e.From)+len(data))
	v = append(v, e.Document[:]...)
	v = binary.BigEndian.AppendUint64(v, uint64(e.Time.UnixMilli()))
	v = append(v, u[:]...)
	flags := byte(0)
	if e.Receipts {
		flags = flagReceipts
	}
	v = append(append(v, flags, byte(len(e.Type))), e.Type...)
	v = append(binary.BigEndian.AppendUint16(v, uint16(len(name))), name...)
	v = append(binary.BigEndian.AppendUint16(v, uint16(len(e.From))), e.From...)
	return append(v, data...), nil
}

func checkType(name string) error {
	if len(name) == 0 || len(name) > MaxType {
		return fmt.Errorf("type has %d bytes, 1 to %d are allowed: %w", len(name), MaxType, ErrInvalid)
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == '*' || c == '"' || c == '\\' {
			return fmt.Errorf("type has the character %q, which isn't allowed: %w", c, ErrInvalid)
		}
	}
	return nil
}

// compact returns JSON without spaces, and so without line breaks.
func compact(data json.RawMessage) ([]byte, error) {
	if len(data) == 0 {
		return []byte("{}"), nil
	}
	if len(data) > MaxData {
		return nil, fmt.Errorf("data has %d bytes, at most %d are allowed: %w", len(data), MaxData, ErrTooLarge)
	}
	var b bytes.Buffer
	b.Grow(len(data))
	if json.Compact(&b, data) != nil || !utf8.Valid(data) {
		return nil, fmt.Errorf("data isn't JSON in UTF-8: %w", ErrInvalid)
	}
	return b.Bytes(), nil
}

// header is what a reader filters by. Its slices alias the value.
type header struct {
	document   id.DocumentID
	time       int64 // ms since 1970
	receipts   bool
	name, room []byte
	rest       []byte // 2B length and from, data
}

func parseHeader(v []byte) (h header, ok bool) {
	if len(v) <= eventFixed {
		return header{}, false
	}
	h = header{document: id.DocumentID(v[:id.DocumentIDSize]), time: int64(binary.BigEndian.Uint64(v[id.DocumentIDSize:]))}
	flags, n, rest := v[eventFixed-1], int(v[eventFixed]), v[eventFixed+1:]
	h.receipts = flags&flagReceipts != 0
	if len(rest) < n+2 {
		return header{}, false
	}
	h.name, rest = rest[:n], rest[n:]
	h.room, h.rest, ok = cutText(rest)
	return h, ok && flags <= flagReceipts
}

func cutText(b []byte) (text, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b)-2 < n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// Decode reads a value in store.TableEvents, or returns ErrInvalid. Data aliases it.
func Decode(v []byte) (*Event, error) {
	h, ok := parseHeader(v)
	if !ok {
		return nil, fmt.Errorf("record of an event is malformed: %w", ErrInvalid)
	}
	from, data, ok := cutText(h.rest)
	if !ok {
		return nil, fmt.Errorf("record of an event is malformed: %w", ErrInvalid)
	}
	return &Event{
		ID: ulid.ULID(v[id.DocumentIDSize+8 : eventFixed-1]).String(), Type: string(h.name), Room: string(h.room),
		Time: time.UnixMilli(h.time).UTC(), From: string(from), Receipts: h.receipts, Data: data, Document: h.document,
	}, nil
}

// timeLayout is how clients get times: in milliseconds and UTC.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// appendJSON appends the event as clients get it.
func (e *Event) appendJSON(b []byte) []byte {
	b = append(append(b, `{"id":"`...), e.ID...)
	b = append(append(b, `","type":"`...), e.Type...)
	b = appendString(append(b, `","room":`...), e.Room)
	b = e.Time.UTC().AppendFormat(append(b, `,"time":"`...), timeLayout)
	b = append(b, '"')
	if e.From != "" {
		b = appendString(append(b, `,"from":`...), e.From)
	}
	if e.Receipts {
		b = append(b, `,"receipts":true`...)
	}
	b = append(append(b, `,"data":`...), e.Data...)
	if e.Document != (id.DocumentID{}) {
		b, _ = e.Document.AppendText(append(b, `,"document":"`...)) // fails never
		b = append(b, '"')
	}
	return append(b, '}')
}

// appendString appends a text in quotes.
func appendString(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...) // no string fails
	}
	return append(b, text...)
}

// Check verifies the form of a record in store.TableEvents; it is for store.CheckOptions.Tables.
func Check(_ string, key, value []byte) error {
	if key == nil {
		return nil
	}
	e, err := Decode(value)
	if err != nil {
		return err
	}
	if _, err := e.encode(); err != nil {
		return fmt.Errorf("event can't have been recorded: %w", err)
	}
	return nil
}
