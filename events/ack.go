package events

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"concord/store"
)

// MaxDevices is how many devices of a user have their place in the log kept; the one that was away for longest loses it.
const MaxDevices = 64

// keepCursors is for how many TTLs the place of a device is kept.
const keepCursors = 30

// device is a device of a user, as it has acknowledged.
type device struct{ company, user, name string }

func (d device) key() []byte {
	key := binary.BigEndian.AppendUint16(nil, uint16(len(d.user)))
	return StateKeyOf(StateCursor, append(append(key, d.user...), d.name...))
}

// Ack notes that a device has everything up to a cursor: where it starts next time, unless it says otherwise. It never
// goes back. It is durable within about a second, and after Close. A cursor of another log is ignored. The errors are
// ErrCursor and ErrInvalid, or the store's.
func (l *Log) Ack(_ context.Context, who Listener, cursor string) error {
	if err := l.ack(who, cursor); err != nil {
		return fmt.Errorf("acknowledge events: %w", err)
	}
	return nil
}

func (l *Log) ack(who Listener, cursor string) error {
	if err := who.validate(); err != nil {
		return err
	}
	if who.Device == "" {
		return fmt.Errorf("device has no name: %w", ErrInvalid)
	}
	p, err := parseCursor(cursor)
	if err != nil {
		return err
	}
	if p.epoch != l.epoch {
		return nil
	}
	last, err := l.store.Last(who.Company, store.TableEvents)
	if err != nil {
		return err
	}
	if p.number > last {
		return ErrCursor
	}
	d := device{who.Company, who.User, who.Device}
	l.ackMu.Lock()
	defer l.ackMu.Unlock()
	if l.ackClosed {
		return ErrClosed
	}
	if n, ok := l.acks[d]; !ok || n < p.number {
		l.acks[d] = p.number
	}
	l.delivered(d, p.number)
	select {
	case l.acking <- struct{}{}:
	default:
	}
	return nil
}

// acked returns what a device has acknowledged.
func (l *Log) acked(who Listener) (number uint64, ok bool, err error) {
	if who.Device == "" {
		return 0, false, nil
	}
	d := device{who.Company, who.User, who.Device}
	// Memory comes first: what isn't there any more is durable, and found after that.
	pending, waits := l.pendingAck(d)
	number, ok, err = l.storedAck(d)
	if err != nil {
		return 0, false, err
	}
	return max(number, pending), ok || waits, nil
}

// pendingAck returns what a device has acknowledged that may not be durable.
func (l *Log) pendingAck(d device) (number uint64, ok bool) {
	l.ackMu.Lock()
	defer l.ackMu.Unlock()
	for _, m := range []map[device]uint64{l.acks, l.flushing} {
		if n, there := m[d]; there {
			number, ok = max(number, n), true
		}
	}
	return number, ok
}

func (l *Log) storedAck(d device) (number uint64, ok bool, err error) {
	key := d.key()
	value, ok, err := l.store.Get(d.company, store.TableEventState, key)
	if err != nil || !ok {
		return 0, false, err
	}
	s, err := ParseState(key, value)
	if err != nil || len(s.Body) != 8 {
		return 0, false, fmt.Errorf("what a device has acknowledged can't be read: %w", store.ErrCorrupt)
	}
	return binary.BigEndian.Uint64(s.Body), true, nil
}

// flushAcks makes durable what was acknowledged.
func (l *Log) flushAcks() {
	l.ackMu.Lock()
	l.flushing, l.acks = l.acks, make(map[device]uint64)
	list := l.flushing
	l.ackMu.Unlock()
	records := make(map[string][]store.Record)
	users := make(map[device]bool) // without a name: those with a device more
	for d, number := range list {
		before, known, err := l.storedAck(d)
		if err != nil && !errors.Is(err, store.ErrCorrupt) {
			l.o.Logger.Error("acknowledgement can't be kept", "company", d.company, "error", err)
			continue
		}
		if known && before >= number {
			continue
		}
		records[d.company] = append(records[d.company], l.ackRecord(d, number))
		if !known {
			users[device{company: d.company, user: d.user}] = true
		}
	}
	for company, r := range records {
		if err := l.put(company, r); err != nil {
			l.o.Logger.Error("acknowledgements can't be kept", "company", company, "error", err)
		}
	}
	for u := range users {
		if err := l.dropDevices(u); err != nil {
			l.o.Logger.Error("devices can't be forgotten", "company", u.company, "error", err)
		}
	}
	l.ackMu.Lock()
	l.flushing = nil
	l.ackMu.Unlock()
}

func (l *Log) ackRecord(d device, number uint64) store.Record {
	s := State{
		Kind: StateCursor, Key: d.key()[1:], Until: l.o.Now().Add(keepCursors * l.o.TTL),
		Body: binary.BigEndian.AppendUint64(nil, number),
	}
	return s.Record()
}

// dropDevices forgets the devices of a user that have been away for longest, if there are too many.
func (l *Log) dropDevices(user device) error {
	type place struct {
		key   []byte
		until time.Time
	}
	var list []place
	err := l.store.Scan(user.company, store.TableEventState, store.Range{Prefix: user.key()}, func(key, value []byte) error {
		p := place{key: bytes.Clone(key)}
		if s, err := ParseState(key, value); err == nil {
			p.until = s.Until
		}
		list = append(list, p)
		return nil
	})
	if err != nil || len(list) <= MaxDevices {
		return err
	}
	slices.SortFunc(list, func(a, b place) int { return a.until.Compare(b.until) })
	var records []store.Record
	for _, p := range list[:len(list)-MaxDevices] {
		records = append(records, store.Record{Table: store.TableEventState, Key: p.key})
	}
	return l.put(user.company, records)
}

// put writes records, in steps, and waits until they are durable.
func (l *Log) put(company string, list []store.Record) error {
	for len(list) > 0 {
		n := min(len(list), trimStep)
		done := make(chan error, 1)
		if err := l.store.Put(context.Background(), company, list[:n], nil, func(err error) { done <- err }); err != nil {
			return err
		}
		if err := <-done; err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}
