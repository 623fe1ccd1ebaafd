package e2e

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"testing"

	"concord/internal/id"
	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

// Both generations load an exported document: of single changes, of a snapshot, and of a snapshot with changes after it.
func TestExport(t *testing.T) {
	o := &office{t: t, node: node.Start(t, node.Options{}), mix: mixes[2]}
	ann, bob := o.client("ann"), o.client("bob")
	url := ann.Create(invoice())
	bob.FindReady(url)
	converge(t, url, ann, bob)
	ann.Disconnect()
	ann.Change(url, stock.Set(stock.P("customer", "name"), "Ann's 👩‍💼"), stock.Mark(stock.P("notes"), 0, 6, "bold", true))
	bob.Change(url, stock.Set(stock.P("customer", "name"), "Bob's"), stock.Increment(stock.P("views"), 5), stock.Remove(stock.P("lines"), 0, 1))
	ann.Connect()
	o.exports(url, ann, bob)

	ann.ChangeMany(url, 500, stock.SetCount(stock.P("n")), stock.Insert(stock.P("tags"), 1, "c"))
	agree(t, url, ann, bob)
	o.awaitSnapshots()
	o.exports(url, ann, bob)
	bob.Change(url, stock.Set(stock.P("after"), "the snapshot"), stock.Splice(stock.P("notes"), 3, 2, "é"))
	o.exports(url, ann, bob)
}

// exports compares what devices of both generations load with what clients that are connected have.
func (o *office) exports(url string, clients ...*stock.Client) {
	o.t.Helper()
	content := converge(o.t, url, clients...)
	heads := clients[0].Heads(url)
	for _, g := range []stock.Generation{stock.V1, stock.V2} {
		var file []byte
		d := driver(o.t, g).Device(o.t, "loader of "+heads[0])
		// Clients may have what isn't durable yet.
		eventually(o.t, "the export has all changes", func() bool {
			var code int
			if code, file = o.octets("erp", http.MethodGet, "/v1/documents/"+documentOf(url)+"/export", nil); code != http.StatusOK {
				o.t.Fatalf("export: %d %s", code, file)
			}
			d.Load(file)
			return slices.Equal(d.Heads(), heads)
		})
		want(o.t, "content of the export", d.Get(), content)
	}
}

// A program that has Automerge and no WebSocket syncs by HTTP alone, both ways, with clients that are connected.
func TestDeviceByHTTP(t *testing.T) {
	n := node.Start(t, node.Options{})
	for _, m := range mixes[:2] {
		t.Run(m.name, func(t *testing.T) {
			o := &office{t: t, node: n, mix: m}
			ann := o.client("ann")
			url := ann.Create(object{"text": "abc", "n": stock.Counter(0)})
			ann.ChangeMany(url, 50, stock.Increment(stock.P("n"), 1))
			scanner := driver(t, m.generations[0]).Device(t, "scanner")
			eventually(t, "scanner has what ann has", func() bool {
				if code, _ := o.octets("erp", http.MethodGet, "/v1/documents/"+documentOf(url), nil); code == http.StatusNotFound {
					return false
				}
				o.exchange(scanner, url)
				return slices.Equal(scanner.Heads(), ann.Heads(url))
			})

			for i := range 3 {
				scanner.Change(stock.Splice(stock.P("text"), 0, 0, "s"), stock.Increment(stock.P("n"), 100))
				ann.Change(url, stock.Set(stock.P("ann"), i), stock.Increment(stock.P("n"), 1))
				o.exchange(scanner, url)
				eventually(t, "scanner and ann agree", func() bool {
					o.exchange(scanner, url)
					return slices.Equal(scanner.Heads(), ann.Heads(url))
				})
			}
			want(t, "content of the scanner", scanner.Get(), ann.Get(url))
			want(t, "content of both", ann.Get(url), object{"text": "sssabc", "n": object{"$counter": 353.0}, "ann": 2.0})

			// A document of its own comes to be by a message with its changes.
			url = id.URL{Document: peer.NewDocumentID()}.String()
			maker := driver(t, m.generations[0]).Device(t, "maker")
			maker.Change(stock.Set(stock.P("made"), "offline"))
			o.exchange(maker, url)
			ann.FindReady(url)
			ann.WaitHeads(url, maker.Heads())
			o.purge(url)
			if code, _ := o.octets("scanner", http.MethodPost, "/v1/documents/"+documentOf(url)+"/sync", driver(t, m.generations[0]).Device(t, "late").Generate()); code != http.StatusGone {
				t.Errorf("sync of a purged document: %d, want 410", code)
			}
		})
	}
	n.Stop()
	n.Check()
}

// exchange carries sync messages between a device and the node until both are silent.
func (o *office) exchange(d *stock.Device, url string) {
	o.t.Helper()
	d.Begin()
	const most = 10
	for range most {
		message := d.Generate()
		if message == nil {
			return
		}
		code, answer := o.octets("scanner", http.MethodPost, "/v1/documents/"+documentOf(url)+"/sync", message)
		switch code {
		case http.StatusOK:
			d.Receive(answer)
		case http.StatusNoContent:
		default:
			o.t.Fatalf("sync: %d %s", code, answer)
		}
	}
	o.t.Fatalf("device and node aren't silent after %d messages", most)
}

// octets makes a REST call with bytes that aren't JSON; each user has a storage ID of that name.
func (o *office) octets(user, method, path string, body []byte) (code int, answer []byte) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.node.URL(path), bytes.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+o.node.Token(node.Claims{Sub: user}))
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Concord-Storage-Id", user)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		o.t.Fatal(err)
	}
	return resp.StatusCode, answer
}
