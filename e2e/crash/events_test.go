package crash

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concord/events"
	"concord/internal/testkit/node"
	"concord/store"
)

// eventChildEnv tells the test binary to be the process that is killed: it names the data folder.
const eventChildEnv = "CRASH_EVENT_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(eventChildEnv); dir != "" {
		eventChild(dir)
	}
	os.Exit(m.Run())
}

const (
	eventCompany    = "acme"
	eventPublishers = 8
	// eventsPerCycle is how many events are acknowledged before a kill, on average.
	eventsPerCycle = 1500
	// ackDurable is when what devices have acknowledged is durable: some kills come after.
	ackDurable = 1200 * time.Millisecond
)

// listeners are the devices: those whose names begin with "own" keep their cursors, the others rely on what they have
// acknowledged.
var listeners = []struct {
	device string
	start  events.Start
}{
	{"own-all", events.Start{}},
	{"own-paid", events.Start{Filter: []string{"invoice:paid"}}},
	{"acked-all", events.Start{}},
	{"acked-some", events.Start{Filter: []string{"stock:*"}}},
}

func listenerOf(device string) events.Listener {
	return events.Listener{Company: eventCompany, User: "alice", Device: device}
}

// TestCrashAmidEvents kills a process that publishes events and hands them out. What was acknowledged is in the log once,
// and each device has got all of it, in the order of the log, when it has come back.
func TestCrashAmidEvents(t *testing.T) {
	cycles := node.Setting(t, "CRASH_EVENT_CYCLES", 10)
	seed := uint64(node.Setting(t, "CRASH_SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("cycles %d, CRASH_SEED=%d", cycles, seed)
	r := &eventRun{
		t: t, rng: rand.New(rand.NewPCG(seed, 5)), dir: t.TempDir(), devices: make(map[string]*eventDevice), begun: time.Now(),
	}
	r.checker = checker{t: t, data: r.dir}
	r.open(func(_ *store.Store, l *events.Log) {
		for _, d := range listeners {
			_, joined, err := l.Join(t.Context(), listenerOf(d.device), d.start)
			if err == nil {
				err = l.Ack(t.Context(), listenerOf(d.device), joined.Cursor)
			}
			if err != nil {
				t.Fatal(err)
			}
			r.devices[d.device] = &eventDevice{cursor: joined.Cursor, known: make(map[string]bool)}
		}
	})
	for cycle := range cycles {
		r.cycle()
		r.checker.maybe()
		if (cycle+1)%progressEvery == 0 {
			fmt.Fprintf(os.Stderr, "crash: %d/%d kills in %v, %d events acknowledged\n", cycle+1, cycles,
				time.Since(r.begun).Round(time.Second), len(r.acked))
		}
	}
	r.open(r.judge)
	r.checker.run()
	t.Logf("%d kills: %d acknowledged events, none missing; %d came to devices, %d of them again; %d checks clean",
		cycles, len(r.acked), r.came, r.again, r.checker.runs)
	if r.again == 0 {
		t.Error("no event came again; no kill came amid deliveries")
	}
}

type eventRun struct {
	t       *testing.T
	rng     *rand.Rand
	dir     string
	checker checker
	begun   time.Time

	acked   []string // IDs
	devices map[string]*eventDevice
	came    int
	again   int
}

// eventDevice is what a device has kept.
type eventDevice struct {
	cursor string
	got    []string // IDs, in the order in which they came first
	known  map[string]bool
}

func (r *eventRun) take(d *eventDevice, ids ...string) {
	for _, id := range ids {
		if r.came++; d.known[id] {
			r.again++
			continue
		}
		d.known[id] = true
		d.got = append(d.got, id)
	}
}

// open calls fn with the store and its log, in this process.
func (r *eventRun) open(fn func(*store.Store, *events.Log)) {
	r.t.Helper()
	s, l, err := openEvents(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	fn(s, l)
	l.Close()
	if err := s.Close(); err != nil {
		r.t.Fatal(err)
	}
}

func openEvents(dir string) (*store.Store, *events.Log, error) {
	var l *events.Log
	s, err := store.Open(dir, store.Options{
		OnNumbered: func(company string, table store.Table, first uint64, values [][]byte) {
			l.Numbered(company, table, first, values) // nothing is written before l is there
		},
	})
	if err != nil {
		return nil, nil, err
	}
	if l, err = events.Open(s, events.Options{Memory: 64 << 10}); err != nil {
		return nil, nil, err
	}
	return s, l, nil
}

// cycle runs a process, notes what it says, and kills it.
func (r *eventRun) cycle() {
	r.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), eventChildEnv+"="+r.dir)
	cmd.Stderr = os.Stderr
	cursors := make(map[string]string)
	for name, d := range r.devices {
		if strings.HasPrefix(name, "own") {
			cursors[name] = d.cursor
		}
	}
	in, err := json.Marshal(cursors)
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	killAt, count := r.rng.IntN(2*eventsPerCycle), 0
	moment := time.Duration(r.rng.IntN(3000)) * time.Microsecond
	if r.rng.IntN(4) == 0 {
		moment += ackDurable
	}
	lines := bufio.NewReaderSize(out, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // what was cut off was never said
		}
		word := strings.Fields(line)
		switch word[0] {
		case "acked":
			r.acked = append(r.acked, word[1:]...)
			before := count
			if count += len(word) - 1; before <= killAt && count > killAt {
				time.AfterFunc(moment, func() { cmd.Process.Kill() })
			}
		case "got":
			d := r.devices[word[1]]
			d.cursor = word[2]
			r.take(d, word[3:]...)
		default:
			cmd.Process.Kill()
			r.t.Fatalf("child said %q", line)
		}
	}
	cmd.Wait()
}

