package e2e

import (
	"strings"
	"time"

	"concord/internal/testkit/stock"
)

// object is a JSON map.
type object = map[string]any

// list is a JSON list.
type list = []any

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// invoice returns a business document that has a value of every type.
func invoice() object {
	return object{
		"number":   stock.ScalarString("2026-0042"),
		"customer": object{"name": "Müller & Söhne", "vat": nil, "active": true},
		"lines": list{
			object{"item": "screws", "quantity": 100, "price": 0.12},
			object{"item": "nuts", "quantity": 50, "price": 0.08},
		},
		"notes":   "Please pay soon.",
		"views":   stock.Counter(0),
		"issued":  stock.Date(day),
		"scan":    stock.Bytes([]byte{0, 1, 2, 253, 254, 255}),
		"tags":    list{"a", "b"},
		"balance": -12,
	}
}

func createAndFind(o *office) {
	ann, bob := o.client("ann"), o.client("bob")
	url := ann.Create(invoice())
	bob.FindReady(url)
	got := converge(o.t, url, ann, bob)
	want(o.t, "document", got, map[string]any{
		"number":   object{"$string": "2026-0042"},
		"customer": object{"name": "Müller & Söhne", "vat": nil, "active": true},
		"lines": list{
			object{"item": "screws", "quantity": 100.0, "price": 0.12},
			object{"item": "nuts", "quantity": 50.0, "price": 0.08},
		},
		"notes":   "Please pay soon.",
		"views":   object{"$counter": 0.0},
		"issued":  object{"$date": float64(day.UnixMilli())},
		"scan":    object{"$bytes": "AAEC/f7/"},
		"tags":    list{"a", "b"},
		"balance": -12.0,
	})

	bob.Change(url, stock.Set(stock.P("balance"), 7))
	if got := converge(o.t, url, ann, bob); got["balance"] != 7.0 {
		o.t.Errorf("balance is %v, want 7", got["balance"])
	}
}

func findBeforeCreation(o *office) {
	ann := o.open("ann", offline(o.options("ann")))
	url := ann.Create(object{"title": "early"})

	bob, cleo := o.client("bob"), o.client("cleo")
	want(o.t, "state before creation", bob.Find(url), "unavailable")
	want(o.t, "state before creation", cleo.Find(url), "unavailable")

	ann.Connect()
	bob.WaitReady(url)
	cleo.WaitReady(url)
	converge(o.t, url, ann, bob, cleo)

	bob.Change(url, stock.Set(stock.P("title"), "late"))
	if got := converge(o.t, url, ann, bob, cleo); got["title"] != "late" {
		o.t.Errorf("title is %v, want late", got["title"])
	}
}

func concurrentEdits(o *office) {
	ann, bob, cleo := o.client("ann"), o.client("bob"), o.client("cleo")
	url := ann.Create(invoice())
	bob.FindReady(url)
	cleo.FindReady(url)
	converge(o.t, url, ann, bob, cleo)

	ann.Disconnect()
	bob.Unplug()
	ann.Change(url,
		stock.Set(stock.P("customer", "name"), "Ann's customer"),
		stock.Insert(stock.P("lines"), 1, object{"item": "washers", "quantity": 7}),
		stock.Splice(stock.P("notes"), 0, 6, "Kindly"),
		stock.Mark(stock.P("notes"), 0, 6, "bold", true),
		stock.Increment(stock.P("views"), 5),
		stock.Set(stock.P("issued"), stock.Date(day.AddDate(0, 1, 0))))
	ann.Change(url, stock.Increment(stock.P("views"), -2), stock.Remove(stock.P("tags"), 0, 1))
	bob.Change(url,
		stock.Set(stock.P("customer", "name"), "Bob's customer"),
		stock.Insert(stock.P("lines"), 1, object{"item": "bolts", "quantity": 9}),
		stock.Splice(stock.P("notes"), 16, 0, " Thank you!"),
		stock.Mark(stock.P("notes"), 7, 10, "italic", "strong"),
		stock.Increment(stock.P("views"), 10),
		stock.Set(stock.P("scan"), stock.Bytes([]byte("new"))))
	bob.Change(url, stock.Insert(stock.P("tags"), 2, "c"), stock.Delete(stock.P("balance")))
	cleo.Change(url, stock.Set(stock.P("lines", 0, "quantity"), 101), stock.Increment(stock.P("views"), 100))

	ann.Connect()
	bob.Connect()
	// Everybody has made changes of their own, so equal heads mean that all have met.
	got := converge(o.t, url, ann, bob, cleo)

	want(o.t, "counter", got["views"], any(object{"$counter": 113.0}))
	want(o.t, "text", got["notes"], any("Kindly pay soon. Thank you!"))
	want(o.t, "tags", got["tags"], any(list{"b", "c"}))
	want(o.t, "bytes", got["scan"], any(object{"$bytes": "bmV3"}))
	want(o.t, "date", got["issued"], any(object{"$date": float64(day.AddDate(0, 1, 0).UnixMilli())}))
	if _, there := got["balance"]; there {
		o.t.Error("the deleted key is there")
	}
	lines := got["lines"].(list)
	if len(lines) != 4 {
		o.t.Errorf("%d lines, want 4: %v", len(lines), lines)
	}
	want(o.t, "quantity", lines[0].(object)["quantity"], any(101.0))

	conflict := ann.Conflicts(url, stock.P("customer", "name"))
	if len(conflict) != 2 {
		o.t.Errorf("conflict %v, want two values", conflict)
	}
	for _, c := range []*stock.Client{bob, cleo} {
		want(o.t, "conflict", c.Conflicts(url, stock.P("customer", "name")), conflict)
		want(o.t, "marks", c.Marks(url, stock.P("notes")), ann.Marks(url, stock.P("notes")))
	}
	want(o.t, "marks", ann.Marks(url, stock.P("notes")), []stock.TextMark{
		{Name: "bold", Value: true, Start: 0, End: 6},
		{Name: "italic", Value: "strong", Start: 7, End: 10},
	})

	cleo.Change(url, stock.Unmark(stock.P("notes"), 7, 10, "italic"))
	converge(o.t, url, ann, bob, cleo)
	for _, c := range []*stock.Client{ann, bob, cleo} {
		want(o.t, "marks", c.Marks(url, stock.P("notes")), []stock.TextMark{{Name: "bold", Value: true, Start: 0, End: 6}})
	}
}

