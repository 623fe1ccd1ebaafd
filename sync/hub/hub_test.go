package hub

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

func TestTwoClientsShareADocument(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.connect(alice(), "a", "store-a"), r.connect(bob(), "b", "")
	first := a.save(docA, "x")
	b.request(docA)
	b.has(docA, first.Hash)

	second := b.save(docA, "y")
	a.has(docA, second.Hash)

	info, ok, err := r.store.Document(store.DocKey{Company: "acme", Document: docA})
	if err != nil || !ok || info.Changes != 2 {
		t.Fatalf("stored: %+v %v %v", info, ok, err)
	}
	var runs []store.Run
	if err := r.store.Attributions(store.DocKey{Company: "acme", Document: docA}, 0, 2, func(run store.Run) error {
		runs = append(runs, run)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(runs) != 2 || runs[0].User != "alice" || runs[0].Device != "store-a" || runs[1].User != "bob" || runs[1].Device != "b" {
		t.Errorf("attribution: %+v", runs)
	}
}

func TestRequestForAnUnknownDocument(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	b.request(docA)
	if m, ok := b.next().(wire.DocUnavailable); !ok || m.Document != docA {
		t.Fatalf("got %#v, want doc-unavailable", m)
	}
	ch := a.save(docA, "x")
	b.has(docA, ch.Hash) // pushed when it appears
}

func TestCompaniesShareNothing(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	b := r.connect(Session{Company: "other", User: "alice"}, "a", "") // same peer ID, other company
	a.save(docA, "x")
	b.request(docA)
	if m, ok := b.next().(wire.DocUnavailable); !ok {
		t.Fatalf("got %#v, want doc-unavailable", m)
	}
	b.save(docA, "y")
	a.quiet()
	if b.doc(docA).graph.Len() != 1 || a.doc(docA).graph.Len() != 1 {
		t.Error("a change crossed companies")
	}
}

func TestGrantsNarrowTheSession(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	s := bob()
	s.MayOpen = func(d id.DocumentID) bool { return d == docB }
	b := r.connect(s, "b", "")
	b.edit(docA, "evil")
	b.speak(docA)
	if _, ok := b.next().(wire.DocUnavailable); !ok {
		t.Fatal("no doc-unavailable")
	}
	a.quiet()
	if a.doc(docA).graph.Len() != 1 {
		t.Error("a change without a grant was merged")
	}
}

func TestViewerIsReadOnly(t *testing.T) {
	r := newRig(t, Options{})
	s := bob()
	s.ReadOnly = true
	a, v := r.connect(alice(), "a", ""), r.connect(s, "v", "")
	ch := a.save(docA, "x")
	v.request(docA)
	v.has(docA, ch.Hash)
	v.edit(docA, "not mine to change")
	d := v.doc(docA)
	// A client that ignores the flags sends its change all the same.
	v.send(wire.Sync{SenderID: "v", Document: docA, Data: rawSync(d.graph.Heads(), d.chunks[1])})
	v.quiet()
	a.quiet()
	if got := a.doc(docA).graph.Len(); got != 1 {
		t.Errorf("the editor has %d changes, want 1", got)
	}
	if info, _, _ := r.store.Document(store.DocKey{Company: "acme", Document: docA}); info.Changes != 1 {
		t.Errorf("stored %d changes, want 1", info.Changes)
	}
}

func TestRefusedChangeHarmsNothingElse(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.connect(alice(), "a", "store-a"), r.connect(bob(), "b", "")
	good := a.save(docA, "x")
	b.request(docA)
	b.has(docA, good.Hash)

	gap, err := crdt.EncodeChange(crdt.ChangeMeta{Deps: []crdt.Hash{good.Hash}, Actor: a.doc(docA).actor, Seq: 5, StartOp: 2},
		[]crdt.Op{{Action: crdt.ActionSet, Key: crdt.MapKey("k"), Value: crdt.IntValue(1)}})
	if err != nil {
		t.Fatal(err)
	}
	a.send(wire.Sync{SenderID: "a", Document: docA, Data: rawSync([]crdt.Hash{gap.Hash}, gap.Bytes())})
	a.until("error", func() bool { return len(a.other) > 0 })
	if e, ok := a.other[0].(wire.Error); !ok || !strings.Contains(e.Message, docA.String()) || !strings.Contains(e.Message, "seq-gap") {
		t.Errorf("sender was told %#v", a.other[0])
	}
	var rejections []store.Rejection
	waitFor(t, "rejection", func() bool {
		rejections, err = r.store.Rejections("acme", 10, 0)
		return len(rejections) > 0
	})
	if err != nil || len(rejections) != 1 || store.Hash(gap.Hash) != rejections[0].Hash || rejections[0].User != "alice" || rejections[0].Reason != "seq-gap" {
		t.Errorf("rejections: %+v %v", rejections, err)
	}
	if n := r.hub.Stats().Refused[crdt.ReasonSeqGap]; n != 1 {
		t.Errorf("counted %d", n)
	}
	// The same document and others go on.
	next, other := a.edit(docA, "y"), a.edit(docB, "z")
	a.speak(docA)
	a.speak(docB)
	a.acked(docB, other.Hash)
	a.acked(docA, next.Hash)
	b.has(docA, next.Hash)
	if b.doc(docA).graph.Has(gap.Hash) {
		t.Error("the refused change was relayed")
	}
}

func TestRefusedHeadsDontLoop(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	d := a.doc(docA)
	bad, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: "x", Seq: 7, StartOp: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The client believes in a change that the hub refuses.
	if err := d.graph.Restore(bad.Header()); err != nil {
		t.Fatal(err)
	}
	d.chunks = append(d.chunks, bad.Bytes())
	a.speak(docA)
	for range 200 {
		m, err := a.receive(300 * time.Millisecond)
		if err != nil {
			return // silence
		}
		a.take(m)
	}
	t.Error("hub and client tell each other the same for ever")
}

func TestEphemeral(t *testing.T) {
	r := newRig(t, Options{})
	a, b, c := r.connect(alice(), "a", ""), r.connect(bob(), "b", ""), r.connect(bob(), "c", "")
	ch := a.save(docA, "x")
	b.request(docA)
	b.has(docA, ch.Hash)
	c.request(docB)
	a.quiet()
	b.quiet()
	c.quiet()
	b.other, c.other = nil, nil

	send := func(from *client, sender string, count uint64) {
		from.send(wire.Ephemeral{SenderID: sender, TargetID: "s", Document: docA, SessionID: "s1", Count: count, Data: []byte{0x01}})
	}
	send(a, "a", 1)
	send(a, "a", 1) // repeat
	send(b, "a", 1) // echo
	send(c, "c", 1) // hasn't the document open
	send(a, "a", 2)
	b.until("ephemerals", func() bool { return len(b.other) >= 2 })
	b.quiet()
	a.quiet()
	c.quiet()
	if len(b.other) != 2 || len(a.other) != 0 || len(c.other) != 0 {
		t.Fatalf("a %d, b %d, c %d messages; want 0, 2, 0", len(a.other), len(b.other), len(c.other))
	}
	for i, m := range b.other {
		if e, ok := m.(wire.Ephemeral); !ok || e.SenderID != "a" || e.SessionID != "s1" || e.Count != uint64(i+1) || e.TargetID != "b" {
			t.Errorf("relayed as %#v", m)
		}
	}
}

func TestRemoteHeads(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.connect(alice(), "a", "store-a"), r.connect(bob(), "b", "")
	ch := a.save(docA, "x")
	b.request(docA)
	b.has(docA, ch.Hash)
	b.quiet()
	b.other = nil
	b.send(wire.RemoteSubscriptionChange{SenderID: "b", Add: []string{"store-a"}})
	b.until("known heads", func() bool { return len(b.other) == 1 })
	second := a.save(docA, "y")
	b.until("new heads", func() bool { return len(b.other) == 2 })
	m, ok := b.other[1].(wire.RemoteHeadsChanged)
	if !ok || len(m.NewHeads) != 1 || m.NewHeads[0].StorageID != "store-a" || len(m.NewHeads[0].Heads) != 1 || m.NewHeads[0].Heads[0] != [32]byte(second.Hash) || m.NewHeads[0].Timestamp == 0 {
		t.Errorf("got %#v", b.other[1])
	}
}

func TestSyncStateSurvivesRestart(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "store-a")
	for range 50 {
		a.edit(docA, "x")
	}
	a.save(docA, "x")
	a.quiet()
	a.leaveSocket()
	r.stop()
	r.start(Options{})

	key := store.SyncKey{Company: "acme", User: "alice", StorageID: "store-a", Document: docA}
	if saved, ok, err := r.store.SyncState(key); err != nil || !ok || !bytes.HasSuffix(saved, a.doc(docA).state.Save()) {
		t.Fatalf("saved state: %x %v %v", saved, ok, err)
	}
	again := r.connect(alice(), "a", "store-a")
	again.docs = a.docs
	d := again.doc(docA)
	state := d.state.Save()
	reload(t, d, state)
	again.save(docA, "y")
	again.quiet()
	if in := r.hub.Stats().BytesIn; in > 1000 {
		t.Errorf("the returning client sent %d bytes for one change", in)
	}
}

func TestEvictedDocumentGoesOn(t *testing.T) {
	r := newRig(t, Options{DocumentCache: 1, SaveInterval: 5 * time.Millisecond})
	a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	b.request(docA)
	for i := range 20 {
		ch := a.save(docA, "x")
		b.has(docA, ch.Hash)
		if i%5 == 0 {
			a.quiet()
			b.quiet()
			waitFor(t, "eviction", func() bool { return r.hub.Stats().CacheBytes == 0 })
		}
	}
	if r.hub.Stats().Unloads == 0 {
		t.Error("nothing was ever unloaded")
	}
}

func TestFanOutEncodesOnce(t *testing.T) {
	r := newRig(t, Options{})
	author := r.connect(alice(), "author", "")
	ch := author.save(docA, "x")
	var peers []*client
	for i := range 30 {
		c := r.connect(bob(), "p"+string(rune('A'+i)), "")
		c.request(docA)
		c.has(docA, ch.Hash)
		c.quiet()
		peers = append(peers, c)
	}
	author.quiet()
	before := r.hub.Stats()
	ch = author.save(docA, "y")
	for _, c := range peers {
		waitFor(t, "frame", func() bool { return len(c.pipe.fromHub) > 0 })
	}
	after := r.hub.Stats()
	if n := after.Encoded - before.Encoded; n > 2 { // one for the author, one for everybody else
		t.Errorf("%d encodings for %d messages", n, after.Generated-before.Generated)
	}
	for _, c := range peers {
		c.has(docA, ch.Hash)
	}
}

func TestManyHeadsAreRefused(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	var chunks [][]byte
	for i := range protocol.DefaultHeads + 1 {
		ch, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: crdt.ActorID([]byte{byte(i >> 8), byte(i)}), Seq: 1, StartOp: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, ch.Bytes())
	}
	a.send(wire.Sync{SenderID: "a", Document: docA, Data: rawSync(nil, slices.Concat(chunks...))})
	waitFor(t, "refusal", func() bool { return r.hub.Stats().Refused[crdt.ReasonLimit] == 1 })
	waitFor(t, "commit", func() bool { return r.hub.Stats().Changes == protocol.DefaultHeads })
}
