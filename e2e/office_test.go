package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

// A mix says which generation each client of a scenario runs on, in turn.
type mix struct {
	name        string
	generations []stock.Generation
}

var mixes = []mix{
	{"v2", []stock.Generation{stock.V2}},
	{"v1", []stock.Generation{stock.V1}},
	{"mixed", []stock.Generation{stock.V2, stock.V1}},
}

// office is a node and the people who work with it.
type office struct {
	t    *testing.T
	node *node.Node
	mix  mix
	seen int // clients so far
}

// options returns how a user's client reaches the node.
func (o *office) options(user string) stock.ClientOptions {
	return o.optionsFor(node.Claims{Sub: user})
}

func (o *office) optionsFor(c node.Claims) stock.ClientOptions {
	return stock.ClientOptions{URL: o.node.SyncURL(), TicketURL: o.node.TicketURL(), Token: o.node.Token(c)}
}

// open starts a client on the next generation of the mix.
func (o *office) open(name string, options stock.ClientOptions) *stock.Client {
	o.t.Helper()
	g := o.mix.generations[o.seen%len(o.mix.generations)]
	o.seen++
	p := driver(o.t, g)
	if o.seen <= len(o.mix.generations) {
		o.t.Cleanup(func() {
			if o.t.Failed() {
				o.t.Logf("stderr of the %s driver, which all tests share:\n%s", g, p.Stderr())
			}
		})
	}
	return p.Client(o.t, name, options)
}

// client starts a connected client of the user with that name.
func (o *office) client(user string) *stock.Client {
	o.t.Helper()
	c := o.open(user, o.options(user))
	c.WaitConnected(1)
	return c
}

// offline returns options for a client that begins without a connection.
func offline(o stock.ClientOptions) stock.ClientOptions {
	o.Offline = true
	return o
}

// withStorage returns options for a client that keeps its documents in dir.
func withStorage(o stock.ClientOptions, dir string) stock.ClientOptions {
	o.Storage = dir
	return o
}

// convergeTimeout is how long clients may take to agree on a busy machine.
const convergeTimeout = 30 * time.Second

// converge waits until all clients have the same heads, checks that they then hold the same value, and returns it.
func converge(t *testing.T, url string, clients ...*stock.Client) map[string]any {
	t.Helper()
	heads := agree(t, url, clients...)
	want := clients[0].Get(url)
	for _, c := range clients[1:] {
		if diff := cmp.Diff(want, c.Get(url)); diff != "" {
			t.Fatalf("at heads %v, %s and %s hold different values (-first +second):\n%s", heads, clients[0].Name(), c.Name(), diff)
		}
	}
	return want
}

// agree waits until all clients have the same heads and returns these.
func agree(t *testing.T, url string, clients ...*stock.Client) []string {
	t.Helper()
	deadline := time.Now().Add(convergeTimeout)
	for {
		heads := clients[0].Heads(url)
		same := true
		for _, c := range clients[1:] {
			same = same && slices.Equal(heads, c.Heads(url))
		}
		if same {
			return heads
		}
		if time.Now().After(deadline) {
			t.Fatalf("no agreement about %s after %v:\n%s", url, convergeTimeout, report(url, clients))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// report describes each client's view, for a failure message.
func report(url string, clients []*stock.Client) string {
	var b strings.Builder
	for _, c := range clients {
		s := c.Stats()
		fmt.Fprintf(&b, "%s (%s): %d changes, heads %v, state %s, connects %d, joins %d, errors %v, closes %v\n",
			c.Name(), c.Generation(), c.History(url), c.Heads(url), c.State(url), s.Connects, s.Peers, last(s.Errors), last(s.Closes))
		for _, m := range lastN(c.Messages(), 12) {
			fmt.Fprintf(&b, "    %-3s %-12s v%d %5d B, %d parts, heads %v\n", m.Direction, m.Type, m.Version, m.Bytes, m.Changes, m.Heads)
		}
	}
	return b.String()
}

func last[T any](s []T) []T { return lastN(s, 3) }

func lastN[T any](s []T, n int) []T { return s[max(0, len(s)-n):] }

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(convergeTimeout)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s", convergeTimeout, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// awaitSnapshots returns when a snapshot was written, and none is to be written.
func (o *office) awaitSnapshots() {
	o.t.Helper()
	eventually(o.t, "a snapshot is written", func() bool {
		return o.node.Metric("concord_snapshots_written_total") > 0 && o.node.Metric("concord_snapshot_backlog") == 0
	})
}

// want compares a value of a document with what it must be.
func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
