package main

import (
	"context"
	"log/slog"

	"concord/events"
	"concord/internal/config"
	"concord/internal/id"
	"concord/presence"
	"concord/store"
	"concord/sync/hub"
)

// openPresence returns a tracker of who is online, in the store.
func openPresence(cfg config.Serve, st *store.Store, typing func(string, presence.Typing), log *slog.Logger) (*presence.Tracker, error) {
	return presence.New(presence.Options{
		Store: presenceStore{st}, Typing: typing, TTL: cfg.PresenceTTL.Duration(), Grace: cfg.PresenceGrace, Expiry: cfg.TypingExpiry, Logger: log,
	})
}

// syncPresence tells a tracker of the peers of the hub.
type syncPresence struct{ tracker *presence.Tracker }

func (p syncPresence) Connect(s hub.Session, device string) hub.Visit {
	return p.tracker.Connect(s.Company, s.User, device)
}

// presenceStore keeps presence in the store, and tells it in the event log.
type presenceStore struct{ store *store.Store }

// ownerSize is the size of the document at the beginning of a value, which is none.
const ownerSize = id.DocumentIDSize

func (s presenceStore) Companies() ([]string, error) { return s.store.Companies() }

func (s presenceStore) Each(company string, fn func(key string, value []byte) error) error {
	return s.store.Scan(company, store.TablePresence, store.Range{}, func(key, value []byte) error {
		return fn(string(key), value[ownerSize:])
	})
}

func (s presenceStore) Get(company, key string) ([]byte, bool, error) {
	value, ok, err := s.store.Get(company, store.TablePresence, []byte(key))
	if err != nil || !ok {
		return nil, false, err
	}
	return value[ownerSize:], true, nil
}

func (s presenceStore) Put(ctx context.Context, company string, records []presence.Record, told []presence.Event, done func(error)) error {
	list := make([]store.Record, 0, len(records)+len(told))
	for _, r := range records {
		list = append(list, store.Record{
			Table: store.TablePresence, Key: []byte(r.Key), Value: append(make([]byte, ownerSize, ownerSize+len(r.Value)), r.Value...),
		})
	}
	for _, e := range told {
		r, err := events.Event{Type: e.Type, Room: events.CompanyRoom(company), Time: e.Time, From: e.User, Data: e.Data}.Record()
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	return s.store.Put(ctx, company, list, nil, done)
}
