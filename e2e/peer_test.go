package e2e

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"time"

	"concord/internal/id"
	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

func ephemerals(o *office) {
	ann, bob, cleo, dave := o.client("ann"), o.client("bob"), o.client("cleo"), o.client("dave")
	url := ann.Create(object{"a": 1})
	other := ann.Create(object{"b": 1})
	bob.FindReady(url)
	cleo.FindReady(url)
	dave.FindReady(other)
	converge(o.t, url, ann, bob, cleo)
	converge(o.t, other, ann, dave)

	cursor := object{"cursor": 3.0, "name": "Ann"}
	ann.Broadcast(url, cursor)
	for _, c := range []*stock.Client{bob, cleo} {
		eventually(o.t, c.Name()+" hears of ann's cursor", func() bool { return len(c.Ephemerals()) == 1 })
	}
	// Whatever the first one stirred up has settled when a second one has made the round.
	bob.Broadcast(url, "second")
	author := func(c *stock.Client) string { return c.Identity().PeerID }
	first := stock.Ephemeral{URL: url, SenderID: author(ann), Message: cursor}
	second := stock.Ephemeral{URL: url, SenderID: author(bob), Message: "second"}
	eventually(o.t, "ann hears of bob's message", func() bool { return len(ann.Ephemerals()) > 0 })
	eventually(o.t, "cleo hears of bob's message", func() bool { return len(cleo.Ephemerals()) > 1 })
	ann.Broadcast(url, "third")
	eventually(o.t, "bob hears of ann's third message", func() bool { return len(bob.Ephemerals()) > 1 })
	third := stock.Ephemeral{URL: url, SenderID: author(ann), Message: "third"}
	eventually(o.t, "cleo hears of ann's third message", func() bool { return len(cleo.Ephemerals()) > 2 })

	want(o.t, "ann's messages", ann.Ephemerals(), []stock.Ephemeral{second})
	want(o.t, "bob's messages", bob.Ephemerals(), []stock.Ephemeral{first, third})
	want(o.t, "cleo's messages", cleo.Ephemerals(), []stock.Ephemeral{first, second, third})
	for client, n := range map[*stock.Client]int{ann: 1, bob: 2, cleo: 3, dave: 0} {
		want(o.t, "ephemeral frames to "+client.Name(), count(client, "in", "ephemeral"), n)
	}
}

// count returns how many remembered messages of a type went one way.
func count(c *stock.Client, direction, kind string) int {
	n := 0
	for _, m := range c.Messages() {
		if m.Direction == direction && m.Type == kind {
			n++
		}
	}
	return n
}

func leaveAndRejoin(o *office) {
	ann, bob := o.client("ann"), o.client("bob")
	url := ann.Create(object{"n": 0})
	bob.FindReady(url)
	converge(o.t, url, ann, bob)

	bob.Leave()
	// The node has seen the leave when the answer to a new join is there; what came between went to ann alone.
	ann.Change(url, stock.Set(stock.P("n"), 1))
	bob.Join()
	bob.WaitConnected(2)
	ann.Change(url, stock.Set(stock.P("n"), 2))
	got := converge(o.t, url, ann, bob)
	want(o.t, "n", got["n"], any(2.0))
	want(o.t, "connections of bob", bob.Stats().Connects, 1)
}

// A browser tab that comes back before the node has noticed its end joins with the same peer ID.
func samePeerTwice(o *office) {
	ann := o.client("ann")
	url := ann.Create(object{"n": 0})
	options := o.options("bob")
	options.PeerID = "peer-" + url
	options.Retry = time.Hour // the replaced client stays away
	bob := o.open("bob", options)
	bob.FindReady(url)

	again := o.open("bob again", options)
	again.FindReady(url)
	ann.Change(url, stock.Set(stock.P("n"), 1))
	got := converge(o.t, url, ann, again)
	want(o.t, "n", got["n"], any(1.0))
	eventually(o.t, "the replaced connection is closed", func() bool { return len(bob.Stats().Closes) > 0 })
	want(o.t, "close code", bob.Stats().Closes[0].Code, 4409)
}

