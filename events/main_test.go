package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"concord/internal/id"
	"concord/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testTime = time.UnixMilli(1_700_000_000_000).UTC()

// clock is one that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// node is a store with its log.
type node struct {
	t     testing.TB
	dir   string
	clock *clock
	o     Options
	store *store.Store
	log   *Log
}

func start(t testing.TB, o Options) *node {
	t.Helper()
	n := &node{t: t, dir: t.TempDir(), clock: &clock{now: testTime}, o: o}
	n.open()
	t.Cleanup(func() {
		n.close()
		n.check()
	})
	return n
}

func (n *node) open() {
	n.t.Helper()
	var log atomic.Pointer[Log]
	s, err := store.Open(n.dir, store.Options{
		OnNumbered: func(company string, table store.Table, first uint64, values [][]byte) {
			if l := log.Load(); l != nil {
				l.Numbered(company, table, first, values)
			}
		},
		OnPurged: func(d store.DocKey) {
			if l := log.Load(); l != nil {
				l.Forget(d.Company, d.Document)
			}
		},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.store = s
	n.log = n.openOn(s)
	log.Store(n.log)
}

func (n *node) openOn(s Store) *Log {
	n.t.Helper()
	o := n.o
	if o.Now == nil {
		o.Now = n.clock.Now
	}
	l, err := Open(s, o)
	if err != nil {
		n.t.Fatal(err)
	}
	return l
}

func (n *node) close() {
	n.log.Close()
	if err := n.store.Close(); err != nil {
		n.t.Error(err)
	}
}

func (n *node) reopen() {
	n.t.Helper()
	n.close()
	n.open()
}

func (n *node) check() {
	tables := map[store.Table]func(string, []byte, []byte) error{store.TableEvents: Check}
	r, err := store.Check(context.Background(), n.dir, store.CheckOptions{Tables: tables})
	if err != nil {
		n.t.Error(err)
	}
	for _, f := range r.Faults {
		n.t.Errorf("fault: %v", f)
	}
}

// put commits events in one write.
func (n *node) put(company string, list ...Event) {
	n.t.Helper()
	if err := n.tryPut(company, list...); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) tryPut(company string, list ...Event) error {
	var records []store.Record
	for _, e := range list {
		r, err := e.Record()
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	done := make(chan error, 1)
	if err := n.store.Put(context.Background(), company, records, nil, func(err error) { done <- err }); err != nil {
		return err
	}
	return <-done
}

// event makes one of the type "test:event" whose data is a text.
func (n *node) event(room, text string) Event {
	data, err := json.Marshal(text)
	if err != nil {
		n.t.Fatal(err)
	}
	return Event{Type: "test:event", Room: room, Time: n.clock.Now(), Data: data}
}

// tell commits events to a room, each in its own write.
func (n *node) tell(company, room string, texts ...string) {
	n.t.Helper()
	for _, text := range texts {
		n.put(company, n.event(room, text))
	}
}

func (n *node) join(who Listener, s Start) (*Feed, Joined) {
	n.t.Helper()
	f, joined, err := n.log.Join(n.t.Context(), who, s)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(f.Close)
	return f, joined
}

// expect reads from a feed the events with these texts, in this order, and returns the latest cursor.
func (n *node) expect(f *Feed, texts ...string) (cursor string) {
	n.t.Helper()
	for len(texts) > 0 {
		b, err := f.Next(n.t.Context(), 3)
		if err != nil {
			n.t.Fatal(err)
		}
		if b.Gap {
			n.t.Fatalf("there is a gap before %q", texts)
		}
		cursor = b.Cursor
		for _, item := range b.Items {
			if got := textOf(n.t, item); len(texts) == 0 || got != texts[0] {
				n.t.Fatalf("got event %q, want %q", got, texts)
			}
			texts = texts[1:]
		}
	}
	return cursor
}

func textOf(t testing.TB, item Item) (text string) {
	t.Helper()
	var e Event
	if err := json.Unmarshal(item.JSON, &e); err != nil {
		t.Fatalf("event %s: %v", item.JSON, err)
	}
	if err := json.Unmarshal(e.Data, &text); err != nil {
		t.Fatalf("event %s: %v", item.JSON, err)
	}
	return text
}

// silent tells that a feed has nothing to hand out.
func (n *node) silent(f *Feed) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 20*time.Millisecond)
	defer cancel()
	for {
		b, err := f.Next(ctx, 10)
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		if err != nil || len(b.Items) > 0 || b.Gap {
			n.t.Fatalf("feed that should be silent: %+v, %v", b, err)
		}
	}
}

func doc(n byte) id.DocumentID { return id.DocumentID{n, 15: n} }

func numbered(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

var alice = Listener{Company: "acme", User: "alice", Device: "phone"}
