package hub

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/protocol"
)

// call exchanges messages over Hub.Sync until both sides have nothing to say, and
// returns how many the client has sent.
func (c *client) call(r *rig, storage string, doc id.DocumentID) (sent int) {
	c.tb.Helper()
	d := c.doc(doc)
	for sent < 20 {
		out, ok, err := d.state.Generate(d.view(), nil)
		if err != nil {
			c.tb.Fatal(err)
		}
		if !ok {
			return sent
		}
		sent++
		answer, err := r.hub.Sync(c.tb.Context(), c.session, storage, doc, out.Bytes)
		if err != nil {
			c.tb.Fatal(err)
		}
		if len(answer.Refused) > 0 {
			c.tb.Fatalf("refused: %v", answer.Refused)
		}
		if answer.Message == nil {
			return sent
		}
		m, err := protocol.Decode(answer.Message, protocol.Limits{})
		if err != nil {
			c.tb.Fatal(err)
		}
		before := d.graph.Heads()
		for _, part := range m.Changes {
			if err := crdt.ParseChunks(part, crdt.Limits{}, func(ch crdt.DocumentChange) error {
				kept, err := ch.Keep(append([]byte(nil), ch.Raw...))
				if err == nil {
					d.add(kept)
				}
				return err
			}); err != nil {
				c.tb.Fatal(err)
			}
		}
		d.state.Receive(d.view(), m, before)
	}
	c.tb.Fatal("the exchange doesn't end")
	return 0
}

func caller(t *testing.T, s Session, name string) *client {
	return &client{tb: t, id: name, session: s, docs: make(map[id.DocumentID]*replica)}
}

func TestSyncWithoutAConnection(t *testing.T) {
	for _, storage := range []string{"", "storage-of-c"} {
		t.Run("storage="+storage, func(t *testing.T) {
			r := newRig(t, Options{})
			b := r.connect(bob(), "b", "")
			c := caller(t, alice(), "c")
			for i := range 10 {
				for range 3 {
					c.edit(docA, fmt.Sprint("c", i))
				}
				if i%2 == 0 {
					b.save(docA, fmt.Sprint("b", i))
				}
				if i%3 == 0 { // the program was started again
					c.doc(docA).state = protocol.New(protocol.Options{})
				}
				if n := c.call(r, storage, docA); n > 5 {
					t.Errorf("round %d took %d messages", i, n)
				}
				b.until("all changes", func() bool { return b.doc(docA).graph.Len() == c.doc(docA).graph.Len() })
			}
			if n := c.doc(docA).graph.Len(); n != 35 {
				t.Errorf("%d changes", n)
			}
			_, kept, err := r.store.SyncState(store.SyncKey{Company: "acme", User: "alice", StorageID: storage, Document: docA})
			if err != nil || kept != (storage != "") {
				t.Errorf("sync state kept: %v %v", kept, err)
			}
			// Whoever says that both have the same is told nothing.
			heads := c.doc(docA).graph.Heads()
			m := protocol.Message{Version: protocol.V1, Heads: heads, Have: []protocol.Have{{LastSync: heads}}}
			answer, err := r.hub.Sync(t.Context(), alice(), storage, docA, m.Append(nil))
			if err != nil || answer.Message != nil {
				t.Errorf("answered with %x, %v", answer.Message, err)
			}
			var runs []string
			if err := r.store.Attributions(keyOf(docA), 0, 35, func(r store.Run) error {
				runs = append(runs, r.User+" "+r.Device)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if want := "alice " + storage; len(runs) == 0 || runs[0] != want && runs[1] != want {
				t.Errorf("attributed to %q", runs)
			}
		})
	}
}

func TestSyncWithoutAConnectionHasTheSameLimits(t *testing.T) {
	r := newRig(t, Options{})
	c := caller(t, alice(), "c")
	ch := c.edit(docA, "x")
	hello := rawSync(nil, nil)
	if _, err := r.hub.Sync(t.Context(), alice(), "", docA, hello); !errors.Is(err, ErrNotFound) {
		t.Errorf("a document that isn't there: %v", err)
	}
	if n := r.hub.Stats().Documents; n != 0 {
		t.Errorf("%d documents in memory", n)
	}
	if _, err := r.hub.Sync(t.Context(), alice(), "", docA, []byte("garbage")); !errors.Is(err, ErrMalformed) {
		t.Errorf("garbage: %v", err)
	}
	viewer := alice()
	viewer.ReadOnly = true
	if _, err := r.hub.Sync(t.Context(), viewer, "", docA, rawSync([]crdt.Hash{ch.Hash}, ch.Bytes())); !errors.Is(err, ErrNotFound) {
		t.Errorf("a viewer's document: %v", err)
	}
	narrow := alice()
	narrow.MayOpen = func(doc id.DocumentID) bool { return doc != docA }
	if _, err := r.hub.Sync(t.Context(), narrow, "", docA, rawSync([]crdt.Hash{ch.Hash}, ch.Bytes())); !errors.Is(err, ErrNotFound) {
		t.Errorf("a narrowed session: %v", err)
	}
	c.call(r, "", docA)
	late, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: "late", Seq: 2, StartOp: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.hub.Sync(t.Context(), alice(), "", docA, rawSync([]crdt.Hash{late.Hash}, late.Bytes()))
	if err != nil || len(answer.Refused) != 1 || answer.Refused[0].Hash != late.Hash || answer.Message == nil {
		t.Errorf("a change that is refused: %+v %v", answer, err)
	}
	if content, _ := r.json(docA); content != `{"x":1}` {
		t.Errorf("content %s", content)
	}
}

// A user's rate is that of its connections and calls together, and isn't
// forgotten between them.
func TestCallsCountAgainstTheRate(t *testing.T) {
	r := newRig(t, Options{MessageRate: 1, MessageBurst: 3, SaveInterval: time.Millisecond})
	limited := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := r.hub.Sync(ctx, alice(), "", docA, rawSync(nil, nil))
		return !errors.Is(err, ErrNotFound)
	}
	for i := range 3 {
		if limited() {
			t.Fatalf("call %d has to wait", i)
		}
	}
	if !limited() {
		t.Error("a call above the rate is answered at once")
	}
	if _, err := r.hub.Sync(t.Context(), bob(), "", docA, rawSync(nil, nil)); !errors.Is(err, ErrNotFound) {
		t.Errorf("another user's: %v", err)
	}
	r.hub.mu.Lock()
	for _, u := range r.hub.users {
		u.limiter.SetLimit(rate.Inf) // much later
	}
	r.hub.mu.Unlock()
	waitFor(t, "nobody to remember", func() bool {
		r.hub.mu.Lock()
		defer r.hub.mu.Unlock()
		return len(r.hub.users) == 0
	})
}
