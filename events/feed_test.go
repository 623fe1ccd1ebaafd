package events

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
	"concord/store"
)

// What was missed comes from the same place as what is live.
func TestLiveAndMissed(t *testing.T) {
	for _, memory := range []int{0, 1, 4000} {
		t.Run(fmt.Sprint("memory ", memory), func(t *testing.T) {
			n := start(t, Options{Memory: memory})
			f, joined := n.join(alice, Start{})
			if !joined.Recovered || !slices.Equal(joined.Rooms, []string{"user:alice", "company:acme"}) || joined.Refused != nil {
				t.Errorf("joined: %+v", joined)
			}
			n.tell("acme", "company:acme", numbered(0, 10)...)
			n.tell("acme", "user:bob", "not for alice")
			n.expect(f, numbered(0, 10)...)
			f.Close()
			n.tell("acme", "user:alice", numbered(10, 20)...)
			g, again := n.join(alice, Start{Cursor: joined.Cursor})
			if !again.Recovered {
				t.Error("not recovered")
			}
			n.tell("acme", "company:acme", numbered(20, 30)...)
			cursor := n.expect(g, numbered(0, 30)...)
			n.silent(g)
			g.Close()
			n.reopen()
			n.tell("acme", "company:acme", numbered(30, 40)...)
			h, _ := n.join(alice, Start{Cursor: cursor})
			n.expect(h, numbered(30, 40)...)
			fresh, _ := n.join(alice, Start{})
			n.silent(fresh)
			n.tell("acme", "company:acme", "at last")
			n.expect(h, "at last")
			n.expect(fresh, "at last")
		})
	}
}

func TestEachItemsCursorGoesOnAfterIt(t *testing.T) {
	n := start(t, Options{})
	f, _ := n.join(alice, Start{})
	n.tell("acme", "company:acme", numbered(0, 5)...)
	for i := range 5 {
		b, err := f.Next(t.Context(), 1)
		if err != nil || len(b.Items) != 1 {
			t.Fatalf("next: %+v, %v", b, err)
		}
		for _, cursor := range []string{b.Cursor, b.Items[0].Cursor, f.Cursor()} {
			g, _ := n.join(alice, Start{Cursor: cursor})
			n.expect(g, numbered(i+1, 5)...)
			g.Close()
		}
	}
}

func TestItemsAreSharedAndWhole(t *testing.T) {
	n := start(t, Options{})
	want := Event{
		ID: NewID(testTime), Type: "invoice:paid", Room: "company:acme", Time: testTime.Add(7 * time.Millisecond), From: "zo\u00eb \"z\"",
		Receipts: true, Data: []byte(`{"a":[1,"<\u2028>"]}`),
	}
	var items []Item
	var feeds []*Feed
	for range 3 {
		f, _ := n.join(alice, Start{})
		feeds = append(feeds, f)
	}
	n.put("acme", want)
	for _, f := range feeds {
		b, err := f.Next(t.Context(), 10)
		if err != nil || len(b.Items) != 1 {
			t.Fatalf("next: %+v, %v", b, err)
		}
		items = append(items, b.Items[0])
	}
	if diff := cmp.Diff(&want, items[0].Event); diff != "" {
		t.Error(diff)
	}
	if &items[0].JSON[0] != &items[2].JSON[0] || items[0].Event != items[2].Event {
		t.Error("an event was encoded twice")
	}
	const text = `","type":"invoice:paid","room":"company:acme","time":"2023-11-14T22:13:20.007Z","from":"zoë \"z\"","receipts":true,` +
		`"data":{"a":[1,"<\u2028>"]}}`
	if got := string(items[0].JSON); got != `{"id":"`+want.ID+text {
		t.Errorf("JSON: %s", got)
	}
}

func TestFilter(t *testing.T) {
	n := start(t, Options{Memory: 1})
	all, _ := n.join(alice, Start{})
	some, _ := n.join(alice, Start{Filter: []string{"stock:updated", "invoice:*"}})
	none, _ := n.join(alice, Start{Filter: []string{}})
	star, _ := n.join(alice, Start{Filter: []string{"*"}})
	for i, name := range []string{"invoice:paid", "stock:updated", "stock:updated2", "invoice:sent", "invoic:e"} {
		e := n.event("company:acme", fmt.Sprint(i))
		e.Type = name
		n.put("acme", e)
	}
	n.expect(all, numbered(0, 5)...)
	n.expect(star, numbered(0, 5)...)
	n.expect(some, "0", "1", "3")
	n.silent(some)
	n.silent(none)
	for _, bad := range [][]string{{""}, {"a b"}, {"a*b"}, make([]string, MaxFilter+1)} {
		if _, _, err := n.log.Join(t.Context(), alice, Start{Filter: bad}); !errors.Is(err, ErrInvalid) {
			t.Errorf("filter %q: %v, want ErrInvalid", bad, err)
		}
	}
}

