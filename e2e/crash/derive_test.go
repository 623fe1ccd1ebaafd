package crash

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"concord/crdt"
	"concord/events"
	"concord/internal/client"
	"concord/internal/id"
	"concord/internal/testkit/node"
	"concord/store"
)

const deriveRules = `
types: [{name: test:status}, {name: test:low}]
events:
  - {name: status, type: invoice, field: /status, emit: test:status, room: company, data: {status: /status, level: /level}}
  - {name: low, type: invoice, becomes: "/level < /limit", emit: test:low, room: document, data: {level: /level}}
  - {name: all, type: invoice, on: [created, updated], emit: "document:*", room: company, data: {status: /status, level: /level, limit: /limit}}
`

// TestCrashAmidDerivedEvents kills a server that makes events of changes. After each kill its file has exactly the events
// that follow from the changes in it, and knows of each document whose last update isn't told yet.
func TestCrashAmidDerivedEvents(t *testing.T) {
	cycles := node.Setting(t, "CRASH_DERIVE_CYCLES", 8)
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(deriveRules), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &deriveRun{run: begin(t, cycles, node.Options{
		Args: []string{"--rules", file},
		Env:  []string{"CONCORD_SNAPSHOT_WORKERS=0"}, // the file keeps each change
	})}
	for cycle := range cycles {
		if cycle%cyclesPerSet == 0 {
			d.makeInvoices()
		}
		d.cycle()
		d.report(cycle+1, cycles)
	}
	deadline := time.Now().Add(syncTimeout)
	for time.Sleep(2 * time.Second); ; time.Sleep(time.Second) {
		d.node.Stop()
		if d.compareEvents(); d.waiting == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d updates are never told", d.waiting)
		}
		d.restart()
	}
	d.checker.run()
	t.Logf("%d kills: %d changes acknowledged, %d events and %d updates told; %d updates were pending when a node was killed",
		cycles, d.ledger.total(), d.events, d.updates, d.pending)
	if d.events == 0 || d.updates == 0 || d.pending == 0 {
		t.Error("hardly anything has happened; the test shows nothing")
	}
}

type deriveRun struct {
	*run
	events, updates int // in the file
	pending         int // all that were found after kills
	waiting         int // of these, in the file
}

// makeInvoices makes the documents that are edited from now on.
func (d *deriveRun) makeInvoices() {
	d.t.Helper()
	d.current = nil
	for range documents {
		var made struct{ ID id.DocumentID }
		content := map[string]any{"content": map[string]any{"level": 5}}
		ref := fmt.Sprint("/v1/documents/invoice/", len(d.all)+len(d.current))
		if _, err := d.admin(d.node).JSON(d.t.Context(), client.Request{Method: http.MethodPut, Path: ref}, content, &made); err != nil {
			d.t.Fatal(err)
		}
		d.current = append(d.current, made.ID)
	}
	d.all = append(d.all, d.current...)
}

func (d *deriveRun) cycle() {
	load := d.connect()
	d.verify(load)
	for w := range load.peers {
		own := rand.New(rand.NewPCG(d.rng.Uint64(), uint64(w)))
		load.owned.Go(func() { load.editInvoices(w, own) })
	}
	time.Sleep(time.Duration(d.rng.Int64N(int64(1500 * time.Millisecond)))) // some updates are told meanwhile
	d.node.Kill()
	load.stop()
	d.compareEvents()
	d.pending += d.waiting
	d.checker.maybe()
	d.restart()
}

