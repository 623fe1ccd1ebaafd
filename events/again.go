package events

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/oklog/ulid/v2"

	"concord/internal/id"
	"concord/store"
)

// The record of an idempotency key, under 2B length of user, user, key. Its body is
//
//	32B digest of what was published, 8B number before the first event, 16B ID for each event
const keyFixed = 32 + 8

func publishKey(user, key string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(user)))
	return append(append(b, user...), key...)
}

// keyRecord returns what refuses the write if the key was used before.
func (p *publication) keyRecord(key string) (store.Record, error) {
	last, err := p.log.store.Last(p.company, store.TableEvents)
	if err != nil {
		return store.Record{}, err
	}
	body := binary.BigEndian.AppendUint64(p.digest.Sum(nil), last)
	for _, a := range p.answer {
		x, err := ulid.ParseStrict(a.ID)
		if err != nil {
			return store.Record{}, err
		}
		body = append(body, x[:]...)
	}
	r := State{Kind: StateKey, Key: publishKey(p.by, key), Until: p.now.Add(p.log.o.TTL), Body: body}.Record()
	r.Absent = true
	return r, nil
}

// again returns the answer that was given under a key, if it is known.
func (p *publication) again(key string) (answer []Published, known bool, err error) {
	k := StateKeyOf(StateKey, publishKey(p.by, key))
	value, ok, err := p.log.store.Get(p.company, store.TableEventState, k)
	if err != nil || !ok {
		return nil, false, err
	}
	s, err := ParseState(k, value)
	if err != nil || len(s.Body) < keyFixed || (len(s.Body)-keyFixed)%len(ulid.ULID{}) != 0 {
		return nil, false, fmt.Errorf("idempotency key: %w", store.ErrCorrupt)
	}
	if !bytes.Equal(s.Body[:32], p.digest.Sum(nil)) || len(s.Body) != keyFixed+len(p.answer)*len(ulid.ULID{}) {
		return nil, false, ErrKeyReused
	}
	wanted := make(map[ulid.ULID]uint64)
	for i := range p.answer {
		x := ulid.ULID(s.Body[keyFixed+i*len(ulid.ULID{}):])
		p.answer[i].ID = x.String()
		wanted[x] = 0
	}
	if err := p.find(binary.BigEndian.Uint64(s.Body[32:]), wanted); err != nil {
		return nil, false, err
	}
	p.point(wanted)
	return p.answer, true, nil
}

// find looks up the numbers of events that were put soon after a number. One that is gone, with its document, stays 0.
func (p *publication) find(after uint64, wanted map[ulid.ULID]uint64) error {
	left, looked := len(p.kept), 0
	part := store.Range{From: numberKey(after + 1)}
	return p.log.store.Scan(p.company, store.TableEvents, part, func(key, value []byte) error {
		if looked++; left == 0 || looked > maxFind+len(wanted) {
			return store.ErrStop
		}
		if len(value) <= eventFixed {
			return nil
		}
		x := ulid.ULID(valueID(value))
		if n, ok := wanted[x]; ok && n == 0 {
			wanted[x] = binary.BigEndian.Uint64(key)
			left--
		}
		return nil
	})
}

// maxFind is how many events of others are looked at between.
const maxFind = 10_000

// valueID returns the ID in the value of an event.
func valueID(value []byte) []byte { return value[id.DocumentIDSize+8 : eventFixed-1] }

// watch has the number of the first of some events, which are put in one write, noted when it is given.
func (l *Log) watch(list []ulid.ULID) *uint64 {
	n := new(uint64)
	if len(list) > 0 {
		l.watchMu.Lock()
		defer l.watchMu.Unlock()
		l.watched[list[0]] = n
	}
	return n
}

func (l *Log) unwatch(list []ulid.ULID) {
	if len(list) > 0 {
		l.watchMu.Lock()
		defer l.watchMu.Unlock()
		delete(l.watched, list[0])
	}
}

// tellWatched notes the numbers of events that somebody watches.
func (l *Log) tellWatched(first uint64, values [][]byte) {
	l.watchMu.Lock()
	defer l.watchMu.Unlock()
	if len(l.watched) == 0 {
		return
	}
	for i, v := range values {
		if len(v) > eventFixed {
			if n := l.watched[ulid.ULID(valueID(v))]; n != nil {
				*n = first + uint64(i)
			}
		}
	}
}