func TestRooms(t *testing.T) {
	n := start(t, Options{})
	who := alice
	who.MayOpen = func(d id.DocumentID) bool { return d != doc(3) }
	old := n.event(DocumentRoom(doc(1)), "before")
	n.put("acme", old)
	f, joined := n.join(who, Start{Rooms: []string{
		DocumentRoom(doc(1)), DocumentRoom(doc(3)), "user:bob", "company:globex", "nothing", "document:x", "user:alice", DocumentRoom(doc(1)),
	}})
	if want := []string{"user:alice", "company:acme", DocumentRoom(doc(1))}; !slices.Equal(joined.Rooms, want) {
		t.Errorf("rooms: %q, want %q", joined.Rooms, want)
	}
	var refused []string
	messages := make(map[string]string)
	for _, r := range joined.Refused {
		refused = append(refused, r.Room)
		messages[r.Room] = r.Message
	}
	if want := []string{DocumentRoom(doc(3)), "user:bob", "company:globex", "nothing", "document:x"}; !slices.Equal(refused, want) {
		t.Errorf("refused: %q, want %q", refused, want)
	}
	if messages["user:bob"] != messages[DocumentRoom(doc(3))] {
		t.Errorf("messages: %q", messages)
	}
	n.tell("acme", DocumentRoom(doc(1)), "one")
	n.tell("acme", DocumentRoom(doc(2)), "before the subscription")
	n.expect(f, "one")
	n.tell("acme", DocumentRoom(doc(1)), "two")
	n.tell("acme", DocumentRoom(doc(2)), "before the subscription too")
	// The feed has not read "two" yet, and so is behind: the room still begins here.
	if r := f.Subscribe([]string{DocumentRoom(doc(2)), "user:bob"}); len(r) != 1 || r[0].Room != "user:bob" {
		t.Errorf("refused: %v", r)
	}
	n.tell("acme", DocumentRoom(doc(2)), "three")
	f.Unsubscribe([]string{DocumentRoom(doc(1)), "user:alice", "company:acme", "nothing"})
	n.tell("acme", DocumentRoom(doc(1)), "after")
	n.tell("acme", "user:alice", "four")
	n.expect(f, "three", "four")
	// An event about a document that the session may not see doesn't come, wherever it was sent.
	secret := n.event("company:acme", "about three")
	secret.Document = doc(3)
	transient := n.event("user:alice", "also about three")
	transient.Document = doc(3)
	n.log.Send("acme", transient)
	if err := n.store.Append(t.Context(), newDocument("acme", doc(3)), nil); err != nil {
		t.Fatal(err)
	}
	n.put("acme", secret)
	n.silent(f)
	var many []string
	for i := range MaxRooms {
		many = append(many, DocumentRoom(id.DocumentID{9, byte(i >> 8), byte(i)}))
	}
	if r := f.Subscribe(many); len(r) != 3 {
		t.Errorf("%d rooms were refused, want 3", len(r))
	}
}

func TestTwoCompaniesShareNothing(t *testing.T) {
	n := start(t, Options{})
	var feeds []*Feed
	for _, company := range []string{"a", "acme", "acm", "acme2"} {
		f, _ := n.join(Listener{Company: company, User: "alice", Device: "phone"}, Start{Rooms: []string{DocumentRoom(doc(1)), "company:acme"}})
		feeds = append(feeds, f)
	}
	n.tell("acme", "user:alice", "1")
	n.tell("acme", DocumentRoom(doc(1)), "2")
	n.tell("acme", "company:acme", "3")
	n.log.Send("acme", n.event(DocumentRoom(doc(1)), "4"))
	cursor := n.expect(feeds[1], "1", "2", "3", "4")
	if err := n.log.Ack(t.Context(), alice, cursor); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 2, 3} {
		n.silent(feeds[i])
		n.tell(feeds[i].who.Company, "user:alice", "own")
		n.expect(feeds[i], "own")
	}
	// A cursor of another company tells nothing of it.
	stranger := Listener{Company: "a", User: "alice", Device: "phone"}
	g, joined := n.join(stranger, Start{Cursor: cursor})
	if joined.Recovered {
		t.Error("a cursor that is beyond the log was taken as recovered")
	}
	n.expect(g, "own")
	if err := n.log.Ack(t.Context(), stranger, cursor); !errors.Is(err, ErrCursor) {
		t.Errorf("ack beyond the log: %v, want ErrCursor", err)
	}
}

