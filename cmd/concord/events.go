package main

import (
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"concord/conflict"
	"concord/events"
	"concord/internal/api"
	"concord/internal/config"
	"concord/internal/limit"
	"concord/presence"
	"concord/store"
)

// numbered tells the event log of what the store commits, as soon as there is a log.
type numbered struct{ log atomic.Pointer[events.Log] }

func (n *numbered) tell(company string, t store.Table, first uint64, values [][]byte) {
	if log := n.log.Load(); log != nil {
		log.Numbered(company, t, first, values)
	}
}

// forget tells it of a document that was purged.
func (n *numbered) forget(d store.DocKey) {
	if log := n.log.Load(); log != nil {
		log.Forget(d.Company, d.Document)
	}
}

// verifyTables returns what checks the records of other packages in a store.
func verifyTables() map[store.Table]func(company string, key, value []byte) error {
	all := conflict.Verify()
	all[store.TableEvents] = events.Check
	return all
}

// openEvents returns the event log of a store that tells n.
func openEvents(cfg config.Serve, st *store.Store, n *numbered, catalogue *events.Catalogue, log *slog.Logger) (*events.Log, error) {
	l, err := events.Open(st, events.Options{TTL: cfg.EventTTL.Duration(), Catalogue: catalogue, Logger: log})
	if err != nil {
		return nil, err
	}
	n.log.Store(l)
	return l, nil
}

func eventLimits(cfg config.Serve) api.EventLimits {
	return api.EventLimits{
		Messages:  limit.New("messages", limit.Rates(cfg.EventRate)),
		Publishes: limit.New("published events", limit.Rates(cfg.PublishRate)),
		Typing:    limit.New("typing messages", limit.Rates(cfg.TypingRate)),
	}
}

// tellTyping returns what tells those in a document's room who types there.
func tellTyping(log *events.Log) func(company string, t presence.Typing) {
	return func(company string, t presence.Typing) {
		data, err := json.Marshal(t)
		if err != nil {
			return // texts and a flag never fail
		}
		log.Send(company, events.Event{
			Type: "user:typing", Room: events.DocumentRoom(t.Document), Time: time.Now(), From: t.User, Data: data, Document: t.Document,
		})
	}
}
