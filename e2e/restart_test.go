package e2e

import (
	"testing"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

// What clients were told by the node is there after it ends, politely or not, and what they did meanwhile arrives.
func TestRestart(t *testing.T) {
	for _, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			o := &office{t: t, node: node.Start(t, node.Options{}), mix: m}
			ann, bob := o.client("ann"), o.client("bob")
			url := ann.Create(object{"log": list{}, "n": stock.Counter(0)})
			bob.FindReady(url)
			converge(t, url, ann, bob)

			for i, end := range []func(){o.node.Stop, o.node.Kill} {
				end()
				ann.Change(url, stock.Insert(stock.P("log"), 0, "ann"), stock.Increment(stock.P("n"), 1))
				bob.Change(url, stock.Insert(stock.P("log"), 0, "bob"), stock.Increment(stock.P("n"), 1))
				o.node.Run()
				ann.WaitConnected(2 + i)
				bob.WaitConnected(2 + i)
				got := converge(t, url, ann, bob)
				want(t, "n", got["n"], any(object{"$counter": float64(2 * (i + 1))}))
			}
			who := ann.Identity()

			ann.Abandon()
			bob.Abandon()
			o.node.Kill()
			o.node.Run()
			cleo := o.client("cleo")
			cleo.FindReady(url)
			got := cleo.Get(url)
			if entries := got["log"].(list); len(entries) != 4 {
				t.Errorf("log is %v, want four entries", entries)
			}
			// Clients keep their sync states under the node's storage ID.
			want(t, "storage ID of the node", cleo.Identity().ServerStorageID, who.ServerStorageID)

			o.node.Stop()
			o.node.Check()
		})
	}
}