func viewer(o *office) {
	ann := o.client("ann")
	url := ann.Create(object{"n": 0, "seen": stock.Counter(0)})
	vic := o.open("vic", o.optionsFor(node.Claims{Sub: "vic", Role: "viewer"}))
	vic.FindReady(url)
	converge(o.t, url, ann, vic)
	base := ann.Heads(url)

	vic.Change(url, stock.Set(stock.P("n"), 666))
	forbidden := vic.Heads(url)
	// The node has had its say about vic's change when it has relayed a later one to him.
	ann.Change(url, stock.Increment(stock.P("seen"), 1))
	eventually(o.t, "vic sees ann's change", func() bool {
		return slices.Contains(vic.Heads(url), ann.Heads(url)[0])
	})
	vic.Drop()
	vic.WaitConnected(2)
	ann.Change(url, stock.Increment(stock.P("seen"), 1))
	eventually(o.t, "vic sees ann's second change", func() bool {
		return slices.Contains(vic.Heads(url), ann.Heads(url)[0])
	})

	bob := o.client("bob")
	bob.FindReady(url)
	got := converge(o.t, url, ann, bob)
	want(o.t, "n", got["n"], any(0.0))
	want(o.t, "seen", got["seen"], any(object{"$counter": 2.0}))
	if heads := bob.Heads(url); slices.Equal(heads, base) || slices.Contains(heads, forbidden[0]) {
		o.t.Errorf("heads are %v: vic's change %v must not be among them", heads, forbidden)
	}

	// A document that only a viewer has never comes to be.
	own := vic.Create(object{"mine": true})
	want(o.t, "state of the viewer's own document", bob.Find(own), "unavailable")
}

func twoCompanies(o *office) {
	// The same storage in two places: one document ID, known to both companies.
	here, there := o.t.TempDir(), o.t.TempDir()
	maker := o.open("maker", offline(withStorage(o.options("maker"), here)))
	url := maker.Create(object{"origin": "common"})
	maker.Close()
	if err := os.CopyFS(there, os.DirFS(here)); err != nil {
		o.t.Fatal(err)
	}
	// A copied storage would be one device in two companies; each has its own.
	if err := os.RemoveAll(filepath.Join(there, "st")); err != nil {
		o.t.Fatal(err)
	}
	user := func(name, company string) stock.ClientOptions {
		return o.optionsFor(node.Claims{Sub: name, Company: company})
	}

	ann := o.open("ann", withStorage(user("ann", "acme"), here))
	ann.FindReady(url)
	ann.Change(url, stock.Set(stock.P("acme"), "secret"))
	reader := o.open("acme reader", user("rita", "acme"))
	reader.FindReady(url)
	converge(o.t, url, ann, reader)

	spy := o.open("spy", user("ann", "globex")) // the same user name, too
	want(o.t, "state in the other company", spy.Find(url), "unavailable")

	gus := o.open("gus", withStorage(user("gus", "globex"), there))
	gus.FindReady(url)
	gus.Change(url, stock.Set(stock.P("globex"), "secret"))
	spy.WaitReady(url)
	got := converge(o.t, url, gus, spy)
	want(o.t, "globex's document", got, object{"origin": "common", "globex": "secret"})

	ann.Broadcast(url, "for acme")
	eventually(o.t, "acme hears of it", func() bool { return len(reader.Ephemerals()) == 1 })
	ann.Change(url, stock.Set(stock.P("more"), true))
	got = converge(o.t, url, ann, reader)
	want(o.t, "acme's document", got, object{"origin": "common", "acme": "secret", "more": true})
	got = converge(o.t, url, gus, spy)
	want(o.t, "globex's document", got, object{"origin": "common", "globex": "secret"})
	want(o.t, "ephemerals in globex", len(gus.Ephemerals())+len(spy.Ephemerals()), 0)
}

func remoteHeads(o *office) {
	options := func(user string) stock.ClientOptions {
		c := withStorage(o.options(user), o.t.TempDir())
		c.Gossip = true
		return c
	}
	ann := o.open("ann", options("ann"))
	url := ann.Create(object{"n": 0})
	bob := o.open("bob", options("bob"))
	bob.WaitConnected(1)
	ann.WaitConnected(1)
	device := ann.Identity().StorageID
	bob.SubscribeRemotes(device)
	bob.FindReady(url)
	converge(o.t, url, ann, bob)

	ann.Change(url, stock.Set(stock.P("n"), 1))
	heads := agree(o.t, url, ann, bob)
	eventually(o.t, "bob hears of ann's heads", func() bool {
		return slices.ContainsFunc(bob.RemoteHeads(), func(r stock.RemoteHeads) bool {
			return r.URL == url && r.StorageID == device && slices.Equal(hexHeads(r.Heads), heads)
		})
	})
}

// hexHeads returns heads in hex whether they came in base58check or in hex.
func hexHeads(heads []string) []string {
	var out []string
	for _, h := range heads {
		if len(h) != 64 {
			if hash, err := id.DecodeHash(h); err == nil {
				h = hex.EncodeToString(hash[:])
			}
		}
		out = append(out, h)
	}
	slices.Sort(out)
	return out
}