// judge lets the devices come back a last time, and compares what they and the publishers know with the log.
func (r *eventRun) judge(s *store.Store, l *events.Log) {
	r.t.Helper()
	var all []*events.Event
	err := s.Scan(eventCompany, store.TableEvents, store.Range{}, func(_, value []byte) error {
		e, err := events.Decode(bytes.Clone(value))
		all = append(all, e)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	times := make(map[string]int)
	for _, e := range all {
		times[e.ID]++
	}
	missing := 0
	for _, id := range r.acked {
		if times[id] != 1 {
			missing++
			r.t.Errorf("acknowledged event %s is in the log %d times", id, times[id])
		}
		if missing > 10 {
			r.t.Fatal("and so on")
		}
	}
	for _, d := range listeners {
		r.judgeDevice(l, d.device, d.start, all)
	}
}

func (r *eventRun) judgeDevice(l *events.Log, name string, start events.Start, all []*events.Event) {
	var want []string
	for _, e := range all {
		prefix := ""
		if len(start.Filter) > 0 {
			prefix = strings.TrimSuffix(start.Filter[0], "*")
		}
		if strings.HasPrefix(e.Type, prefix) && (e.Room == "user:alice" || e.Room == "company:"+eventCompany) {
			want = append(want, e.ID)
		}
	}
	d := r.devices[name]
	if strings.HasPrefix(name, "own") {
		start.Cursor = d.cursor
	}
	f, joined, err := l.Join(r.t.Context(), listenerOf(name), start)
	if err != nil || !joined.Recovered {
		r.t.Fatalf("device %s: %+v, %v", name, joined, err)
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), syncTimeout)
	defer cancel()
	for len(d.got) < len(want) {
		b, err := f.Next(ctx, 1000)
		if err != nil {
			r.t.Fatalf("device %s got %d events of %d: %v", name, len(d.got), len(want), err)
		}
		for _, item := range b.Items {
			r.take(d, item.Event.ID)
		}
	}
	if !slices.Equal(d.got, want) {
		r.t.Errorf("device %s got %d events, and not in the order of the log, which has %d for it", name, len(d.got), len(want))
	}
}

// eventChild publishes events and listens to them, says what it knows, and never ends.
func eventChild(dir string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var cursors map[string]string
	in, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = json.Unmarshal(in, &cursors)
	}
	if err != nil {
		fail(err)
	}
	s, l, err := openEvents(dir)
	if err != nil {
		fail(err)
	}
	var mu sync.Mutex
	say := func(words ...string) {
		mu.Lock()
		defer mu.Unlock()
		os.Stdout.WriteString(strings.Join(words, " ") + "\n") // one write: a pipe keeps it when the process is killed
	}
	for _, d := range listeners {
		start := d.start
		start.Cursor = cursors[d.device]
		f, joined, err := l.Join(context.Background(), listenerOf(d.device), start)
		if err != nil || !joined.Recovered {
			fail(fmt.Errorf("join %s: %+v, %w", d.device, joined, err))
		}
		go func() {
			for {
				b, err := f.Next(context.Background(), 50)
				if err != nil {
					fail(err)
				}
				ids := []string{"got", d.device, b.Cursor}
				for _, item := range b.Items {
					ids = append(ids, item.Event.ID)
				}
				say(ids...)
				if err := l.Ack(context.Background(), listenerOf(d.device), b.Cursor); err != nil {
					fail(err)
				}
			}
		}()
	}
	for p := range eventPublishers {
		go func() {
			for n := 0; ; n++ {
				ids, err := publish(s, p, n)
				if err != nil {
					fail(err)
				}
				say(append([]string{"acked"}, ids...)...)
			}
		}()
	}
	select {}
}

// publish commits some events and returns their IDs.
func publish(s *store.Store, publisher, n int) (ids []string, err error) {
	rooms := []string{"user:alice", "user:bob", "company:" + eventCompany}
	types := []string{"invoice:paid", "stock:updated", "task:assigned"}
	var records []store.Record
	for i := range 1 + (n+publisher)%5 {
		now := time.Now()
		e := events.Event{
			ID: events.NewID(now), Type: types[(n+i)%3], Room: rooms[(n+publisher)%3], Time: now,
			Data: json.RawMessage(fmt.Sprintf(`{"publisher":%d,"n":%d,"i":%d}`, publisher, n, i)),
		}
		r, err := e.Record()
		if err != nil {
			return nil, err
		}
		ids, records = append(ids, e.ID), append(records, r)
	}
	done := make(chan error, 1)
	if err := s.Put(context.Background(), eventCompany, records, nil, func(err error) { done <- err }); err != nil {
		return nil, err
	}
	return ids, <-done
}
