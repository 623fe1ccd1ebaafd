package e2e

import (
	"testing"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

// longHistory is the number of changes of a document that has been worked on for long.
const longHistory = 20_000

// returningBytes is what a client that has everything may exchange with the node after it comes back: join, peer, and
// sync messages until both are content, in both directions together.
const returningBytes = 1024

func TestLongHistory(t *testing.T) {
	n := node.Start(t, node.Options{})
	for _, m := range mixes[:2] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			longHistoryReturns(&office{t: t, node: n, mix: m})
		})
	}
}

func longHistoryReturns(o *office) {
	// A process of its own: making the history keeps it busy.
	p := stock.Start(o.t, o.mix.generations[0])
	dir := o.t.TempDir()
	options := withStorage(o.options("ann"), dir)
	ann := p.Client(o.t, "ann", options)
	ann.WaitConnected(1)
	url := ann.Create(object{"field": 0})
	ann.ChangeMany(url, longHistory/2, stock.SetCount(stock.P("field")))
	half := ann.Heads(url)
	bobs := withStorage(o.options("bob"), o.t.TempDir())
	bob := p.Client(o.t, "bob", bobs)
	bob.FindReady(url)
	bob.WaitHeads(url, half)
	bob.Close()

	ann.ChangeMany(url, longHistory/2, stock.SetCount(stock.P("field")))
	heads := ann.Heads(url)
	rita := p.Client(o.t, "rita", o.options("rita"))
	rita.FindReady(url)
	rita.WaitHeads(url, heads) // the node has all of it
	ann.Close()

	ann.Reopen(options)
	ann.FindReady(url)
	ann.WaitConnected(1)
	eventually(o.t, "ann and the node have compared heads", func() bool { return count(ann, "in", "sync") > 0 })
	// When rita's message has made the round, so has whatever the comparison stirred up.
	rita.Broadcast(url, "are you there?")
	eventually(o.t, "ann hears of rita", func() bool { return len(ann.Ephemerals()) > 0 })
	up, down := returned(ann)
	o.t.Logf("returning client: %d B up, %d B down", up, down)
	if up+down >= returningBytes {
		o.t.Errorf("returning client exchanged %d B, want less than %d:\n%s", up+down, returningBytes, report(url, []*stock.Client{ann}))
	}

	o.awaitSnapshots() // one that is committed while a message is made may divide it
	bob.Reopen(bobs)
	bob.FindReady(url)
	bob.WaitHeads(url, heads)
	filled := 0
	for _, m := range bob.Messages() {
		if m.Direction == "in" && m.Changes > 0 {
			filled++
		}
	}
	b := bob.Stats()
	o.t.Logf("client that misses half: %d B up, %d B in %d messages down, %d with changes", b.BytesOut, b.BytesIn, b.MessagesIn, filled)
	if filled != 1 {
		o.t.Errorf("%d messages with changes, want 1:\n%s", filled, report(url, []*stock.Client{bob}))
	}
}

// returned sums up the client's messages by direction, without ephemeral ones.
func returned(c *stock.Client) (up, down int) {
	for _, m := range c.Messages() {
		switch {
		case m.Type == "ephemeral":
		case m.Direction == "out":
			up += m.Bytes
		default:
			down += m.Bytes
		}
	}
	return up, down
}