// editInvoices makes changes of which events follow until the connection has gone.
func (l *load) editInvoices(w int, rng *rand.Rand) {
	for !l.stopped.Load() {
		select {
		case <-l.peers[w].Done():
			return
		default:
		}
		d := l.docs[w][rng.IntN(documents)]
		if d.Unacked() >= unackedWindow {
			time.Sleep(time.Millisecond)
			continue
		}
		var err error
		switch rng.IntN(4) {
		case 0:
			_, err = d.Set([]string{"level", "limit"}[rng.IntN(2)], crdt.IntValue(int64(rng.IntN(10))))
		case 1:
			_, err = d.Empty()
		default:
			_, err = d.Set("status", crdt.StringValue([]string{"draft", "sent", "paid"}[rng.IntN(3)]))
		}
		if err != nil {
			panic(err) // the client's own fault
		}
		l.sent.Add(1)
		time.Sleep(time.Duration(rng.IntN(8)) * time.Millisecond)
	}
}

// compareEvents holds the events in the file against the changes in it, while no node has it.
func (d *deriveRun) compareEvents() {
	d.t.Helper()
	s, err := store.OpenReadOnly(d.node.Data)
	if err != nil {
		d.t.Fatal(err)
	}
	defer s.Close()
	told, pending := map[id.DocumentID][]events.Event{}, map[id.DocumentID]bool{}
	err = s.Scan(eventCompany, store.TableEvents, store.Range{}, func(_, value []byte) error {
		e, err := events.Decode(slices.Clone(value))
		if err == nil && e.Type != "document:conflict" && e.Type != "conflict:resolved" {
			told[e.Document] = append(told[e.Document], *e)
		}
		return err
	})
	if err == nil {
		part := store.Range{Prefix: events.StateKeyOf(events.StatePending, nil)}
		err = s.Scan(eventCompany, store.TableEventState, part, func(key, value []byte) error {
			state, err := events.ParseState(key, value)
			pending[state.Document] = true
			return err
		})
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.events, d.updates, d.waiting = 0, 0, len(pending)
	for _, doc := range d.all {
		d.compareInvoice(s, doc, told[doc], pending[doc])
	}
}

type invoice struct {
	Status       string
	Level, Limit *float64
}

func (i invoice) low() bool { return i.Level != nil && i.Limit != nil && *i.Level < *i.Limit }

func (i invoice) String() string { b, _ := json.Marshal(i); return string(b) }

// compareInvoice replays the changes of a document.
func (d *deriveRun) compareInvoice(s *store.Store, doc id.DocumentID, told []events.Event, pending bool) {
	d.t.Helper()
	var want, got []string
	var now, known invoice // the latter as it was told last
	seen := map[string]bool{}
	for _, e := range told {
		var data invoice
		if err := json.Unmarshal(e.Data, &data); err != nil || seen[e.ID] {
			d.t.Fatalf("event %+v: %v, repeated: %t", e, err, seen[e.ID])
		}
		seen[e.ID] = true
		switch e.Type {
		case "document:created", "document:updated":
			known = data
			d.updates++
		default:
			got = append(got, fmt.Sprint(e.Type, " ", data))
		}
	}
	replay := crdt.New()
	key := store.DocKey{Company: eventCompany, Document: doc}
	info, _, err := s.Document(key)
	if err == nil {
		err = s.Changes(key, 0, info.Changes, func(_ uint64, stored store.Change) error {
			c, err := crdt.ParseChange(slices.Clone(stored.Bytes), crdt.Limits{})
			if err == nil {
				err = replay.Apply(c)
			}
			if err != nil {
				return err
			}
			before := now
			now = invoice{}
			if err := json.Unmarshal(replay.View().AppendJSON(nil, crdt.Root), &now); err != nil {
				return err
			}
			if now.Status != before.Status {
				want = append(want, fmt.Sprint("test:status ", invoice{Status: now.Status, Level: now.Level}))
			}
			if now.low() && !before.low() {
				want = append(want, fmt.Sprint("test:low ", invoice{Level: now.Level}))
			}
			return nil
		})
	}
	if err != nil {
		d.t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		d.t.Fatalf("document %v has the events\n%q\nits changes make\n%q", doc, got, want)
	}
	if known.String() != now.String() && !pending {
		d.t.Fatalf("document %v is %v, it was told that it is %v, and nothing is pending", doc, now, known)
	}
	d.events += len(got)
}
