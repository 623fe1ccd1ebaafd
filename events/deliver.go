package events

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"concord/store"
)

const (
	// maxHanded is how many events with receipts wait for a device's acknowledgement; those of all devices are at most
	// maxHandedAll.
	maxHanded    = 1000
	maxHandedAll = 100_000

	// maxTold is how many bytes of receipts one notification tells.
	maxTold = 48 << 10
)

// deliveries are what devices were handed out and have yet to acknowledge, and the receipts that are to be stored and told.
type deliveries struct {
	mu      sync.Mutex // guards the following fields
	handed  map[device][]handed
	count   int // of all devices
	pending map[receipt]time.Time
}

// handed is an event with receipts that a device was handed out.
type handed struct {
	number uint64
	event  ulid.ULID
}

// handOut notes that a device gets an event.
func (l *Log) handOut(who *Listener, number uint64, value []byte) {
	d := device{who.Company, who.User, who.Device}
	h := handed{number, ulid.ULID(valueID(value))}
	l.deliveries.mu.Lock()
	defer l.deliveries.mu.Unlock()
	list := l.deliveries.handed[d]
	if slices.Contains(list, h) {
		return
	}
	if len(list) == maxHanded {
		list = append(list[:0], list[1:]...)
		l.deliveries.count--
	}
	l.deliveries.handed[d] = append(list, h)
	for other := range l.deliveries.handed {
		if l.deliveries.count < maxHandedAll {
			break
		}
		if other != d {
			l.deliveries.forget(other)
		}
	}
	l.deliveries.count++
}

// forget is called with the lock held.
func (s *deliveries) forget(d device) {
	s.count -= len(s.handed[d])
	delete(s.handed, d)
}

// forgetBefore takes away what was handed out of events before a time, as they are gone.
func (s *deliveries) forgetBefore(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d, list := range s.handed {
		s.forget(d)
		list = slices.DeleteFunc(list, func(h handed) bool { return ulid.Time(h.event.Time()).Before(t) })
		if len(list) > 0 {
			s.handed[d] = list
			s.count += len(list)
		}
	}
}

// delivered notes that a device has acknowledged what it was handed out.
func (l *Log) delivered(d device, upTo uint64) {
	now := l.o.Now()
	l.deliveries.mu.Lock()
	defer l.deliveries.mu.Unlock()
	list := l.deliveries.handed[d]
	if len(list) == 0 {
		return
	}
	l.deliveries.forget(d)
	var left []handed
	for _, h := range list {
		if h.number > upTo {
			left = append(left, h)
			continue
		}
		l.deliveries.pending[receipt{d.company, h.event, partDelivered, d.user, d.name}] = now
	}
	if len(left) > 0 {
		l.deliveries.handed[d] = left
		l.deliveries.count += len(left)
	}
}

// note has receipts told to publishers, at the next flush.
func (l *Log) note(at time.Time, list ...receipt) {
	l.deliveries.mu.Lock()
	for _, x := range list {
		l.deliveries.pending[x] = at
	}
	l.deliveries.mu.Unlock()
	if len(list) > 0 {
		select {
		case l.acking <- struct{}{}:
		default:
		}
	}
}

// recall notes what a device says that it was handed out, by its cursor, and hasn't acknowledged: before a restart, maybe.
func (f *Feed) recall(cursor string) error {
	p, err := parseCursor(cursor)
	if err != nil || p.epoch != f.log.epoch {
		return err
	}
	acked, known, err := f.log.acked(f.who)
	if errors.Is(err, store.ErrCorrupt) {
		return nil
	}
	if !known || err != nil {
		return err
	}
	upTo := p.number
	f.company.mu.Lock()
	rooms := make(map[string]uint64, len(f.rooms))
	for name := range f.rooms {
		rooms[name] = 0
	}
	f.company.mu.Unlock()
	from := max(acked, upTo-min(upTo, readRecords))
	if from >= upTo {
		return nil
	}
	part := store.Range{From: numberKey(from + 1), To: numberKey(upTo + 1)}
	return f.log.store.Scan(f.company.name, store.TableEvents, part, func(key, value []byte) error {
		h, ok := parseHeader(value)
		number := binary.BigEndian.Uint64(key)
		if ok && h.receipts && wants(rooms, f.filter, &h, number) && f.mayGet(&h) {
			f.log.handOut(&f.who, number, value)
		}
		return nil
	})
}

