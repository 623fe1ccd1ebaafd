package conflict

import (
	"encoding/binary"
	"errors"

	"concord/crdt"
)

// A record is stored as
//
//	1B version, 1; uvarint length of the state; the state; the record as JSON
//
// The state is what the ledger keeps in memory of it while the document is in
// use:
//
//	1B flags
//	place: object, 1B 'k', 'h' or 'e', name or element
//	ops:   first and last write of the episode, first write after it; of a lost
//	       edit, the object, nothing, the first write after it
//	uvarint revision
//
// with ops as uvarint counter and, unless that is 0, their actor; actors and
// names as uvarint length and bytes.
const recordVersion = 1

type stateFlags byte

const (
	flagReal  stateFlags = 1 << iota // has values: is a record that people see
	flagLost                         // a lost edit
	flagOther                        // not of the watcher's: a proposal
)

// state is the part of a record that stays in memory.
type state struct {
	flags       stateFlags
	at          place
	first, last crdt.OpID // of an episode
	made        crdt.OpID // of a lost edit: the object
	next        crdt.OpID // the first write after it; zero = none
	revision    uint64    // grows with each time that it is stored
}

func (s *state) has(f stateFlags) bool { return s.flags&f != 0 }

func (s *state) append(b []byte) []byte {
	b = append(b, byte(s.flags))
	b = appendOp(b, s.at.obj)
	switch {
	case s.at.key.IsElem:
		b = appendOp(append(b, 'e'), s.at.key.Elem)
	case s.at.key.Elem == hashedKey:
		b = appendText(append(b, 'h'), s.at.key.Name)
	default:
		b = appendText(append(b, 'k'), s.at.key.Name)
	}
	if s.has(flagLost) {
		b = appendOp(appendOp(b, s.made), crdt.OpID{})
	} else {
		b = appendOp(appendOp(b, s.first), s.last)
	}
	return binary.AppendUvarint(appendOp(b, s.next), s.revision)
}

func appendOp(b []byte, op crdt.OpID) []byte {
	b = binary.AppendUvarint(b, uint64(op.Counter))
	if op.Counter == 0 {
		return b
	}
	return appendText(b, string(op.Actor))
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errMalformed = errors.New("record of a conflict is malformed")

// splitRecord returns the two parts of a stored record.
func splitRecord(b []byte) (s state, head []byte, err error) {
	if len(b) == 0 || b[0] != recordVersion {
		return state{}, nil, errMalformed
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || size > uint64(len(b)-1-n) {
		return state{}, nil, errMalformed
	}
	b = b[1+n:]
	r := stateReader{b: b[:size]}
	s = r.state()
	if r.failed || len(r.b) > 0 {
		return state{}, nil, errMalformed
	}
	return s, b[size:], nil
}

type stateReader struct {
	b      []byte
	failed bool
}

func (r *stateReader) state() (s state) {
	s.flags = stateFlags(r.byte())
	s.at.obj = r.op()
	switch kind := r.byte(); kind {
	case 'e':
		s.at.key = crdt.ElemKey(r.op())
	case 'h':
		s.at.key = crdt.Key{Name: r.text(), Elem: hashedKey}
	case 'k':
		s.at.key = crdt.MapKey(r.text())
	default:
		r.failed = true
	}
	if s.has(flagLost) {
		s.made, _ = r.op(), r.op()
	} else {
		s.first, s.last = r.op(), r.op()
	}
	s.next = r.op()
	s.revision = r.uvarint()
	return s
}

func (r *stateReader) byte() byte {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *stateReader) uvarint() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return x
}

func (r *stateReader) op() crdt.OpID {
	counter := r.uvarint()
	if counter == 0 {
		return crdt.OpID{}
	}
	if counter > 1<<32-1 {
		r.failed = true
	}
	return crdt.OpID{Counter: uint32(counter), Actor: crdt.ActorID(r.text())}
}

func (r *stateReader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.failed, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