func TestSentEventsAreLiveOnly(t *testing.T) {
	n := start(t, Options{})
	n.log.Send("acme", n.event("company:acme", "nobody listens"))
	f, _ := n.join(alice, Start{Filter: []string{"test:*"}})
	g, _ := n.join(alice, Start{Filter: []string{"other:*"}})
	slow, _ := n.join(alice, Start{})
	for i := range 100 {
		n.log.Send("acme", n.event("company:acme", fmt.Sprint(i)))
		n.expect(f, fmt.Sprint(i))
	}
	n.log.Send("acme", Event{Type: "test:event", Room: "company:acme", Data: []byte(`"without a time"`)})
	n.expect(f, "without a time")
	n.log.Send("acme", Event{Type: "no type", Room: "company:acme"})
	n.tell("acme", "company:acme", "kept")
	n.expect(f, "kept")
	n.silent(f)
	n.silent(g)
	n.expect(slow, append(append([]string{"kept"}, numbered(37, 100)...), "without a time")...)
	b, _ := n.join(alice, Start{Cursor: slow.Cursor()})
	n.silent(b)
	n.log.Send("acme", n.event("company:acme", "now"))
	batch, err := b.Next(t.Context(), 1)
	if err != nil || batch.Items[0].Cursor != "" {
		t.Errorf("event that isn't kept has the cursor %q, %v", batch.Items[0].Cursor, err)
	}
}

// A device for which nothing happens gets newer cursors nevertheless.
func TestIdleFeedsShowTheirCursor(t *testing.T) {
	n := start(t, Options{TTL: 240 * time.Millisecond, Now: time.Now})
	f, joined := n.join(alice, Start{})
	n.put("acme", Event{Type: "test:event", Room: "user:bob", Time: time.Now()})
	b, err := f.Next(t.Context(), 10)
	if err != nil || len(b.Items) != 0 || b.Gap || b.Cursor == joined.Cursor {
		t.Fatalf("next: %+v, %v", b, err)
	}
	if p, err := parseCursor(b.Cursor); p.number != 1 || err != nil {
		t.Errorf("cursor: %+v, %v", p, err)
	}
	n.silent(f)
}

func TestSlowFeedsTakeNoMemory(t *testing.T) {
	n := start(t, Options{Memory: 10_000})
	slow, _ := n.join(alice, Start{})
	quick, _ := n.join(alice, Start{})
	for i := range 300 {
		n.tell("acme", "company:acme", fmt.Sprint(i))
		n.log.Send("acme", n.event("user:bob", "of no interest"))
		n.expect(quick, fmt.Sprint(i))
	}
	c := n.log.company("acme")
	if len(c.tail) == 0 || c.size > n.log.o.Memory || len(c.tail) > 20 || len(slow.sent) > 0 {
		t.Errorf("%d events of %d bytes are in memory, and %d for the slow feed", len(c.tail), c.size, len(slow.sent))
	}
	n.expect(slow, numbered(0, 300)...)
	slow.Close()
	slow.Close()
	if _, err := slow.Next(t.Context(), 1); !errors.Is(err, ErrClosed) {
		t.Errorf("next of a closed feed: %v, want ErrClosed", err)
	}
	quick.Close()
	if n.log.company("acme") != nil {
		t.Error("a company without feeds is in memory")
	}
}

func TestCloseEndsFeeds(t *testing.T) {
	n := start(t, Options{})
	f, _ := n.join(alice, Start{})
	done := make(chan error)
	go func() {
		_, err := f.Next(t.Context(), 1)
		done <- err
	}()
	n.log.Close()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("next: %v, want ErrClosed", err)
	}
	if _, _, err := n.log.Join(t.Context(), alice, Start{}); !errors.Is(err, ErrClosed) {
		t.Errorf("join: %v, want ErrClosed", err)
	}
	if err := n.log.Ack(t.Context(), alice, f.Cursor()); !errors.Is(err, ErrClosed) {
		t.Errorf("ack: %v, want ErrClosed", err)
	}
}

