package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"concord/crdt"
	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
	"concord/sync/protocol"
	"concord/sync/wire"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

// server is one to test against: how to reach it, and as whom.
type server struct {
	url   string
	token func(user string) string
}

// onServers runs a test against this server and the stock one: a peer that only understands its own would prove little.
func onServers(t *testing.T, test func(t *testing.T, s server)) {
	t.Run("stock", func(t *testing.T) {
		test(t, server{stock.ReferenceServer(t, ""), func(string) string { return "" }})
	})
	t.Run("concord", func(t *testing.T) {
		n := node.Start(t, node.Options{})
		test(t, server{n.SyncURL(), func(user string) string { return n.Token(node.Claims{Sub: user}) }})
	})
}

func (s server) dial(t *testing.T, user string, o Options) *Peer {
	t.Helper()
	o.URL, o.Token = s.url, s.token(user)
	p, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Drop)
	return p
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func set(t *testing.T, d *Document, key string, value int64) crdt.Hash {
	t.Helper()
	h, err := d.Set(key, crdt.IntValue(value))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestEditsTravelAndAreAcknowledged(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		ctx := within(t)
		a, b := s.dial(t, "alice", Options{}), s.dial(t, "bob", Options{})
		doc := NewDocumentID()
		da := a.Create(doc)
		first := set(t, da, "a", 0)
		if err := da.WaitAcked(ctx, first); err != nil {
			t.Fatal(err)
		}
		db := b.Open(doc)
		if available, err := db.WaitSynced(ctx); err != nil || !available {
			t.Fatal(available, err)
		}
		for i := range 20 {
			ha, hb := set(t, da, "a", int64(i)), set(t, db, "b", int64(i))
			for _, err := range []error{da.WaitAcked(ctx, ha), db.WaitAcked(ctx, hb), da.WaitFor(ctx, hb), db.WaitFor(ctx, ha)} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := da.Len(); got != 41 {
			t.Errorf("%d changes, want 41", got)
		}
		if n := da.Unacked() + db.Unacked(); n != 0 {
			t.Errorf("%d changes are not acknowledged", n)
		}
		if covered := da.CoveredByServer([]crdt.Hash{first, {1}}); len(covered) != 1 || !covered[first] {
			t.Errorf("covered %v, want only %v", covered, first)
		}
		if s := a.Stats(); s.Refused != 0 || s.FramesIn == 0 || s.BytesOut == 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// The changes must be ones that JavaScript takes too, and again when it reloads them: the stock server does both.
func TestChangesAreValidForStockClients(t *testing.T) {
	url := stock.ReferenceServer(t, "")
	p := server{url, func(string) string { return "" }}.dial(t, "", Options{})
	doc := NewDocumentID()
	d := p.Create(doc)
	var last crdt.Hash
	for i := range 5 {
		last = set(t, d, fmt.Sprintf("k%d", i%2), int64(i))
	}
	if err := d.WaitAcked(within(t), last); err != nil {
		t.Fatal(err)
	}
	other := server{url, func(string) string { return "" }}.dial(t, "", Options{})
	do := other.Open(doc)
	if err := do.WaitFor(within(t), last); err != nil {
		t.Fatal(err)
	}
}

// The answer to the question and the first change cross each other.
func TestEditRightAfterOpening(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		a, b := s.dial(t, "alice", Options{}), s.dial(t, "bob", Options{})
		ctx := within(t)
		for i := range 100 {
			doc := NewDocumentID()
			da, db := a.Open(doc), b.Open(doc)
			h := set(t, da, "a", int64(i))
			if err := errors.Join(da.WaitAcked(ctx, h), db.WaitFor(ctx, h)); err != nil {
				t.Fatalf("document %d: %v", i, err)
			}
		}
	})
}

func TestEmptyChangeIsAcknowledged(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		d := s.dial(t, "alice", Options{}).Create(NewDocumentID())
		set(t, d, "a", 1)
		h, err := d.Empty()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.WaitAcked(within(t), h); err != nil {
			t.Fatal(err)
		}
	})
}

