package events

import (
	"encoding/binary"
	"fmt"
	"time"

	"concord/internal/id"
	"concord/store"
)

// StateKind is the first byte of a key in store.TableEventState.
type StateKind byte

// What the table keeps.
const (
	StateCursor  StateKind = 'c' // what a device has acknowledged
	StateTrimmed StateKind = 't' // up to where the log was trimmed
	StateKey     StateKind = 'k' // what was published under an idempotency key
	StateReceipt StateKind = 'r' // that an event was delivered to a device, or read by a user
	StatePending StateKind = 'p' // an event about a document that is put off
)

// State is a record of store.TableEventState.
type State struct {
	Kind     StateKind
	Key      []byte        // after the kind
	Document id.DocumentID // it goes when this is purged; zero: none
	Until    time.Time     // the log deletes it some time after; zero: never. Kept in whole milliseconds
	Body     []byte
}

// stateHeader is the size of a value without the body: 16B document, 8B time or 0.
const stateHeader = id.DocumentIDSize + 8

// StateKeyOf returns the key of a record, or the beginning of keys.
func StateKeyOf(kind StateKind, key []byte) []byte {
	return append([]byte{byte(kind)}, key...)
}

// Record returns what writes the record.
func (s State) Record() store.Record {
	v := make([]byte, 0, stateHeader+len(s.Body))
	v = append(v, s.Document[:]...)
	if s.Until.IsZero() {
		v = binary.BigEndian.AppendUint64(v, 0)
	} else {
		v = binary.BigEndian.AppendUint64(v, uint64(s.Until.UnixMilli()))
	}
	return store.Record{Table: store.TableEventState, Key: StateKeyOf(s.Kind, s.Key), Value: append(v, s.Body...)}
}

// ParseState reads a record. Key and Body alias what was given.
func ParseState(key, value []byte) (State, error) {
	if len(key) == 0 || len(value) < stateHeader {
		return State{}, fmt.Errorf("record of events' state is malformed: %w", ErrInvalid)
	}
	s := State{Kind: StateKind(key[0]), Key: key[1:], Document: id.DocumentID(value[:id.DocumentIDSize]), Body: value[stateHeader:]}
	if ms := binary.BigEndian.Uint64(value[id.DocumentIDSize:]); ms != 0 {
		s.Until = time.UnixMilli(int64(ms)).UTC()
	}
	return s, nil
}
