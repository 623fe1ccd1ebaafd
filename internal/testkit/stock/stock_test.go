package stock_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/testkit/stock"
)

// The instrument against the server it was not made for: what fails here is the instrument.
func TestClientsThroughTheReferenceServer(t *testing.T) {
	url := stock.ReferenceServer(t, t.TempDir())
	one, two := stock.Start(t, stock.V1), stock.Start(t, stock.V2)
	dir := t.TempDir()
	ann := one.Client(t, "ann", stock.ClientOptions{URL: url})
	bob := two.Client(t, "bob", stock.ClientOptions{URL: url, Storage: dir})
	ann.WaitConnected(1)
	bob.WaitConnected(1)

	doc := ann.Create(map[string]any{"text": "abc", "list": []any{1}, "n": stock.Counter(1)})
	bob.FindReady(doc)
	bob.Disconnect()
	bob.Change(doc,
		stock.Splice(stock.P("text"), 1, 1, "x"), stock.Mark(stock.P("text"), 0, 2, "bold", true),
		stock.Insert(stock.P("list"), 99, 2).Wrapped(), stock.Increment(stock.P("n"), 4),
		stock.Set(stock.P("when"), stock.Date(time.UnixMilli(5))), stock.Set(stock.P("raw"), stock.Bytes([]byte{1})))
	ann.Change(doc, stock.Set(stock.P("ann"), stock.ScalarString("s")))
	bob.Connect()
	bob.WaitConnected(2)
	for deadline := time.Now().Add(10 * time.Second); !slices.Equal(ann.Heads(doc), bob.Heads(doc)); {
		if time.Now().After(deadline) {
			t.Fatalf("ann has %v, bob %v", ann.Heads(doc), bob.Heads(doc))
		}
		time.Sleep(10 * time.Millisecond)
	}
	want := map[string]any{
		"text": "axc", "list": []any{1.0, 2.0}, "n": map[string]any{"$counter": 5.0},
		"when": map[string]any{"$date": 5.0}, "raw": map[string]any{"$bytes": "AQ=="}, "ann": map[string]any{"$string": "s"},
	}
	for _, c := range []*stock.Client{ann, bob} {
		if diff := cmp.Diff(want, c.Get(doc)); diff != "" {
			t.Errorf("%s's document (-want +got):\n%s", c.Name(), diff)
		}
		if diff := cmp.Diff([]stock.TextMark{{Name: "bold", Value: true, Start: 0, End: 2}}, c.Marks(doc, stock.P("text"))); diff != "" {
			t.Errorf("%s's marks (-want +got):\n%s", c.Name(), diff)
		}
	}

	heads := bob.Heads(doc)
	bob.Close()
	bob.Reopen(stock.ClientOptions{URL: url, Storage: dir, Offline: true})
	bob.FindReady(doc)
	bob.WaitHeads(doc, heads)
}

func TestFailingCallsSayWhy(t *testing.T) {
	p := stock.Start(t, stock.V2)
	err := p.Call("heads", map[string]any{"client": "nobody"}, nil, 0)
	if err == nil || !strings.Contains(err.Error(), "no client nobody") {
		t.Errorf("error %v, want one that names the client", err)
	}
	p.Stop()
	err = p.Call("faults", nil, nil, 0)
	if err == nil {
		t.Error("a stopped process answers")
	}
}