func TestUnknownDocumentIsUnavailableAndAppearsLater(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		ctx := within(t)
		doc := NewDocumentID()
		d := s.dial(t, "alice", Options{}).Open(doc)
		if available, err := d.WaitSynced(ctx); err != nil || available || !d.Unavailable() {
			t.Fatal(available, err)
		}
		h := set(t, s.dial(t, "bob", Options{}).Create(doc), "a", 1)
		if err := d.WaitFor(ctx, h); err != nil {
			t.Fatal(err)
		}
		if d.Unavailable() {
			t.Error("still unavailable")
		}
	})
}

func TestHooksTellOfEachChangeOnce(t *testing.T) {
	onServers(t, func(t *testing.T, s server) {
		var mu sync.Mutex
		acked, seen, frames := map[crdt.Hash]int{}, map[crdt.Hash]int{}, 0
		count := func(m map[crdt.Hash]int) func(*Document, crdt.Hash) {
			return func(_ *Document, h crdt.Hash) { mu.Lock(); m[h]++; mu.Unlock() }
		}
		a := s.dial(t, "alice", Options{OnAck: count(acked)})
		b := s.dial(t, "bob", Options{OnChange: count(seen), OnFrame: func(wire.Message) { mu.Lock(); frames++; mu.Unlock() }})
		doc := NewDocumentID()
		da, db := a.Create(doc), b.Open(doc)
		var all []crdt.Hash
		for i := range 30 {
			all = append(all, set(t, da, "a", int64(i)))
		}
		ctx := within(t)
		if err := errors.Join(da.WaitAcked(ctx, all[29]), db.WaitFor(ctx, all[29])); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, h := range all {
			if acked[h] != 1 || seen[h] != 1 {
				t.Errorf("change %v: acked %d times, seen %d times", h, acked[h], seen[h])
			}
		}
		if frames == 0 {
			t.Error("no frame was seen")
		}
	})
}

func TestManyPeersConverge(t *testing.T) {
	n := node.Start(t, node.Options{})
	s := server{n.SyncURL(), func(user string) string { return n.Token(node.Claims{Sub: user}) }}
	doc := NewDocumentID()
	var docs []*Document
	for i := range 50 {
		docs = append(docs, s.dial(t, fmt.Sprint("user-", i), Options{Advertise: protocol.Advertise(i % 2)}).Create(doc))
	}
	var all []crdt.Hash
	for round := range 4 {
		for i, d := range docs {
			all = append(all, set(t, d, fmt.Sprint(i), int64(round)))
		}
	}
	ctx := within(t)
	for i, d := range docs {
		for _, h := range all {
			if err := d.WaitFor(ctx, h); err != nil {
				t.Fatalf("peer %d holds %d of %d changes: %v", i, d.Len(), len(all), err)
			}
		}
		if n := d.peer.Stats().Refused; n != 0 {
			t.Errorf("peer %d refused %d changes", i, n)
		}
	}
}

func TestServersCloseCodeIsTold(t *testing.T) {
	n := node.Start(t, node.Options{})
	s := server{n.SyncURL(), func(user string) string { return n.Token(node.Claims{Sub: user}) }}
	p := s.dial(t, "alice", Options{})
	if err := p.Send(t.Context(), []byte{0xff}); err != nil {
		t.Fatal(err)
	}
	d := p.Create(NewDocumentID())
	err := d.WaitFor(within(t), crdt.Hash{1})
	var end *wire.CloseError
	if !errors.As(err, &end) || end.Code != wire.CloseMalformed || end.Reason == "" {
		t.Errorf("the wait ended with %v, want close code %d with a reason", err, wire.CloseMalformed)
	}
	<-p.Done()
	if !errors.As(p.Err(), &end) {
		t.Errorf("the connection ended with %v", p.Err())
	}
}
