package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Options configures a Tracker. Only Store is needed.
type Options struct {
	Store Store
	// Typing is told of typing, in order. It must neither wait nor call the tracker.
	// nil = nobody is.
	Typing func(company string, t Typing)

	TTL    time.Duration // after which a silent connection doesn't count; 0 = 5 min
	Grace  time.Duration // without a connection until a user is offline; 0 = 10 s
	Expiry time.Duration // of typing that isn't repeated; 0 = 5 s

	Logger *slog.Logger // nil discards
}

func (o Options) withDefaults() Options {
	def := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.TTL, 5*time.Minute)
	def(&o.Grace, 10*time.Second)
	def(&o.Expiry, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Tracker knows who is present. It is safe for concurrent use.
type Tracker struct {
	o      Options
	start  time.Time // beats count from it
	wake   chan struct{}
	ctx    context.Context // ends with the tracker
	cancel context.CancelFunc
	loop   sync.WaitGroup

	mu        sync.Mutex // guards the following fields
	companies map[string]*company
	queue     queue
	changed   []*user // whose state may have to be told, each once
	keepAlive bool    // the alive records are due
	closed    bool
}

type company struct {
	name  string
	users map[string]*user
}

// New returns a tracker that takes those for online who were when the last one
// was closed, or killed. Close it to end its goroutine.
func New(o Options) (*Tracker, error) {
	if o.Store == nil || o.TTL < 0 || o.Grace < 0 || o.Expiry < 0 {
		return nil, errors.New("presence options: a store is needed, and times must not be negative")
	}
	t := &Tracker{
		o: o.withDefaults(), start: time.Now(), wake: make(chan struct{}, 1), companies: make(map[string]*company),
	}
	if err := t.load(); err != nil {
		return nil, fmt.Errorf("load presence: %w", err)
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	beat := &heartbeat{tracker: t}
	beat.alarm.owner = beat
	t.queue.set(&beat.alarm, t.start.Add(aliveInterval))
	t.loop.Go(t.run)
	return t, nil
}

// Close ends the tracker: nobody is told anything any more. It is to be called
// before the connections end, whose users are online for those who ask after a
// restart. It is idempotent.
func (t *Tracker) Close() {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.loop.Wait()
	if !closed {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		t.saveAlive(ctx)
	}
}

// closeTimeout is how long Close waits for its last write.
const closeTimeout = 5 * time.Second

// load takes over who was online.
func (t *Tracker) load() error {
	names, err := t.o.Store.Companies()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := t.loadCompany(name); err != nil {
			return fmt.Errorf("company %q: %w", name, err)
		}
	}
	return nil
}

func (t *Tracker) loadCompany(name string) error {
	online := make(map[string]state)
	var alive time.Time
	err := t.o.Store.Each(name, func(key string, value []byte) error {
		s, err := decode(value)
		switch {
		case err != nil:
			return err
		case key == aliveKey:
			alive = time.UnixMilli(s.LastSeen)
		case s.Online:
			online[key] = s
		}
		return nil
	})
	if err != nil {
		return err
	}
	for key, s := range online {
		u := t.user(name, key)
		u.online, u.told, u.ended, u.lastSeen = true, true, t.start, time.UnixMilli(s.LastSeen)
		if alive.After(u.lastSeen) {
			u.lastSeen = alive
		}
		t.queue.set(&u.alarm, t.start.Add(t.o.Grace))
	}
	return nil
}

// user returns what is known of a user, who may be new.
func (t *Tracker) user(companyName, name string) *user {
	c := t.companies[companyName]
	if c == nil {
		c = &company{name: companyName, users: make(map[string]*user)}
		t.companies[companyName] = c
	}
	u := c.users[name]
	if u == nil {
		u = &user{tracker: t, company: c, name: name}
		u.alarm.owner = u
		c.users[name] = u
	}
	return u
}

// set sets an alarm and wakes the goroutine when it would sleep too long.
func (t *Tracker) set(a *alarm, at time.Time) {
	if t.queue.set(a, at) {
		t.stir()
	}
}

func (t *Tracker) stir() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
