package hub

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
	"concord/internal/limit"
	"concord/sync/wire"
)

// guestBook is a Presence that notes what it is told.
type guestBook struct {
	mu    sync.Mutex // guards the following fields
	lines []string
	beats map[string]int
}

func (g *guestBook) note(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lines = append(g.lines, fmt.Sprintf(format, args...))
}

func (g *guestBook) beatsOf(device string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.beats[device]
}

// expect waits until the book has so many lines, and compares them.
func (g *guestBook) expect(t *testing.T, lines ...string) {
	t.Helper()
	var got []string
	waitFor(t, "the lines "+strings.Join(lines, ", "), func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		got = slices.Clone(g.lines)
		return len(got) >= len(lines)
	})
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Fatalf("what presence was told (-want +got):\n%s", diff)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lines = nil
}

func (g *guestBook) Connect(s Session, device string) Visit {
	g.note("%s/%s comes with %s", s.Company, s.User, device)
	return guest{g, device}
}

type guest struct {
	book   *guestBook
	device string
}

func (v guest) Beat() {
	v.book.mu.Lock()
	defer v.book.mu.Unlock()
	v.book.beats[v.device]++
}

func (v guest) Open(doc id.DocumentID) { v.book.note("%s opens %x", v.device, doc[0]) }
func (v guest) Close()                 { v.book.note("%s goes", v.device) }

func TestPresenceIsToldOfPeers(t *testing.T) {
	book := &guestBook{beats: map[string]int{}}
	r := newRig(t, Options{Presence: book})
	c := r.dial(alice())
	book.expect(t)
	c.id = "laptop"
	c.send(wire.Join{SenderID: "laptop", Metadata: wire.PeerMetadata{StorageID: "disk"}})
	c.next()
	book.expect(t, "acme/alice comes with disk")
	c.save(docA, "x")
	c.save(docA, "y")
	c.request(docB)
	book.expect(t, "disk opens a", "disk opens b")
	if n := book.beatsOf("disk"); n < 3 {
		t.Errorf("%d beats of three frames", n)
	}

	c.send(wire.Join{SenderID: "laptop"}) // again, on its own socket
	book.expect(t, "disk goes", "acme/alice comes with laptop")
	c.send(wire.Leave{SenderID: "laptop"})
	book.expect(t, "laptop goes")
	c.leaveSocket()

	old := r.connect(bob(), "phone", "")
	book.expect(t, "acme/bob comes with phone")
	r.connect(bob(), "phone", "")
	old.closed()
	book.expect(t, "acme/bob comes with phone", "phone goes") // never without a connection

	narrow := alice()
	narrow.MayOpen = func(doc id.DocumentID) bool { return doc == docA }
	n := r.connect(narrow, "narrow", "")
	n.request(docB)
	n.request(docA)
	book.expect(t, "acme/alice comes with narrow", "narrow opens a")
	if _, err := r.hub.Sync(t.Context(), alice(), "disk", docA, rawSync(nil, nil)); err != nil {
		t.Fatal(err)
	}
	r.hub.Drain(t.Context())
	book.mu.Lock()
	slices.Sort(book.lines)
	book.mu.Unlock()
	book.expect(t, "narrow goes", "phone goes")
}

// pulsingPipe is a pipe that notices its client.
type pulsingPipe struct {
	*pipe
	pulse chan func()
}

func (p pulsingPipe) OnPulse(fn func()) { p.pulse <- fn }

func TestPulsesAreBeats(t *testing.T) {
	book := &guestBook{beats: map[string]int{}}
	r := newRig(t, Options{Presence: book})
	p := pulsingPipe{newPipe(), make(chan func(), 1)}
	c := r.over(p, p.pipe, alice(), "phone")
	pulse := <-p.pulse
	before := book.beatsOf("phone")
	for range 5 {
		pulse()
	}
	if n := book.beatsOf("phone") - before; n != 5 {
		t.Errorf("%d beats of 5 pulses", n)
	}
	c.leaveSocket()
}

func TestEphemeralsAreBounded(t *testing.T) {
	now := time.Now()
	r := newRig(t, Options{Ephemerals: limit.Rates{Connection: 2, User: 3, Company: 1000}, Now: func() time.Time { return now }})
	a, a2, b := r.connect(alice(), "a", ""), r.connect(alice(), "a2", ""), r.connect(bob(), "b", "")
	for _, c := range []*client{a, a2, b} {
		c.save(docA, c.id)
	}
	for _, c := range []*client{a, a2, b} {
		c.quiet()
	}
	send := func(c *client, n int) {
		for i := range n {
			c.send(wire.Ephemeral{SenderID: c.id, Document: docA, SessionID: "s", Count: uint64(i + 1), Data: []byte{1}})
		}
	}
	// What comes meanwhile is for the count of a second at most: some more go through on a slow machine.
	before := r.hub.Stats()
	send(a, 1000)
	waitFor(t, "1,000 messages", func() bool {
		s := r.hub.Stats()
		return s.Ephemerals+s.EphemeralsRefused == before.Ephemerals+1000
	})
	if s := r.hub.Stats(); s.Ephemerals < 10 || s.Ephemerals > 100 {
		t.Errorf("%d were relayed, want about 10", s.Ephemerals)
	}
	e, ok := a.next().(wire.Error)
	if !ok || !strings.Contains(e.Message, docA.String()) || !strings.Contains(e.Message, "limit of ephemeral messages per connection: 2 per second") ||
		!strings.Contains(e.Message, "try again in") {
		t.Errorf("the sender is told %q", e.Message)
	}
	a.quiet()
	if len(a.other) > 0 {
		t.Errorf("the sender is told again within a second: %v", a.other)
	}

	// The user's other connection has what is left; another user isn't concerned.
	relayed := r.hub.Stats().Ephemerals
	send(a2, 1000)
	waitFor(t, "the other connection's", func() bool {
		s := r.hub.Stats()
		return s.Ephemerals+s.EphemeralsRefused == before.Ephemerals+2000
	})
	if n := r.hub.Stats().Ephemerals - relayed; n < 5 || n > 100 {
		t.Errorf("%d of the user's other connection were relayed, want about 5", n)
	}
	send(b, 10)
	waitFor(t, "the other user's", func() bool { return len(a.pipe.fromHub) >= 10 })
	waitFor(t, "the count of all", func() bool {
		s := r.hub.Stats()
		return s.Ephemerals+s.EphemeralsRefused == before.Ephemerals+2010
	})
	a.save(docA, "still there") // and the connection goes on
}
