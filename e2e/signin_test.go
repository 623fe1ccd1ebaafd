package e2e

import (
	"time"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

// stockRetry is the stock adapter's own interval. With a short one it gives up an attempt that is slow for another, and
// the ticket was for one.
const stockRetry = 5 * time.Second

// The adapter as it comes from the registry, given nothing but a URL.
func bareAdapter(o *office) {
	bare := func(user string) *stock.Client {
		ticket := o.node.Ticket(node.Claims{Sub: user})
		c := o.open(user, stock.ClientOptions{URL: o.node.SyncURL() + "?ticket=" + ticket, Bare: true, Retry: stockRetry})
		c.WaitConnected(1)
		return c
	}
	ann, bob := bare("ann"), bare("bob")
	url := ann.Create(object{"n": 0})
	bob.FindReady(url)
	bob.Change(url, stock.Set(stock.P("n"), 1))
	eventually(o.t, "ann sees bob's change", func() bool { return ann.Get(url)["n"] == 1.0 })
	converge(o.t, url, ann, bob)
}

func signIn(o *office) {
	const unauthenticated = 4401
	used := o.node.Ticket(node.Claims{Sub: "ann"})
	first := o.open("first", stock.ClientOptions{URL: o.node.SyncURL() + "?ticket=" + used})
	first.WaitConnected(1)

	for name, query := range map[string]string{
		"no ticket":        "",
		"ticket once used": "?ticket=" + used,
		"unknown ticket":   "?ticket=abc",
		"token as ticket":  "?ticket=" + o.node.Token(node.Claims{Sub: "ann"}),
	} {
		c := o.open(name, stock.ClientOptions{URL: o.node.SyncURL() + query})
		eventually(o.t, name+" is closed", func() bool { return len(c.Stats().Closes) > 0 })
		want(o.t, "close code with "+name, c.Stats().Closes[0].Code, unauthenticated)
		want(o.t, "joins with "+name, c.Stats().Peers, 0)
	}

	// A refused token costs no connection; the next attempt with a good one succeeds.
	options := o.options("bob")
	options.Token = node.Token(o.t, "another secret that is long enough to sign", node.Claims{Sub: "bob"})
	bob := o.open("bob", options)
	eventually(o.t, "the ticket is refused", func() bool { return len(bob.Stats().Errors) > 0 })
	want(o.t, "connections with a bad token", bob.Stats().Connects, 0)
	bob.SetToken(o.node.Token(node.Claims{Sub: "bob"}))
	bob.WaitConnected(1)
}
