package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concord/events"
	"concord/internal/testkit/node"
	"concord/store"
)

const (
	eventCompany    = "acme"
	eventPublishers = 8
	// eventsPerCycle is how many events are acknowledged before a kill, on average.
	eventsPerCycle = 1500
	// ackDurable is when what devices have acknowledged is durable: some kills come after.
	ackDurable = 1200 * time.Millisecond
)

// TestCrashAmidEvents kills the server while events are published and handed out. What was answered is in the log once,
// and so is what was repeated because no answer came; each device has got all that is for it, in the order of the log,
// when it has come back for the last time.
func TestCrashAmidEvents(t *testing.T) {
	cycles := node.Setting(t, "CRASH_EVENT_CYCLES", 10)
	r := beginEvents(t, cycles)
	for cycle := range cycles {
		r.cycle()
		if (cycle+1)%progressEvery == 0 {
			fmt.Fprintf(os.Stderr, "crash: %d/%d kills in %v, %d events acknowledged\n", cycle+1, cycles,
				time.Since(r.begun).Round(time.Second), r.count.Load())
		}
	}
	for _, p := range r.publishers {
		p.repeat(r.api(p.user, "service"))
	}
	r.node.Stop()
	r.judge()
	r.checker.run()
	came, again := 0, 0
	for _, e := range r.ears {
		came, again = came+e.came, again+e.again
	}
	t.Logf("%d kills: %d acknowledged events, none missing, none twice; %d calls were repeated; %d came to devices, %d of them again; %d checks clean",
		cycles, r.count.Load(), r.repeated(), came, again, r.checker.runs)
	if again == 0 || r.repeated() == 0 {
		t.Error("no kill came amid deliveries or publications; the test shows nothing")
	}
}

type eventRun struct {
	*run
	publishers []*publisher
	ears       []*ear
	count      atomic.Int64 // acknowledged events
}

func beginEvents(t *testing.T, cycles int) *eventRun {
	t.Helper()
	r := &eventRun{run: begin(t, cycles, node.Options{Env: []string{"CONCORD_PUBLISH_RATE=0/0/0", "CONCORD_EVENT_RATE=0/0/0"}})}
	for i := range eventPublishers {
		own := rand.New(rand.NewPCG(r.rng.Uint64(), 6))
		r.publishers = append(r.publishers, &publisher{user: fmt.Sprint("publisher-", i), rng: own, count: &r.count, ids: make(map[string]string)})
	}
	for _, e := range []ear{
		{device: "socket with a cursor", user: "alice", socket: true, keeps: true},
		{device: "socket", user: "alice", socket: true, types: "stock:*"},
		{device: "poll with a cursor", user: "bob", keeps: true, types: "invoice:paid"},
		{device: "poll", user: "alice"},
	} {
		e.known = make(map[string]bool)
		r.ears = append(r.ears, &e)
		e.begin(r.api(e.user, "editor"))
	}
	r.node.Stop() // what was acknowledged is durable
	r.node.Run()
	return r
}

// cycle publishes and listens, and kills the node meanwhile.
func (r *eventRun) cycle() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	var all sync.WaitGroup
	for _, e := range r.ears {
		a := r.api(e.user, "editor")
		all.Go(func() { e.listen(ctx, a) })
	}
	for _, p := range r.publishers {
		a := r.api(p.user, "service")
		all.Go(func() { p.publish(a) })
	}
	moment := time.Duration(r.rng.IntN(3000)) * time.Microsecond
	if r.rng.IntN(4) == 0 {
		moment += ackDurable
	}
	killAt := r.count.Load() + r.rng.Int64N(2*eventsPerCycle)
	for deadline := time.Now().Add(syncTimeout); r.count.Load() < killAt && time.Now().Before(deadline); {
		time.Sleep(100 * time.Microsecond)
	}
	time.Sleep(moment)
	r.node.Kill()
	cancel()
	all.Wait()
	r.checker.maybe()
	r.restart()
	if r.t.Failed() {
		r.t.FailNow()
	}
}

func (r *eventRun) repeated() (n int) {
	for _, p := range r.publishers {
		n += p.repeated
	}
	return n
}

