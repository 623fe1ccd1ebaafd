package events

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"concord/internal/id"
	"concord/store"
)

// MaxSeen is how many events one call tells to have been read.
const MaxSeen = 1000

// Seen notes that a user has read events, on whichever device, and tells the user's devices by notification:read. It
// returns when that is durable. Events that the user can't have got, or has read before, are passed over. The errors are
// ErrInvalid, or the store's.
func (l *Log) Seen(ctx context.Context, who Listener, ids []string) error {
	if err := l.seen(ctx, who, ids); err != nil {
		return fmt.Errorf("note what was read: %w", err)
	}
	return nil
}

func (l *Log) seen(ctx context.Context, who Listener, ids []string) error {
	if err := who.validate(); err != nil {
		return err
	}
	if len(ids) == 0 || len(ids) > MaxSeen {
		return fmt.Errorf("there are %d events, 1 to %d are allowed: %w", len(ids), MaxSeen, ErrInvalid)
	}
	now := l.o.Now().Truncate(time.Millisecond).UTC()
	fresh := make(map[ulid.ULID]bool)
	var records []store.Record
	var wanted []receipt
	var names []string
	for _, text := range ids {
		event, err := ulid.ParseStrict(text)
		if err != nil {
			return fmt.Errorf("%q is no ID of an event: %w", clip(text), ErrInvalid)
		}
		x := receipt{who.Company, event, partRead, who.User, ""}
		r := x.record(now, now.Add(l.o.TTL))
		taken, told, err := l.mayRead(&who, x, r.Key, now)
		if err != nil {
			return err
		}
		if taken && !fresh[event] {
			fresh[event] = true
			records, names = append(records, r), append(names, event.String())
			if told {
				wanted = append(wanted, x)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	told, err := readEvent(who.User, names, now)
	if err != nil {
		return err
	}
	if err := l.commit(ctx, who.Company, append(records, told)); err != nil {
		return err
	}
	l.note(now, wanted...)
	return nil
}

// mayRead tells whether a reading is to be noted, and whether the publisher wants to know.
func (l *Log) mayRead(who *Listener, x receipt, key []byte, now time.Time) (taken, told bool, err error) {
	at := ulid.Time(x.event.Time())
	if at.After(now.Add(time.Minute)) || at.Before(now.Add(-keepCursors*l.o.TTL)) {
		return false, false, nil
	}
	if _, known, err := l.store.Get(who.Company, store.TableEventState, key); known || err != nil {
		return false, false, err
	}
	name, _, told, err := l.receiptHead(who.Company, x.event)
	if err != nil || !told {
		return err == nil, false, err
	}
	room, err := ParseRoom(name)
	if err != nil {
		return false, false, err
	}
	may := room.Name == who.User
	switch room.Kind {
	case KindCompany:
		may = true
	case KindDocument:
		doc, err := id.Parse(room.Name)
		may = err == nil && (who.MayOpen == nil || who.MayOpen(doc))
	}
	return may, may, nil
}

func readEvent(user string, ids []string, now time.Time) (store.Record, error) {
	data, err := json.Marshal(struct {
		User string   `json:"user"`
		IDs  []string `json:"ids"`
	}{user, ids})
	if err != nil {
		return store.Record{}, err
	}
	return Event{Type: typeRead, Room: UserRoom(user), Time: now, From: user, Data: data}.Record()
}

// commit writes records as one, and waits until they are durable.
func (l *Log) commit(ctx context.Context, company string, records []store.Record) error {
	done := make(chan error, 1)
	if err := l.store.Put(ctx, company, records, nil, func(err error) { done <- err }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
