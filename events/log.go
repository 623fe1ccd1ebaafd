package events

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"concord/store"
)

var errNotYet = errors.New("not yet")

// Store keeps the log; a *store.Store is one.
type Store interface {
	StorageID() string
	Companies() ([]string, error)
	Last(company string, t store.Table) (uint64, error)
	Get(company string, t store.Table, key []byte) (value []byte, ok bool, err error)
	Scan(company string, t store.Table, part store.Range, fn func(key, value []byte) error) error
	Put(ctx context.Context, company string, records []store.Record, audit []store.AuditEntry, done func(error)) error
}

// Options tunes a Log. The zero value is usable.
type Options struct {
	// TTL is how long events are kept. Zero means 24 h.
	TTL time.Duration

	// Now is the clock by which events grow old. Nil means time.Now.
	Now func() time.Time

	// Logger gets what fails in the background. Nil means that nobody does.
	Logger *slog.Logger

	// Catalogue knows the types that can be published. Nil means the built-in ones.
	Catalogue *Catalogue

	// Memory is how many bytes of a company's newest events are kept at hand while anybody listens. Zero means 1 MiB.
	Memory int
}

// Log is the event log of all companies of a store. Its methods are safe for concurrent use.
type Log struct {
	store Store
	o     Options
}

// Open returns the log of a store, which has to call Numbered: see store.Options.OnNumbered.
func Open(s Store, o Options) (*Log, error) {
	return &Log{store: s, o: o}, nil
}

// Numbered tells the log what was committed. It doesn't block.
func (l *Log) Numbered(company string, t store.Table, first uint64, values [][]byte) {}

// Close ends all feeds, and returns when what was acknowledged is durable. The store must still be open.
func (l *Log) Close() {}

// Send tells those who listen at this moment. The event isn't kept: a listener who is slow gets the newest 64 of such
// events. An event that Record would refuse goes nowhere.
func (l *Log) Send(company string, e Event) {}

// Ack notes that a device has everything up to a cursor: where it starts next time, unless it says otherwise. It never
// goes back. It is durable within about a second, and after Close. The error is ErrCursor.
func (l *Log) Ack(ctx context.Context, who Listener, cursor string) error { return errNotYet }
