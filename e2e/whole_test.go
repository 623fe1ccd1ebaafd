package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// coldHistory is the number of changes of a document that nobody has opened for long.
const coldHistory = 50_000

// coldInvoice makes a document of n changes, each of which sets a field of the root, as a document chunk.
func coldInvoice(t *testing.T, n int) (chunk []byte, head crdt.Hash) {
	t.Helper()
	d := crdt.New()
	last := make([]crdt.OpID, 50)
	const actor = "0123456789abcdef"
	for i := range n {
		op := crdt.Op{Action: crdt.ActionSet, Key: crdt.MapKey(fmt.Sprint("field-", i%len(last))), Value: crdt.IntValue(int64(i))}
		if id := last[i%len(last)]; !id.IsZero() {
			op.Preds = []crdt.OpID{id}
		}
		meta := crdt.ChangeMeta{Deps: d.Heads(), Actor: actor, Seq: uint32(i + 1), StartOp: uint32(i + 1), Time: int64(1_700_000_000 + i)}
		c, err := crdt.EncodeChange(meta, []crdt.Op{op})
		if err == nil {
			err = d.Apply(c)
		}
		if err != nil {
			t.Fatal(err)
		}
		last[i%len(last)] = crdt.OpID{Counter: uint32(i + 1), Actor: actor}
	}
	return d.Save(), d.Heads()[0]
}

// cold makes a document of n changes that is on the node's disk and not in its memory.
func (o *office) cold(n int) (url string, heads []string) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 2*time.Minute)
	defer cancel()
	p, err := peer.Dial(ctx, peer.Options{URL: o.node.SyncURL(), Token: o.node.Token(node.Claims{Sub: "importer"}), Advertise: protocol.AdvertiseV2})
	if err != nil {
		o.t.Fatal(err)
	}
	defer p.Drop()
	chunk, head := coldInvoice(o.t, n)
	doc := peer.NewDocumentID()
	d, err := p.Import(doc, chunk)
	if err == nil {
		err = d.WaitServerHas(ctx, head)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	p.Drop()
	o.awaitSnapshots()
	o.node.Stop()
	o.node.Run()
	eventually(o.t, "the node has deleted what the snapshot replaces", func() bool {
		before := o.node.CPU()
		time.Sleep(300 * time.Millisecond)
		return o.node.CPU()-before < time.Millisecond
	})
	return id.URL{Document: doc}.String(), []string{head.String()}
}

// A new client of a cold document gets what is on disk, as it is: one message no bigger than what the client itself
// would save, and the node decodes nothing.
func TestColdDocument(t *testing.T) {
	for _, m := range mixes[:2] {
		t.Run(m.name, func(t *testing.T) {
			o := &office{t: t, node: node.Start(t, node.Options{}), mix: m}
			url, heads := o.cold(coldHistory)
			ann := o.client("ann")
			before := o.node.CPU()
			begin := time.Now()
			ann.FindReady(url)
			ann.WaitHeads(url, heads)
			took := time.Since(begin)
			cpu := o.node.CPU() - before
			messages, bytes := filled(ann)
			t.Logf("%d changes: %v of the node's CPU, %v until the client has loaded it, %d B received, %d B when saved",
				coldHistory, cpu.Round(100*time.Microsecond), took.Round(time.Millisecond), bytes, ann.SavedBytes(url))
			if messages != 1 || 10*bytes > 11*ann.SavedBytes(url) {
				t.Errorf("%d messages of %d B, want 1 of at most 1.1 × %d:\n%s", messages, bytes, ann.SavedBytes(url), report(url, []*stock.Client{ann}))
			}
			for metric, n := range map[string]float64{
				"concord_documents_sent_total": 1, "concord_document_loads_total": 1,
				"concord_snapshots_decoded_total": 0, "concord_document_op_sets_total": 0,
			} {
				if got := o.node.Metric(metric); got != n {
					t.Errorf("%s is %v, want %v", metric, got, n)
				}
			}

			// The first edit takes the op set; a second client gets snapshot and edit.
			ann.Change(url, stock.Set(stock.P("field-7"), "edited"))
			bob := o.client("bob")
			bob.FindReady(url)
			got := converge(t, url, ann, bob)
			want(t, "the edited field", got["field-7"], any("edited"))
			if n := o.node.Metric("concord_document_op_sets_total"); n != 1 {
				t.Errorf("%v op sets were built, want 1", n)
			}
			o.node.Stop()
			o.node.Check()
		})
	}
}

