package e2e

import (
	"flag"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

var update = flag.Bool("update", false, "write the listings of docs/mobile.md")

const mobileDoc = "../docs/mobile.md"

var reflectMap = reflect.TypeFor[map[string]any]()

// listingIn finds a listing of the document.
var listingIn = regexp.MustCompile("(?s)<!-- messages: ([a-z -]+) -->\n```\n(.*?)```\n")

// A phone does step by step what docs/mobile.md says, and sends and hears what the document lists. One of them has the
// Automerge of today; the other one of 2024, which speaks only the first version of the sync protocol.
func TestMobile(t *testing.T) {
	listings := map[string]string{}
	note := func(t *testing.T, name string, p *phone) {
		t.Helper()
		text := p.listing()
		if old, ok := listings[name]; ok && old != text {
			t.Errorf("%s: the generations differ (-first +second):\n%s", name, cmp.Diff(old, text))
		}
		listings[name] = text
	}
	n := node.Start(t, node.Options{Args: quickPresence})
	for _, m := range mixes[:2] {
		t.Run(m.name, func(t *testing.T) {
			mobileFlows(&office{t: t, node: n, mix: m}, m.generations[0], func(name string, p *phone) { note(t, name, p) })
		})
	}
	if !t.Failed() {
		compareListings(t, listings)
	}
	n.Stop()
	n.Check()
}

func compareListings(t *testing.T, listings map[string]string) {
	t.Helper()
	text, err := os.ReadFile(mobileDoc)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		text = listingIn.ReplaceAllFunc(text, func(old []byte) []byte {
			name := string(listingIn.FindSubmatch(old)[1])
			return []byte("<!-- messages: " + name + " -->\n```\n" + listings[name] + "```\n")
		})
		if err := os.WriteFile(mobileDoc, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	documented := map[string]string{}
	for _, m := range listingIn.FindAllSubmatch(text, -1) {
		documented[string(m[1])] = string(m[2])
	}
	if diff := cmp.Diff(listings, documented); diff != "" {
		t.Errorf("the listings differ (-sent +docs/mobile.md); run go test ./e2e -run TestMobile -update:\n%s", diff)
	}
}

func mobileFlows(o *office, g stock.Generation, note func(string, *phone)) {
	t := o.t
	ann := o.client("ann")
	url := ann.Create(object{"title": stock.ScalarString("Order"), "views": stock.Counter(0)})
	p := o.newPhone("pia "+string(g), g)

	p.connect()
	note(map[bool]string{true: "connect with a header", false: "connect with a subprotocol"}[p.kotlin], p)
	o.waitStored(url)
	p.open(url, "request")
	p.until(url, func() bool { return p.safe() && slices.Equal(p.serverHeads, ann.Heads(url)) })
	p.settle(url)
	note("open", p)
	want(t, "what the phone has", p.device.Get(), ann.Get(url))

	p.device.Change(stock.Increment(stock.P("views"), 1), stock.Set(stock.P("by"), "phone"))
	p.speak(url, "sync")
	p.until(url, p.safe)
	note("edit", p)
	ann.WaitHeads(url, p.device.Heads())

	o.mobileToken(p, g, url, note)

	// Into the background, and back for the time of a push.
	p.socket.Close(websocket.StatusGoingAway, "")
	p.say("→ close 1001")
	note("background", p)
	eventually(t, "the phone's user is offline", func() bool {
		return slices.Equal(o.presence("?user="+strings.ReplaceAll(p.user, " ", "%20")), []string{p.user + " offline"})
	})
	p.device.Change(stock.Increment(stock.P("views"), 10))
	ann.Change(url, stock.Increment(stock.P("views"), 100))
	heads := ann.Heads(url)
	eventually(t, "the server has ann's change", func() bool { return p.post(url) < 300 && !slices.Equal(p.device.Heads(), heads) && p.knows(ann, url) })
	p.said = nil
	p.device.Change(stock.Increment(stock.P("views"), 1000))
	if code := p.post(url); code >= 300 {
		t.Fatalf("the last answer is %d", code)
	}
	note("push", p)
	want(t, "who a push makes online", o.presence("?user="+strings.ReplaceAll(p.user, " ", "%20")), []string{p.user + " offline"})
	ann.WaitHeads(url, p.device.Heads())
	want(t, "what ann has", ann.Get(url)["views"], object{"$counter": 1111.0})

	// In the foreground again, with what was done offline.
	p.device.Change(stock.Set(stock.P("done"), true))
	p.connect()
	p.said = nil
	p.open(url, "sync")
	p.until(url, p.safe)
	p.settle(url)
	note("foreground", p)
	ann.WaitHeads(url, p.device.Heads())

	// What was told meanwhile to the user, who has listened before.
	p.socket.Close(websocket.StatusGoingAway, "")
	p.missed()
	o.publish(p.user)
	p.said = nil
	want(t, "events that were missed", p.missed(), 1)
	note("missed events", p)
	want(t, "events after that", p.missed(), 0)

	o.mobileGone(g, note)
	o.mobileCuts(g, ann)
}

// knows reports whether the phone has everything that a client has.
func (p *phone) knows(c *stock.Client, url string) bool {
	c.WaitHeads(url, p.device.Heads())
	return true
}

// waitStored waits until a document exists.
func (o *office) waitStored(url string) {
	o.t.Helper()
	eventually(o.t, "the server has the document", func() bool {
		code, _ := o.octets("erp", http.MethodGet, "/v1/documents/"+documentOf(url), nil)
		return code == http.StatusOK
	})
}

// publish tells a user something.
func (o *office) publish(user string) {
	o.t.Helper()
	body := `{"events": [{"type": "notification:new", "room": "user:` + user + `", "data": {"title": "Order 7 is paid"}}]}`
	if code := o.callAs(node.Claims{Sub: "erp", Role: "service"}, http.MethodPost, "/v1/events", body, nil); code >= 300 {
		o.t.Fatalf("publish: %d", code)
	}
}

// mobileToken refreshes the token of an open connection, and meets the end of one.
func (o *office) mobileToken(p *phone, g stock.Generation, url string, note func(string, *phone)) {
	t := o.t
	p.settle(url)
	send := func(token string) map[string]any {
		p.send(field{"type", "concord-token"}, field{"senderId", p.user + "-phone"}, field{"targetId", p.server}, field{"token", token})
		m := p.next()
		p.hear(m)
		return m
	}
	if m := send(o.node.Token(node.Claims{Sub: p.user, TTL: 2 * time.Hour})); m["accepted"] != true {
		t.Fatalf("a good token: %v", m)
	}
	note("token", p)
	if m := send(o.node.Token(node.Claims{Sub: "somebody else"})); m["accepted"] != false {
		t.Fatalf("another user's token: %v", m)
	}
	note("bad token", p)

	late := o.newPhone("late "+string(g), g)
	late.ttl.TTL = -25 * time.Second // the server takes a token for 30 s longer, as clocks differ
	late.connect()
	late.said = nil
	if code := late.ended(); code != 4401 {
		t.Errorf("after the end of the token: %d, want 4401", code)
	}
	note("expired token", late)
}

// mobileGone asks for documents that aren't there any more, or never were.
func (o *office) mobileGone(g stock.Generation, note func(string, *phone)) {
	t := o.t
	q := o.newPhone("quin "+string(g), g)
	q.connect()
	q.said = nil
	missing := id.URL{Document: peer.NewDocumentID()}.String()
	q.open(missing, "request")
	q.hear(q.next())
	note("missing document", q)
	q.device = driver(t, g).Device(t, "quin's new document "+string(g))
	q.device.Change(stock.Set(stock.P("made"), "on a phone"))
	q.open(missing, "sync")
	q.until(missing, q.safe)
	note("new document", q)

	doomed := o.client("doc").Create(object{"text": "gone soon"})
	r := o.newPhone("rae "+string(g), g)
	r.connect()
	o.waitStored(doomed)
	r.open(doomed, "request")
	r.until(doomed, r.safe)
	r.settle(doomed)
	r.said = nil
	o.purge(doomed)
	for range 2 {
		m := r.next()
		if text, ok := m["message"].(string); ok {
			m["message"] = strings.ReplaceAll(text, documentOf(doomed), "DOCUMENT")
		}
		r.hear(m)
	}
	r.device.Begin()
	if code := r.post(doomed); code != 410 {
		t.Errorf("sync of a deleted document: %d, want 410", code)
	}
	note("deleted document", r)
}

// mobileCuts edits over a network that fails at any byte, until everything is on both sides.
func (o *office) mobileCuts(g stock.Generation, ann *stock.Client) {
	t := o.t
	seed := node.Setting(t, "MOBILE_SEED", 1)
	rng := rand.New(rand.NewPCG(uint64(seed), 0))
	url := ann.Create(object{"views": stock.Counter(0)})
	o.waitStored(url)
	proxy := node.NewProxy(t, o.node.Address)
	p := o.newPhone("tom "+string(g), g)
	p.sync = proxy.SyncURL()
	kind := "request"
	const rounds = 30
	for i := range rounds {
		p.connect()
		proxy.CutAfter(node.Direction(rng.IntN(2)), rng.IntN(600))
		p.open(url, kind)
		alive := p.until(url, p.safe)
		if alive && i < rounds-1 {
			kind = "sync"
			p.device.Change(stock.Increment(stock.P("views"), 1), stock.Set(stock.P("bytes"), strings.Repeat("x", rng.IntN(500))))
			p.speak(url, "sync")
			p.until(url, p.safe)
		}
		ann.Change(url, stock.Increment(stock.P("views"), 1000))
		p.socket.CloseNow()
	}
	p.sync = o.node.SyncURL()
	p.connect()
	p.open(url, kind)
	p.until(url, func() bool { return p.safe() && slices.Equal(p.serverHeads, ann.Heads(url)) })
	want(t, "what both have", p.device.Get(), ann.Get(url))
	if views := ann.Get(url)["views"].(object)["$counter"].(float64); int(views)/1000 != rounds || int(views)%1000 == 0 {
		t.Errorf("%v views (MOBILE_SEED=%d)", views, seed)
	}
}
