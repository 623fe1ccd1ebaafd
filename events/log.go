package events

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"concord/store"
)

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

	gather time.Duration // of acknowledgements and receipts; zero means ackEvery
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	if o.TTL == 0 {
		o.TTL = 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.gather == 0 {
		o.gather = ackEvery
	}
	if o.Memory == 0 {
		o.Memory = 1 << 20
	}
	return o
}

func (o Options) validate() error {
	if o.TTL < 0 || o.TTL > maxTTL {
		return fmt.Errorf("TTL is %s, it must be above 0 and at most %s", o.TTL, maxTTL)
	}
	if o.Memory < 0 {
		return fmt.Errorf("memory is %d bytes, it must be at least 1", o.Memory)
	}
	return nil
}

const maxTTL = 10 * 365 * 24 * time.Hour

// Log is the event log of all companies of a store. Its methods are safe for concurrent use.
type Log struct {
	store     Store
	o         Options
	epoch     [epochSize]byte
	showEvery time.Duration // a feed returns a cursor so often

	mu        sync.RWMutex // guards the following fields, and company.feeds; taken before a company's
	companies map[string]*company
	trimmed   map[string]uint64 // by company, as far as this process has trimmed
	closed    bool

	ackMu     sync.Mutex // guards the following fields
	acks      map[device]uint64
	flushing  map[device]uint64 // on their way into the store
	ackClosed bool
	acking    chan struct{} // capacity 1

	deliveries deliveries

	watchMu sync.Mutex // guards watched
	watched map[ulid.ULID]*uint64

	trimFrom map[string][]byte // by company: where the state of events is looked at next; only for run

	quit      chan struct{} // closed by Close
	closeOnce sync.Once
	running   sync.WaitGroup
}

// Open returns the log of a store, which has to call Numbered: see store.Options.OnNumbered.
func Open(s Store, o Options) (*Log, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	epoch, err := epochOf(s.StorageID())
	if err == nil && o.Catalogue == nil {
		o.Catalogue, err = builtins()
	}
	if err != nil {
		return nil, fmt.Errorf("open event log: %w", err)
	}
	l := &Log{
		store: s, o: o, epoch: epoch, showEvery: max(o.TTL/24, 10*time.Millisecond),
		companies: make(map[string]*company), trimmed: make(map[string]uint64),
		acks: make(map[device]uint64), acking: make(chan struct{}, 1),
		deliveries: deliveries{handed: make(map[device][]handed), pending: make(map[receipt]time.Time)},
		watched:    make(map[ulid.ULID]*uint64), trimFrom: make(map[string][]byte), quit: make(chan struct{}),
	}
	l.running.Add(1)
	go l.run()
	return l, nil
}

// Close ends all feeds, and returns when what was acknowledged is durable. The store must still be open.
func (l *Log) Close() {
	l.closeOnce.Do(func() {
		l.mu.Lock()
		l.closed = true
		l.mu.Unlock()
		close(l.quit)
	})
	l.running.Wait()
}