// judge compares what publishers and devices know with the log of the stopped node.
func (r *eventRun) judge() {
	r.t.Helper()
	s, err := store.OpenReadOnly(r.node.Data)
	if err != nil {
		r.t.Fatal(err)
	}
	var all []*events.Event
	refs, ids := make(map[string]int), make(map[string]int)
	err = s.Scan(eventCompany, store.TableEvents, store.Range{}, func(_, value []byte) error {
		e, err := events.Decode(bytes.Clone(value))
		if err != nil {
			return err
		}
		all = append(all, e)
		ids[e.ID]++
		var data struct{ Ref string }
		if json.Unmarshal(e.Data, &data) == nil && data.Ref != "" {
			refs[data.Ref]++
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		r.t.Fatal(err)
	}
	wrong := 0
	for _, p := range r.publishers {
		for ref, id := range p.ids {
			if (refs[ref] != 1 || ids[id] != 1) && wrong < 10 {
				wrong++
				r.t.Errorf("acknowledged event %s (%s) is in the log %d times, its data %d times", id, ref, ids[id], refs[ref])
			}
		}
		if p.pending != nil {
			r.t.Errorf("%s has a call that was never answered", p.user)
		}
	}
	r.node.Run()
	for _, e := range r.ears {
		e.judge(r.t, r.api(e.user, "editor"), all)
	}
	r.node.Stop()
}

// publisher publishes events, and repeats calls that weren't answered.
type publisher struct {
	user  string
	rng   *rand.Rand
	count *atomic.Int64

	calls    int
	pending  []publication // a call that was not answered
	repeated int
	ids      map[string]string // of acknowledged events, by their reference
}

type publication struct {
	Type string            `json:"type"`
	Room string            `json:"room"`
	Data map[string]string `json:"data"`
}

// publish makes calls until one isn't answered.
func (p *publisher) publish(a *eventAPI) {
	if !p.repeat(a) {
		return
	}
	rooms := []string{"user:alice", "user:bob", "company:" + eventCompany}
	types := []string{"invoice:paid", "stock:updated", "task:assigned"}
	for {
		p.calls++
		for i := range 1 + p.rng.IntN(10) {
			p.pending = append(p.pending, publication{
				types[p.rng.IntN(3)], rooms[p.rng.IntN(3)], map[string]string{"ref": fmt.Sprintf("%s/%d/%d", p.user, p.calls, i)},
			})
		}
		if !p.call(a) {
			return
		}
	}
}

// repeat makes a call again that wasn't answered.
func (p *publisher) repeat(a *eventAPI) bool {
	if p.pending == nil {
		return true
	}
	p.repeated++
	return p.call(a)
}

func (p *publisher) call(a *eventAPI) bool {
	var answer struct{ Events []struct{ ID, Cursor string } }
	if !a.call(context.Background(), http.MethodPost, "/v1/events", fmt.Sprintf("call %d", p.calls), map[string]any{"events": p.pending}, &answer) {
		return false
	}
	if len(answer.Events) != len(p.pending) {
		a.t.Errorf("%d events of %d were published", len(answer.Events), len(p.pending))
		return false
	}
	for i, e := range answer.Events {
		p.ids[p.pending[i].Data["ref"]] = e.ID
	}
	p.count.Add(int64(len(p.pending)))
	p.pending = nil
	return true
}

// ear is a device that listens.
type ear struct {
	device, user string
	socket       bool   // else it polls
	keeps        bool   // its cursor; else it relies on what it has acknowledged
	types        string // "" = all

	cursor string
	got    []string // IDs, in the order in which they came first
	known  map[string]bool
	came   int
	again  int
}

// told is a message of the server's.
type told struct {
	Type, Cursor string
	Recovered    bool
	Event        struct{ ID, Type string }
}

// take keeps what a message says.
func (e *ear) take(t *testing.T, m told) {
	switch m.Type {
	case "hello":
		if !m.Recovered {
			t.Errorf("%s isn't recovered", e.device)
		}
	case "event":
		if m.Cursor != "" {
			e.cursor = m.Cursor
		}
		if isPresence(m.Event.Type) {
			return
		}
		if e.came++; e.known[m.Event.ID] {
			e.again++
			return
		}
		e.known[m.Event.ID] = true
		e.got = append(e.got, m.Event.ID)
	case "cursor":
		e.cursor = m.Cursor
	default:
		t.Errorf("%s was told of %q", e.device, m.Type)
	}
}

// isPresence tells the events that devices cause by listening, also before others have their places.
func isPresence(name string) bool { return strings.HasPrefix(name, "user:") }

// begin gives the device its place.
func (e *ear) begin(a *eventAPI) {
	a.t.Helper()
	if !e.poll(context.Background(), a, 0) {
		a.t.Fatalf("%s can't begin", e.device)
	}
}

// listen hears events until the connection is gone.
func (e *ear) listen(ctx context.Context, a *eventAPI) {
	if e.socket {
		e.hear(ctx, a)
		return
	}
	for e.poll(ctx, a, 1) {
	}
}

// poll makes one call, and acknowledges what came.
func (e *ear) poll(ctx context.Context, a *eventAPI, wait int) bool {
	query := fmt.Sprintf("?limit=200&wait=%d&device=%s", wait, strings.ReplaceAll(e.device, " ", "+"))
	if e.types != "" {
		query += "&types=" + e.types
	}
	if e.keeps && e.cursor != "" {
		query += "&cursor=" + e.cursor
	}
	var answer struct {
		Cursor   string
		Messages []told
	}
	if !a.call(ctx, http.MethodGet, "/v1/events/poll"+query, "", nil, &answer) {
		return false
	}
	for _, m := range answer.Messages {
		e.take(a.t, m)
	}
	e.cursor = answer.Cursor
	return a.call(ctx, http.MethodPost, "/v1/events/ack", "", map[string]any{"device": e.device, "cursor": e.cursor}, nil)
}

// judge lets the device come back until it has what the log holds for it.
func (e *ear) judge(t *testing.T, a *eventAPI, all []*events.Event) {
	t.Helper()
	prefix, own := strings.TrimSuffix(e.types, "*"), []string{"user:" + e.user, "company:" + eventCompany}
	var want []string
	for _, event := range all {
		if strings.HasPrefix(event.Type, prefix) && !isPresence(event.Type) && slices.Contains(own, event.Room) {
			want = append(want, event.ID)
		}
	}
	for begin := time.Now(); len(e.got) < len(want) && time.Since(begin) < syncTimeout; {
		if !e.poll(t.Context(), a, 0) {
			t.Fatalf("%s can't come back", e.device)
		}
	}
	if !slices.Equal(e.got, want) {
		t.Errorf("%s got %d events, want the %d of the log in their order", e.device, len(e.got), len(want))
	}
}
