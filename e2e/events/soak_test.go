package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/sync/wire"
)

// maxGrowth is how much memory the node may take more at the end than after the warm-up.
const maxGrowth = 50 << 20

// TestSoak has many connections of many companies speak at once for a while: SOAK_CONNECTIONS over SOAK_COMPANIES for
// SOAK_SECONDS. Everything of a company holds its canary, which must turn up with nobody else, and not in logs and
// metrics. Every event arrives everywhere, once. How long that took is printed.
func TestSoak(t *testing.T) {
	connections, companies := node.Setting(t, "SOAK_CONNECTIONS", 100), node.Setting(t, "SOAK_COMPANIES", 10)
	duration := time.Duration(node.Setting(t, "SOAK_SECONDS", 15)) * time.Second
	seed := uint64(node.Setting(t, "SOAK_SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("%d connections of %d companies for %v, SOAK_SEED=%d", connections, companies, duration, seed)
	s := &soak{t: t, node: node.Start(t, node.Options{Args: []string{"--log-level", "debug"}}), rng: rand.New(rand.NewPCG(seed, 0))}
	before := s.node.Metric("go_goroutines")
	for i := range companies {
		s.companies = append(s.companies, s.found(i))
	}
	for i := range connections {
		s.connect(s.companies[i%companies], i/companies)
	}
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var working sync.WaitGroup
	for _, c := range s.companies {
		working.Go(func() { c.publish(ctx) })
		working.Go(func() { c.edit(ctx) })
		working.Go(func() { c.read(ctx) })
	}
	warm := s.memoryAfter(ctx, duration/5)
	working.Wait()
	growth := s.memoryAfter(t.Context(), 0) - warm
	s.arrived()
	s.report(warm, growth)
	if growth > maxGrowth {
		t.Errorf("the node takes %d MB more than after the warm-up", growth>>20)
	}
	s.searchLogs()
	s.leave(before)
}

// soak is one run.
type soak struct {
	t         *testing.T
	node      *node.Node
	rng       *rand.Rand
	companies []*party
	delays    delays
	received  atomic.Int64
	changes   atomic.Int64
}

// party is a company.
type party struct {
	soak      *soak
	name      string
	canary    string
	document  id.DocumentID
	devices   []*device
	peers     []*peer.Peer
	documents []*peer.Document

	mu        sync.Mutex // guards the following field
	published []string   // IDs of events
}

// found makes a company with a document.
func (s *soak) found(i int) *party {
	s.t.Helper()
	c := &party{soak: s, name: fmt.Sprintf("company-%d", i), canary: fmt.Sprintf("canary%016x", s.rng.Uint64()), document: peer.NewDocumentID()}
	body := fmt.Sprintf(`{"content":{"name":%q,"total":1}}`, c.canary)
	if err := c.ask(s.t.Context(), http.MethodPut, "/v1/documents/invoice/"+c.canary, body); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// connect opens one more connection of a company: of each ten, five WebSockets, one stream and one poll for events, and
// three peers that sync.
func (s *soak) connect(c *party, n int) {
	s.t.Helper()
	claims := node.Claims{Sub: fmt.Sprintf("user-%d", n), Company: c.name}
	via := ""
	switch n % 10 {
	case 1:
		via = viaStream
	case 3:
		via = viaPoll
	case 0, 4, 6, 7, 9:
		via = viaSocket
	}
	if via != "" {
		d := &device{name: fmt.Sprintf("%s-%d", c.canary, n), claims: claims, via: via, rooms: []string{"document:" + c.document.String()}}
		d.onBytes = c.search
		d.onEvent = func(e happening) { c.take(d, e) }
		d.listen(s.t, s.node)
		c.devices = append(c.devices, d)
		return
	}
	p, err := peer.Dial(s.t.Context(), peer.Options{
		URL: s.node.SyncURL(), Token: s.node.Token(claims), StorageID: fmt.Sprintf("%s-%d", c.canary, n),
		OnChange: func(*peer.Document, crdt.Hash) { s.changes.Add(1) },
		OnFrame: func(m wire.Message) {
			if m, ok := m.(wire.Sync); ok {
				c.search(m.Data)
			}
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Drop)
	c.peers = append(c.peers, p)
	if len(c.documents) == 0 {
		c.documents = append(c.documents, p.Create(c.document))
		if _, err := c.documents[0].Set("first", crdt.StringValue(c.canary)); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	c.documents = append(c.documents, p.Open(c.document))
}

var canaries = regexp.MustCompile(`canary[0-9a-f]{16}`)

// search looks for canaries of others in what has come to a company.
func (c *party) search(b []byte) {
	if !bytes.Contains(b, []byte("canary")) {
		return
	}
	for _, found := range canaries.FindAll(b, -1) {
		if string(found) != c.canary {
			c.soak.t.Errorf("%s was told %s: %.500q", c.name, found, b)
		}
	}
}

// take notes an event, and now and then says something.
func (c *party) take(d *device, e happening) {
	d.mu.Lock()
	d.heard = append(d.heard, happening{ID: e.ID})
	n := len(d.heard)
	d.mu.Unlock()
	c.soak.received.Add(1)
	var data struct{ Number int64 }
	if e.Type == "invoice:paid" && json.Unmarshal(e.Data, &data) == nil {
		c.soak.delays.add(time.Since(time.Unix(0, data.Number)))
	}
	if d.via != viaSocket || n%10 > 0 || e.cursor == "" {
		return
	}
	for _, m := range []map[string]any{
		{"type": "ack", "cursor": e.cursor}, {"type": "read", "ids": []string{e.ID}}, {"type": "ping", "id": c.canary},
		{"type": "view", "documents": []string{c.document.String()}},
		{"type": "typing", "document": c.document.String(), "field": c.canary, "active": n%20 > 0},
	} {
		if err := d.say(m); err != nil {
			return // the reader tells
		}
	}
}

// pause waits about so long; false at the end.
func (c *party) pause(ctx context.Context, about time.Duration) bool {
	select {
	case <-time.After(about/2 + rand.N(about)):
		return true
	case <-ctx.Done():
		return false
	}
}

// publish publishes two events a second.
func (c *party) publish(ctx context.Context) {
	for c.pause(ctx, 500*time.Millisecond) {
		body := fmt.Sprintf(`{"events":[{"type":"invoice:paid","room":"company:%s","data":{"ref":%q,"number":%d}}]}`, c.name, c.canary, time.Now().UnixNano())
		var answer struct{ Events []struct{ ID string } }
		if !c.askFor(http.MethodPost, "/v1/events", body, &answer) {
			return
		}
		c.mu.Lock()
		c.published = append(c.published, answer.Events[0].ID)
		c.mu.Unlock()
	}
}

// edit changes the document from one device after the other.
func (c *party) edit(ctx context.Context) {
	for i := 0; len(c.documents) > 0 && c.pause(ctx, 500*time.Millisecond); i++ {
		if _, err := c.documents[i%len(c.documents)].Set(fmt.Sprint("key", i%50), crdt.StringValue(c.canary+fmt.Sprint(i))); err != nil {
			c.soak.t.Error(err)
			return
		}
	}
}

// read makes calls of all kinds.
func (c *party) read(ctx context.Context) {
	paths := []string{"/v1/presence", "/v1/documents", "/v1/conflicts", "/v1/presence?document=" + c.document.String(), "/v1/documents/" + c.document.String() + "/receipts",
		"/v1/documents/" + c.document.String() + "/history", "/v1/audit", "/v1/events/schema", "/v1/events/poll?wait=0"}
	for i := 0; c.pause(ctx, 2*time.Second); i++ {
		if !c.askFor(http.MethodGet, paths[i%len(paths)], "", nil) {
			return
		}
	}
}

func (c *party) token() string {
	return c.soak.node.Token(node.Claims{Sub: "backend", Company: c.name, Role: "admin"})
}

func (c *party) ask(ctx context.Context, method, path, body string) error {
	res, err := call(ctx, c.soak.node, c.token(), method, path, body, nil)
	if err == nil {
		err = res.Body.Close()
	}
	return err
}

// askFor makes a call and searches the answer; what is under way ends also when the time is over.
func (c *party) askFor(method, path, body string, answer any) bool {
	res, err := call(context.Background(), c.soak.node, c.token(), method, path, body, nil)
	if err != nil {
		c.soak.t.Error(err)
		return false
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	c.search(b)
	if err == nil && answer != nil {
		err = json.Unmarshal(b, answer)
	}
	if err != nil {
		c.soak.t.Error(err)
	}
	return err == nil
}

// delays gathers how long events took to arrive.
type delays struct {
	mu   sync.Mutex // guards the following field
	list []time.Duration
}

func (d *delays) add(v time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, v)
}

// part returns the delay that a part of all events stayed below.
func (d *delays) part(part float64) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.list)
	if len(d.list) == 0 {
		return 0
	}
	return d.list[min(int(part*float64(len(d.list))), len(d.list)-1)]
}

// memoryAfter returns the node's memory in bytes, after a while: the least of some moments, between collections. Pages of
// its file, which the system takes back when it needs them, don't count.
func (s *soak) memoryAfter(ctx context.Context, wait time.Duration) int64 {
	s.t.Helper()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	least := int64(1 << 62)
	for range 10 {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.node.PID()))
		if err != nil {
			s.t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), "RssAnon:")
		kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		least = min(least, kb<<10)
		time.Sleep(100 * time.Millisecond)
	}
	return least
}

// arrived waits until every event is everywhere, and demands that it is there once.
func (s *soak) arrived() {
	s.t.Helper()
	for _, c := range s.companies {
		for _, d := range c.devices {
			var last string
			if len(c.published) > 0 {
				last = c.published[len(c.published)-1]
			}
			for deadline := time.Now().Add(patience); last != "" && !d.has(last) && time.Now().Before(deadline) && d.end() == nil; {
				time.Sleep(10 * time.Millisecond)
			}
			if err := d.end(); err != nil {
				s.t.Errorf("%s: %v", c.name, err)
			}
			times := make(map[string]int)
			for _, e := range d.all() {
				if times[e.ID]++; times[e.ID] == 2 {
					s.t.Errorf("%s, %s: %s came twice", c.name, d.claims.Sub, e.ID)
				}
			}
			for _, want := range c.published {
				if times[want] == 0 {
					s.t.Errorf("%s, %s by %s: %s is missing", c.name, d.claims.Sub, d.via, want)
				}
			}
		}
		for _, p := range c.peers {
			if err := p.Err(); err != nil {
				s.t.Errorf("%s: a peer has ended: %v", c.name, err)
			}
		}
	}
}

func (s *soak) report(warm, growth int64) {
	published := 0
	for _, c := range s.companies {
		published += len(c.published)
	}
	s.t.Logf("%d events published, %d heard, %d changes synced; publish → receive: p50 %v, p99 %v, most %v; memory %d MB, grown by %d KB",
		published, s.received.Load(), s.changes.Load(), s.delays.part(0.5), s.delays.part(0.99), s.delays.part(1), warm>>20, growth>>10)
	if published == 0 || s.received.Load() == 0 || s.changes.Load() == 0 {
		s.t.Error("nothing was going on")
	}
}

// searchLogs looks for canaries where nothing of a company's content is to be.
func (s *soak) searchLogs() {
	s.t.Helper()
	res, err := http.Get(s.node.URL("/metrics"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if found := canaries.Find(b); found != nil {
		s.t.Errorf("the metrics hold %s", found)
	}
	lines := s.node.Logs()
	for _, line := range lines {
		if canaries.MatchString(line) {
			s.t.Errorf("the log holds %s", line)
		}
	}
	if len(lines) < len(s.companies) {
		s.t.Errorf("the log has %d lines", len(lines))
	}
}

// leave ends all connections, and demands that nothing of them is left in the node, which is then checked.
func (s *soak) leave(before float64) {
	s.t.Helper()
	for _, c := range s.companies {
		for _, d := range c.devices {
			d.stop()
		}
		for _, p := range c.peers {
			p.Drop()
		}
	}
	httpClient.CloseIdleConnections()
	const spare = 10 // of the calls that look
	for deadline := time.Now().Add(patience); s.node.Metric("go_goroutines") > before+spare; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%v goroutines, %v at the beginning", s.node.Metric("go_goroutines"), before)
		}
	}
	s.node.Stop()
	s.node.Check()
}
