package presence

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Store keeps states over restarts.
type Store interface {
	Companies() ([]string, error)
	// Each calls fn with all records of a company. value is fn's during the call.
	Each(company string, fn func(key string, value []byte) error) error
	// Get returns one record; ok is false when there is none.
	Get(company, key string) (value []byte, ok bool, err error)
	// Put writes records, and events to the room of the company, all or nothing.
	// done is called once when they are durable, or with what came in between; not
	// when Put returns an error. Put may wait until there is room.
	Put(ctx context.Context, company string, records []Record, events []Event, done func(error)) error
}

// Record is what Store keeps under a key.
type Record struct {
	Key   string // a user, or aliveKey
	Value []byte
}

const (
	Online  = "user:online"
	Offline = "user:offline"
)

// Event tells a company that a user has come or gone.
type Event struct {
	Type string // Online or Offline
	User string
	Time time.Time
	Data json.RawMessage // user, lastSeen
}

// aliveKey is where a company's record says until when the server is known to
// have run with somebody online. Users have no control characters in their names.
const aliveKey = "\x00"

// state is what a record says, in milliseconds since 1970.
type state struct {
	Online   bool  `json:"online,omitempty"`
	LastSeen int64 `json:"lastSeen"` // when this was written; for an offline user the end of the last connection
}

func (s state) encode() []byte {
	value, err := json.Marshal(s)
	if err != nil {
		panic(err) // a flag and a number
	}
	return value
}

func decode(value []byte) (state, error) {
	var s state
	if err := json.Unmarshal(value, &s); err != nil {
		return state{}, fmt.Errorf("presence record: %w", err)
	}
	return s, nil
}

// record returns what is kept of a user, and event what people are told.
func (n news) record() Record {
	return Record{Key: n.user.name, Value: state{Online: n.online, LastSeen: n.lastSeen.UnixMilli()}.encode()}
}

func (n news) event() Event {
	e := Event{Type: Offline, User: n.user.name, Time: n.at}
	if n.online {
		e.Type = Online
	}
	data, err := json.Marshal(struct {
		User     string    `json:"user"`
		LastSeen time.Time `json:"lastSeen"`
	}{n.user.name, moment(n.lastSeen)})
	if err != nil {
		panic(err) // texts and a time of this age
	}
	e.Data = data
	return e
}

// moment is a time as people are told it.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