// flushReceipts stores receipts and tells them to the publishers.
func (l *Log) flushReceipts() {
	type key struct {
		company string
		event   ulid.ULID
	}
	l.deliveries.mu.Lock()
	pending := l.deliveries.pending
	l.deliveries.pending = make(map[receipt]time.Time)
	l.deliveries.mu.Unlock()
	grouped := make(map[key][]receipt)
	for x := range pending {
		k := key{x.company, x.event}
		grouped[k] = append(grouped[k], x)
	}
	records := make(map[string][]store.Record)
	for k, list := range grouped {
		r, err := l.receiptRecords(k.company, k.event, list, pending)
		if err != nil {
			l.o.Logger.Error("receipts can't be kept", "company", k.company, "error", err)
			continue
		}
		records[k.company] = append(records[k.company], r...)
	}
	for company, r := range records {
		if err := l.put(company, r); err != nil {
			l.o.Logger.Error("receipts can't be kept", "company", company, "error", err)
		}
	}
}

// receiptRecords returns what stores the receipts of an event, those that are new, and tells them.
func (l *Log) receiptRecords(company string, event ulid.ULID, list []receipt, at map[receipt]time.Time) ([]store.Record, error) {
	_, publisher, ok, err := l.receiptHead(company, event)
	if err != nil || !ok {
		return nil, err
	}
	slices.SortFunc(list, func(a, b receipt) int {
		return strings.Compare(a.user+"\x00"+a.device, b.user+"\x00"+b.device)
	})
	now := l.o.Now()
	var records []store.Record
	told := receiptData{Event: event.String(), Delivered: []Delivery{}, Read: []Reading{}}
	size := 0
	for _, x := range list {
		when := at[x].Truncate(time.Millisecond).UTC()
		if x.part == partDelivered {
			fresh, err := l.isFresh(&x)
			if err != nil {
				return nil, err
			}
			if !fresh {
				continue
			}
			records = append(records, x.record(when, now.Add(l.o.TTL)))
		}
		size += len(appendString(appendString(nil, x.user), x.device)) + 64
		switch {
		case size > maxTold:
			told.More++
		case x.part == partDelivered:
			told.Delivered = append(told.Delivered, Delivery{x.user, x.device, when})
		default:
			told.Read = append(told.Read, Reading{x.user, when})
		}
	}
	if len(told.Delivered)+len(told.Read) == 0 {
		return records, nil
	}
	data, err := json.Marshal(told)
	if err != nil {
		return nil, err
	}
	r, err := Event{Type: typeReceipt, Room: UserRoom(publisher), Time: now, Data: data}.Record()
	return append(records, r), err
}

// receiptData is what notification:receipt tells.
type receiptData struct {
	Event     string     `json:"event"`
	Delivered []Delivery `json:"delivered"`
	Read      []Reading  `json:"read"`
	More      int        `json:"more,omitempty"`
}

// isFresh tells whether a delivery isn't stored, and the user hasn't too many devices that have the event.
func (l *Log) isFresh(x *receipt) (bool, error) {
	own := x.record(time.Time{}, time.Time{}).Key
	part := store.Range{Prefix: own[:len(own)-len(x.device)]}
	fresh, count := true, 0
	err := l.store.Scan(x.company, store.TableEventState, part, func(key, _ []byte) error {
		count++
		if fresh = string(key) != string(own) && count < MaxDevices; !fresh {
			return store.ErrStop
		}
		return nil
	})
	return fresh, err
}