func unicode(o *office) {
	ann, bob := o.client("ann"), o.client("bob")
	family := "👨‍👩‍👧‍👦"
	url := ann.Create(object{"text": "日本語 " + family + " é", "ключ": "значение", "": "empty key", "list": list{"𝄞", "ß", "\u0000", "\u2028"}})
	bob.FindReady(url)
	converge(o.t, url, ann, bob)

	ann.Disconnect()
	bob.Disconnect()
	ann.Change(url, stock.Splice(stock.P("text"), 0, 3, "中文"), stock.Set(stock.P("🔑"), "🔓"))
	bob.Change(url, stock.UpdateText(stock.P("text"), "日本語 "+family+" é — ok 🎉"), stock.Insert(stock.P("list"), 4, strings.Repeat("ö", 5000)))
	ann.Connect()
	bob.Connect()

	got := converge(o.t, url, ann, bob)
	want(o.t, "text", got["text"], any("中文 "+family+" é — ok 🎉"))
	want(o.t, "values", []any{got["ключ"], got[""], got["🔑"]}, []any{"значение", "empty key", "🔓"})
	want(o.t, "list", got["list"], any(list{"𝄞", "ß", "\u0000", "\u2028", strings.Repeat("ö", 5000)}))
}

func offlineWithStorage(o *office) {
	dir := o.t.TempDir()
	bob := o.client("bob")
	ann := o.open("ann", withStorage(o.options("ann"), dir))
	ann.WaitConnected(1)
	url := ann.Create(object{"log": list{}})
	bob.FindReady(url)
	ann.Change(url, stock.Insert(stock.P("log"), 0, "ann online"))
	converge(o.t, url, ann, bob)
	ann.Close()

	bob.Change(url, stock.Insert(stock.P("log"), 1, "bob while ann is away"))

	ann.Reopen(offline(withStorage(o.options("ann"), dir)))
	ann.FindReady(url)
	ann.Change(url, stock.Insert(stock.P("log"), 1, "ann offline"))
	ann.Close()

	ann.Reopen(withStorage(o.options("ann"), dir))
	ann.FindReady(url)
	ann.WaitConnected(1)
	got := converge(o.t, url, ann, bob)
	entries := got["log"].(list)
	if len(entries) != 3 || entries[0] != "ann online" {
		o.t.Errorf("log is %v, want three entries", entries)
	}
}

// A client doesn't tell of an empty change before something else makes it talk, so this one is made offline.
func emptyChange(o *office) {
	ann, bob, cleo := o.client("ann"), o.client("bob"), o.client("cleo")
	url := ann.Create(object{"a": 1})
	bob.FindReady(url)
	cleo.FindReady(url)
	converge(o.t, url, ann, bob, cleo)

	ann.Disconnect()
	ann.EmptyChange(url, "approved")
	heads := ann.Heads(url)
	ann.Connect()
	bob.WaitHeads(url, heads)
	cleo.WaitHeads(url, heads)

	dave := o.client("dave")
	dave.FindReady(url)
	dave.WaitHeads(url, heads)
	want(o.t, "changes", dave.History(url), ann.History(url))
}

func losingSide(o *office) {
	ann, bob, cleo := o.client("ann"), o.client("bob"), o.client("cleo")
	url := ann.Create(object{"state": "draft"})
	bob.FindReady(url)
	cleo.FindReady(url)
	converge(o.t, url, ann, bob, cleo)

	ann.Disconnect()
	bob.Disconnect()
	// One change more gives bob the greater operation ID: he wins.
	bob.Change(url, stock.Set(stock.P("state"), "sent"))
	bob.Change(url, stock.Set(stock.P("state"), "paid"))
	ann.Change(url, stock.Set(stock.P("state"), "void"))
	bob.Connect()
	cleo.WaitHeads(url, bob.Heads(url))
	ann.Connect() // nothing of hers shows at cleo's

	got := converge(o.t, url, ann, bob, cleo)
	want(o.t, "state", got["state"], any("paid"))
	if conflict := cleo.Conflicts(url, stock.P("state")); len(conflict) != 2 {
		o.t.Errorf("conflict %v, want two values", conflict)
	}
}
