package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
	"concord/store"
)

func with(p Publication) Publication {
	p.Receipts = true
	return p
}

// read takes n events from a feed, and returns the latest cursor.
func (n *node) read(f *Feed, count int) (list []*Event, cursor string) {
	n.t.Helper()
	for len(list) < count {
		b, err := f.Next(n.t.Context(), count-len(list))
		if err != nil {
			n.t.Fatal(err)
		}
		for _, item := range b.Items {
			list = append(list, item.Event)
		}
		cursor = b.Cursor
	}
	return list, cursor
}

func (n *node) receipts(event string) EventReceipts {
	n.t.Helper()
	r, err := n.log.Receipts("acme", event, "billing")
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

func listener(user, device string) Listener {
	return Listener{Company: "acme", User: user, Device: device}
}

func (n *node) ack(who Listener, cursor string) {
	n.t.Helper()
	if err := n.log.Ack(n.t.Context(), who, cursor); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) seen(who Listener, ids ...string) {
	n.t.Helper()
	if err := n.log.Seen(n.t.Context(), who, ids); err != nil {
		n.t.Fatal(err)
	}
}

// told reads the next event of a feed, of a type, into v.
func (n *node) told(f *Feed, name string, v any) {
	n.t.Helper()
	list, _ := n.read(f, 1)
	if list[0].Type != name {
		n.t.Fatalf("event is %s, want %s", list[0].Type, name)
	}
	if err := newCatalogue(n.t).Validate(name, list[0].Data); err != nil {
		n.t.Error(err)
	}
	if err := json.Unmarshal(list[0].Data, v); err != nil {
		n.t.Fatal(err)
	}
}

func TestReceipts(t *testing.T) {
	n := start(t, Options{gather: time.Hour})
	publisher, _ := n.join(listener("billing", "server"), Start{Filter: []string{typeReceipt}})
	phone, _ := n.join(alice, Start{Filter: []string{"notification:new"}})
	tablet, _ := n.join(listener("alice", "tablet"), Start{Filter: []string{"notification:new"}})
	nameless, _ := n.join(listener("carol", ""), Start{})
	bob, _ := n.join(listener("bob", "phone"), Start{Filter: []string{"other:*"}})
	n.publish("billing", "", note("company:acme", "without"))
	one := n.publish("billing", "", with(note("company:acme", "one")))[0].ID
	two := n.publish("billing", "", with(note("user:alice", "two")))[0].ID
	_, first := n.read(phone, 2)
	n.read(phone, 1)
	_, all := n.read(tablet, 3)
	n.read(nameless, 2)
	if r := n.receipts(one); len(r.Delivered) != 0 || r.Delivered == nil || r.Read == nil {
		t.Errorf("before any acknowledgement: %+v", r)
	}
	n.clock.advance(time.Second)
	at := n.clock.Now()
	n.ack(alice, first)
	n.ack(listener("alice", "tablet"), all)
	n.ack(listener("bob", "phone"), all) // which was handed out nothing of it
	n.log.flushReceipts()
	var got receiptData
	for range 2 {
		n.told(publisher, typeReceipt, &got)
		want := receiptData{Event: one, Delivered: []Delivery{{"alice", "phone", at}, {"alice", "tablet", at}}, Read: []Reading{}}
		if got.Event == two {
			want = receiptData{Event: two, Delivered: []Delivery{{"alice", "tablet", at}}, Read: []Reading{}}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	n.ack(alice, all)
	n.ack(listener("alice", "tablet"), all) // again
	n.log.flushReceipts()
	n.told(publisher, typeReceipt, &got)
	if got.Event != two || len(got.Delivered) != 1 || got.Delivered[0].Device != "phone" {
		t.Errorf("told: %+v", got)
	}
	n.seen(listener("carol", ""), one)
	n.seen(listener("carol", ""), two) // of alice's room
	n.log.flushReceipts()
	n.told(publisher, typeReceipt, &got)
	if diff := cmp.Diff(receiptData{Event: one, Delivered: []Delivery{}, Read: []Reading{{"carol", at}}}, got); diff != "" {
		t.Error(diff)
	}
	n.log.flushReceipts()
	n.silent(publisher)
	n.silent(bob)
	want := EventReceipts{Event: one, Delivered: []Delivery{{"alice", "phone", at}, {"alice", "tablet", at}}, Read: []Reading{{"carol", at}}}
	n.reopen()
	if diff := cmp.Diff(want, n.receipts(one)); diff != "" {
		t.Error(diff)
	}
	if r := n.receipts(two); len(r.Delivered) != 2 || len(r.Read) != 0 {
		t.Errorf("receipts: %+v", r)
	}
}

func TestWhoMayAskForReceipts(t *testing.T) {
	n := start(t, Options{TTL: time.Hour, gather: time.Hour})
	answer := n.publish("billing", "", note("company:acme", "without"), with(note("company:acme", "with")))
	for _, test := range []struct {
		company, event, by string
		want               error
	}{
		{"acme", answer[1].ID, "billing", nil},
		{"acme", answer[1].ID, "", nil},
		{"acme", answer[1].ID, "alice", ErrNoReceipts},
		{"acme", answer[0].ID, "billing", ErrNoReceipts},
		{"globex", answer[1].ID, "billing", ErrNoReceipts},
		{"globex", answer[1].ID, "", ErrNoReceipts},
		{"acme", NewID(testTime), "billing", ErrNoReceipts},
		{"acme", "nothing", "billing", ErrNoReceipts},
		{"acme", "", "", ErrNoReceipts},
	} {
		if _, err := n.log.Receipts(test.company, test.event, test.by); !errors.Is(err, test.want) {
			t.Errorf("%+v: %v", test, err)
		}
	}
	n.clock.advance(2 * time.Hour)
	n.log.trim()
	if _, err := n.log.Receipts("acme", answer[1].ID, ""); !errors.Is(err, ErrNoReceipts) {
		t.Errorf("receipts that have expired: %v", err)
	}
}

// What was handed out before a restart, and is acknowledged after it, counts as delivered.
func TestDeliveryAcrossRestart(t *testing.T) {
	n := start(t, Options{gather: time.Hour})
	f, joined := n.join(alice, Start{})
	n.ack(alice, joined.Cursor)
	one := n.publish("billing", "", with(note("company:acme", "one")))[0].ID
	_, cursor := n.read(f, 1)
	n.reopen()
	late := n.publish("billing", "", with(note("company:acme", "two")))[0].ID
	g, _ := n.join(alice, Start{Cursor: cursor})
	stranger, joined := n.join(listener("bob", "phone"), Start{})
	n.ack(alice, cursor)
	n.ack(listener("bob", "phone"), joined.Cursor)
	stranger.Close()
	n.join(listener("bob", "phone"), Start{Cursor: joined.Cursor})
	n.ack(listener("bob", "phone"), joined.Cursor)
	n.log.Close()
	if r := n.receipts(one); len(r.Delivered) != 1 || r.Delivered[0].User != "alice" {
		t.Errorf("receipts: %+v", r)
	}
	if r := n.receipts(late); len(r.Delivered) != 0 {
		t.Errorf("receipts of what nobody has: %+v", r)
	}
	g.Close()
}

// What is read on one device shows on the other, live and later, once.
func TestReadOnOneDeviceShowsOnTheOther(t *testing.T) {
	n := start(t, Options{gather: time.Hour})
	tablet, _ := n.join(listener("alice", "tablet"), Start{Filter: []string{typeRead}})
	others, _ := n.join(listener("bob", "phone"), Start{Filter: []string{typeRead}})
	a, b := NewID(testTime), n.publish("billing", "", note("company:acme", "one"))[0].ID
	n.seen(alice, b, a, b)
	type read struct {
		User string
		IDs  []string
	}
	var got read
	n.told(tablet, typeRead, &got)
	if got.User != "alice" || !slices.Equal(got.IDs, []string{b, a}) {
		t.Errorf("told: %+v", got)
	}
	old, future := NewID(testTime.Add(-31*24*time.Hour)), NewID(testTime.Add(time.Hour))
	n.reopen()
	tablet, _ = n.join(listener("alice", "tablet"), Start{Filter: []string{typeRead}})
	n.seen(listener("alice", ""), b, a, old, future)
	c := NewID(testTime)
	n.seen(listener("alice", "tablet"), a, c)
	n.told(tablet, typeRead, &got)
	if !slices.Equal(got.IDs, []string{c}) {
		t.Errorf("told: %+v", got)
	}
	n.silent(tablet)
	_ = others
	for _, ids := range [][]string{nil, {"x"}, {a, ""}, slices.Repeat([]string{a}, MaxSeen+1)} {
		if err := n.log.Seen(t.Context(), alice, ids); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d IDs: %v, want ErrInvalid", len(ids), err)
		}
	}
	if err := n.log.Seen(t.Context(), Listener{Company: "acme"}, []string{a}); !errors.Is(err, ErrInvalid) {
		t.Errorf("nobody: %v, want ErrInvalid", err)
	}
	n.seen(alice, slices.Repeat([]string{a}, MaxSeen)...)
}

// Only who may open a document tells that its events were read.
func TestReadingNeedsTheDocument(t *testing.T) {
	n := start(t, Options{gather: time.Hour})
	n.addDocument(doc(1))
	x := n.publish("billing", "", with(note(DocumentRoom(doc(1)), "about it")))[0].ID
	who := alice
	who.MayOpen = func(id.DocumentID) bool { return false }
	n.seen(who, x)
	n.log.flushReceipts()
	if r := n.receipts(x); len(r.Read) != 0 {
		t.Errorf("receipts: %+v", r)
	}
	n.seen(alice, x)
	n.log.flushReceipts()
	if r := n.receipts(x); len(r.Read) != 1 {
		t.Errorf("receipts: %+v", r)
	}
	done := make(chan error, 1)
	key := store.DocKey{Company: "acme", Document: doc(1)}
	if err := n.store.Purge(t.Context(), key, store.Purge{At: testTime}, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := n.log.Receipts("acme", x, ""); !errors.Is(err, ErrNoReceipts) {
		t.Errorf("receipts of a purged document: %v", err)
	}
}

// A publisher is told at most a flush's worth at once, however many have got an event, and what waits is bounded.
func TestReceiptsAreBounded(t *testing.T) {
	n := start(t, Options{gather: time.Hour})
	publisher, _ := n.join(listener("billing", "server"), Start{Filter: []string{typeReceipt}})
	x := n.publish("billing", "", with(note("company:acme", "one")))[0].ID
	for i := range 700 {
		n.seen(listener(fmt.Sprint("user", i, string(make([]byte, 40))), ""), x)
	}
	n.log.flushReceipts()
	var got receiptData
	n.told(publisher, typeReceipt, &got)
	if len(got.Read) == 0 || got.More == 0 || len(got.Read)+got.More != 700 {
		t.Errorf("%d are told, and %d more", len(got.Read), got.More)
	}
	if r := n.receipts(x); len(r.Read) != 700 {
		t.Errorf("%d receipts, want 700", len(r.Read))
	}
	f, _ := n.join(alice, Start{Filter: []string{"notification:new"}})
	var list []Publication
	for i := range MaxPublications {
		list = append(list, with(note("user:alice", fmt.Sprint(i))))
	}
	n.publish("billing", "", list...)
	last := n.publish("billing", "", list...)
	n.read(f, 2*MaxPublications)
	if got := len(n.log.deliveries.handed[device{"acme", "alice", "phone"}]); got != maxHanded || n.log.deliveries.count != maxHanded {
		t.Errorf("%d events wait, %d are counted, want %d", got, n.log.deliveries.count, maxHanded)
	}
	n.ack(alice, last[len(last)-1].Cursor)
	if n.log.deliveries.count != 0 {
		t.Errorf("%d are counted, want none", n.log.deliveries.count)
	}
	many := with(note("company:acme", "many devices"))
	y := n.publish("billing", "", many)[0]
	for i := range MaxDevices + 5 {
		who := listener("alice", fmt.Sprint("device", i))
		n.log.handOut(&who, 1, mustValue(t, y.ID))
		n.ack(who, y.Cursor)
		n.log.flushReceipts()
	}
	if r := n.receipts(y.ID); len(r.Delivered) != MaxDevices {
		t.Errorf("%d deliveries, want %d", len(r.Delivered), MaxDevices)
	}
	n.log.handOut(&alice, 1, mustValue(t, NewID(testTime.Add(-time.Hour))))
	n.log.handOut(&alice, 2, mustValue(t, NewID(testTime.Add(time.Hour))))
	n.log.deliveries.forgetBefore(testTime)
	if n.log.deliveries.count != 1 {
		t.Errorf("%d are counted, want 1", n.log.deliveries.count)
	}
}

func mustValue(t testing.TB, event string) []byte {
	t.Helper()
	value, err := (&Event{ID: event, Type: "test:event", Room: "user:alice", Time: testTime}).encode()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// The publisher is told without anybody's doing.
func TestReceiptsAreTold(t *testing.T) {
	n := start(t, Options{gather: time.Millisecond})
	publisher, _ := n.join(listener("billing", "server"), Start{Filter: []string{typeReceipt}})
	f, _ := n.join(alice, Start{})
	x := n.publish("billing", "", with(note("user:alice", "one")))[0].ID
	_, cursor := n.read(f, 1)
	var got receiptData
	n.ack(alice, cursor)
	n.told(publisher, typeReceipt, &got)
	if got.Event != x || len(got.Delivered) != 1 {
		t.Errorf("told: %+v", got)
	}
	n.seen(alice, x)
	n.told(publisher, typeReceipt, &got)
	if got.Event != x || len(got.Read) != 1 {
		t.Errorf("told: %+v", got)
	}
}