// The events of a document go with it, also those in memory.
func TestPurgedDocumentsEventsAreGone(t *testing.T) {
	for _, memory := range []int{1, 0} {
		n := start(t, Options{Memory: memory})
		if err := n.store.Append(t.Context(), newDocument("acme", doc(1)), nil); err != nil {
			t.Fatal(err)
		}
		f, joined := n.join(alice, Start{})
		about := n.event("company:acme", "about the document")
		about.Document = doc(1)
		n.put("acme", n.event("company:acme", "before"), about, n.event("company:acme", "after"))
		done := make(chan error)
		gone, err := n.event("company:acme", "it is gone").Record()
		if err != nil {
			t.Fatal(err)
		}
		p := store.Purge{At: testTime, Records: []store.Record{gone}}
		key := store.DocKey{Company: "acme", Document: doc(1)}
		if err := n.store.Purge(t.Context(), key, p, func(err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		n.expect(f, "before", "after", "it is gone")
		if err := n.store.AwaitWipe(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		g, again := n.join(alice, Start{Cursor: joined.Cursor})
		n.expect(g, "before", "after", "it is gone")
		if !again.Recovered {
			t.Error("a purge was taken as a gap")
		}
	}
}

// A record that can't be read is told as a gap, and what comes after it goes on.
func TestDamagedRecord(t *testing.T) {
	n := start(t, Options{Memory: 1})
	n.tell("acme", "company:acme", numbered(0, 20)...)
	l := n.openOn(&damaged{n.store, 8})
	defer l.Close()
	f, _, err := l.Join(t.Context(), alice, Start{Cursor: position{l.epoch, 0, 0}.String()})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	for len(got) < 19 {
		b, err := f.Next(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if b.Gap {
			got = append(got, "gap")
		}
		for _, item := range b.Items {
			got = append(got, textOf(t, item))
		}
	}
	if want := slices.Concat(numbered(0, 7), []string{"gap"}, numbered(8, 20)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// damaged can't read the event with a number.
type damaged struct {
	*store.Store
	number uint64
}

func (d *damaged) Scan(company string, table store.Table, part store.Range, fn func(key, value []byte) error) error {
	return d.Store.Scan(company, table, part, func(key, value []byte) error {
		if table == store.TableEvents && slices.Equal(key, numberKey(d.number)) {
			return store.ErrCorrupt
		}
		return fn(key, value)
	})
}

func TestJoinRefusesInvalid(t *testing.T) {
	n := start(t, Options{})
	for name, change := range map[string]func(*Listener){
		"no company":  func(w *Listener) { w.Company = "" },
		"no user":     func(w *Listener) { w.User = "" },
		"long user":   func(w *Listener) { w.User = string(make([]byte, 257)) },
		"long device": func(w *Listener) { w.Device = string(make([]byte, 129)) },
		"no UTF-8":    func(w *Listener) { w.Device = "\xff" },
	} {
		who := alice
		change(&who)
		if _, _, err := n.log.Join(t.Context(), who, Start{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: join: %v, want ErrInvalid", name, err)
		}
		if err := n.log.Ack(t.Context(), who, ""); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: ack: %v, want ErrInvalid", name, err)
		}
	}
	for _, cursor := range []string{"x", "AAAA", position{n.log.epoch, 1, -1}.String()} {
		if _, _, err := n.log.Join(t.Context(), alice, Start{Cursor: cursor}); !errors.Is(err, ErrCursor) {
			t.Errorf("cursor %q: join: %v, want ErrCursor", cursor, err)
		}
		if err := n.log.Ack(t.Context(), alice, cursor); !errors.Is(err, ErrCursor) {
			t.Errorf("cursor %q: ack: %v, want ErrCursor", cursor, err)
		}
	}
	for _, o := range []Options{{TTL: -1}, {TTL: maxTTL + 1}, {Memory: -1}} {
		if l, err := Open(n.store, o); err == nil {
			l.Close()
			t.Errorf("options %+v were taken", o)
		}
	}
	if n.log.company("acme") != nil {
		t.Error("a company without feeds is in memory")
	}
}