// filled returns how many sync messages with changes a client has received, and the bytes of these.
func filled(c *stock.Client) (messages, bytes int) {
	for _, m := range c.Messages() {
		if m.Direction == "in" && m.Changes > 0 {
			messages++
			bytes += m.Bytes
		}
	}
	return messages, bytes
}

// What a client has made offline comes as one document chunk, and is nobody else's burden.
func TestDocumentMadeOffline(t *testing.T) {
	n := node.Start(t, node.Options{})
	for _, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			o := &office{t: t, node: n, mix: m}
			ann := o.open("ann", offline(withStorage(o.options("ann"), t.TempDir())))
			url := ann.Create(object{"lines": list{}, "n": stock.Counter(0), "text": "abc"})
			ann.ChangeMany(url, 300, stock.Increment(stock.P("n"), 1), stock.Insert(stock.P("lines"), 0, object{"item": "x"}))
			ann.Change(url, stock.Splice(stock.P("text"), 1, 1, "é😀"))
			ann.Connect()
			ann.WaitConnected(1)
			bob := o.client("bob")
			bob.FindReady(url)
			got := converge(t, url, ann, bob)
			want(t, "counter", got["n"], any(object{"$counter": 300.0}))
			up := 0
			for _, m := range ann.Messages() {
				if m.Direction == "out" && m.Changes > 0 {
					if up++; m.Changes != 1 || m.Version != 2 {
						t.Errorf("sent in V%d, %d parts", m.Version, m.Changes)
					}
				}
			}
			if up != 1 {
				t.Errorf("%d messages with changes, want 1:\n%s", up, report(url, []*stock.Client{ann, bob}))
			}
		})
	}
	n.Stop()
	n.Check()
}

// A device that missed the newer half comes back after a snapshot was written and the node was started again.
func TestReturnAfterASnapshot(t *testing.T) {
	for _, m := range mixes[:2] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			o := &office{t: t, node: node.Start(t, node.Options{}), mix: m}
			ann := o.client("ann")
			url := ann.Create(object{"n": 0})
			ann.ChangeMany(url, 500, stock.SetCount(stock.P("n")))
			options := withStorage(o.options("bob"), t.TempDir())
			bob := o.open("bob", options)
			bob.FindReady(url)
			agree(t, url, ann, bob)
			bob.Close()
			// Fewer than a third: they come as changes, out of the snapshot.
			ann.ChangeMany(url, 200, stock.SetCount(stock.P("n")))
			heads := ann.Heads(url)
			rita := o.client("rita")
			rita.FindReady(url)
			rita.WaitHeads(url, heads)
			ann.Abandon()
			rita.Abandon()
			o.awaitSnapshots()
			o.node.Kill()
			o.node.Run()

			bob.Reopen(options)
			bob.FindReady(url)
			bob.WaitHeads(url, heads)
			if messages, _ := filled(bob); messages != 1 {
				t.Errorf("%d messages with changes, want 1:\n%s", messages, report(url, []*stock.Client{bob}))
			}
			bob.Change(url, stock.Set(stock.P("n"), -1))
			cleo := o.client("cleo")
			cleo.FindReady(url)
			got := converge(t, url, bob, cleo)
			want(t, "n", got["n"], any(-1.0))
			o.node.Stop()
			o.node.Check()
		})
	}
}

// Somebody sends changes that would end the other clients' processes. They don't notice.
func TestPoison(t *testing.T) {
	n := node.Start(t, node.Options{})
	for _, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			o := &office{t: t, node: n, mix: m}
			ann, bob := o.client("ann"), o.client("bob")
			url := ann.Create(object{"n": 0, "list": list{1, 2, 3}})
			bob.FindReady(url)
			converge(t, url, ann, bob)
			parsed, err := id.ParseURL(url)
			if err != nil {
				t.Fatal(err)
			}
			told := make(chan string, 64)
			eve, err := peer.Dial(t.Context(), peer.Options{URL: n.SyncURL(), Token: n.Token(node.Claims{Sub: "eve"}), OnFrame: func(m wire.Message) {
				if e, ok := m.(wire.Error); ok {
					told <- e.Message
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer eve.Drop()
			for i, bad := range poison(t, ann.Heads(url)) {
				m := protocol.Message{Version: protocol.V1, Heads: []crdt.Hash{bad.Hash}, Changes: [][]byte{bad.Bytes()}}
				if err := eve.Send(t.Context(), wire.Sync{SenderID: eve.ID, TargetID: eve.Server.SenderID, Document: parsed.Document, Data: m.Append(nil)}.Append(nil)); err != nil {
					t.Fatal(err)
				}
				select {
				case text := <-told:
					t.Log(text)
				case <-time.After(convergeTimeout):
					t.Fatalf("change %d isn't refused", i)
				}
				ann.Change(url, stock.Set(stock.P("n"), i))
				got := converge(t, url, ann, bob)
				want(t, "n", got["n"], any(float64(i)))
			}
		})
	}
	n.Stop()
	n.Check()
}

// poison returns changes on heads, each of which refers to something that isn't there.
func poison(t *testing.T, heads []string) (changes []*crdt.Change) {
	t.Helper()
	var deps []crdt.Hash
	for _, text := range heads {
		h, err := crdt.ParseHash(text)
		if err != nil {
			t.Fatal(err)
		}
		deps = append(deps, h)
	}
	const start = 1000
	for i, ops := range [][]crdt.Op{
		// inside an object of nobody's
		{{Action: crdt.ActionSet, Obj: crdt.OpID{Counter: 999, Actor: "nobody"}, Key: crdt.MapKey("x"), Value: crdt.IntValue(1)}},
		// inside a number
		{{Action: crdt.ActionSet, Key: crdt.MapKey("x"), Value: crdt.IntValue(1)},
			{Action: crdt.ActionSet, Obj: crdt.OpID{Counter: start, Actor: "eve-1"}, Key: crdt.MapKey("y"), Value: crdt.IntValue(1)}},
		// a text key in a list
		{{Action: crdt.ActionMakeList, Key: crdt.MapKey("x")},
			{Action: crdt.ActionSet, Obj: crdt.OpID{Counter: start, Actor: "eve-2"}, Key: crdt.MapKey("y"), Value: crdt.IntValue(1)}},
		// overwriting the value of another key
		{{Action: crdt.ActionSet, Key: crdt.MapKey("x"), Value: crdt.IntValue(1)},
			{Action: crdt.ActionDelete, Key: crdt.MapKey("y"), Preds: []crdt.OpID{{Counter: start, Actor: "eve-3"}}}},
		// a mark that ends and never began
		{{Action: crdt.ActionMakeText, Key: crdt.MapKey("x")},
			{Action: crdt.ActionMark, Obj: crdt.OpID{Counter: start, Actor: "eve-4"}, Key: crdt.ElemKey(crdt.OpID{}), Insert: true}},
	} {
		c, err := crdt.EncodeChange(crdt.ChangeMeta{Deps: deps, Actor: crdt.ActorID(fmt.Sprint("eve-", i)), Seq: 1, StartOp: start}, ops)
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, c)
	}
	return changes
}
