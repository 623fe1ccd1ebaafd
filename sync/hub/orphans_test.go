package hub

import (
	"strings"
	"testing"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// A device comes back with more changes than wait for their dependencies at
// once, and the first of them is one that the server's filter seems to contain.
func TestLongHistoryOverAFilterHole(t *testing.T) {
	r := newRig(t, Options{Orphans: crdt.OrphanLimits{Changes: 50}})
	a := r.connect(alice(), "a", "")
	known := a.save(docA, "x")

	filter := protocol.BuildBloom(1, func(int) crdt.Hash { return known.Hash })
	b := r.connect(bob(), "b", "")
	d := b.doc(docA)
	for n := int64(0); d.graph.Len() == 0; n++ {
		ch, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: d.actor, Seq: 1, StartOp: 1, Time: n}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if filter.Contains(ch.Hash) {
			d.add(ch)
			d.seq = 1
		}
	}
	for range 300 {
		b.edit(docA, "y")
	}
	last := d.graph.Heads()[0]
	b.speak(docA)
	b.acked(docA, last)
	a.has(docA, last)
	if r.hub.Stats().OrphansEvicted == 0 {
		t.Error("no orphan was evicted; the test shows nothing")
	}
	if n := r.hub.Stats().FramesIn; n > 60 {
		t.Errorf("it took %d frames", n)
	}
}

func TestOrphansAreBoundedOverAllDocuments(t *testing.T) {
	const limit = 8 << 10
	r := newRig(t, Options{Orphans: crdt.OrphanLimits{Bytes: limit}})
	offender, honest := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	unknown := crdt.Hash{1}
	for i := range 200 { // each document is far below its own limit
		ch, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: "x", Seq: 1, StartOp: 1, Deps: []crdt.Hash{unknown}, Message: strings.Repeat("m", 200)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		offender.send(wire.Sync{SenderID: "a", Document: id.DocumentID{byte(i), 7}, Data: rawSync([]crdt.Hash{ch.Hash}, ch.Bytes())})
	}
	if code, reason := offender.closed(); code != wire.CloseTooMany || reason == "" {
		t.Errorf("closed with %d %q", code, reason)
	}
	waitFor(t, "release", func() bool {
		r.hub.orphans.mu.Lock()
		defer r.hub.orphans.mu.Unlock()
		return r.hub.orphans.total == 0 && len(r.hub.orphans.users) == 0
	})
	honest.save(docA, "x")
}

// A change may wait for another user's. When that one comes and the gate looks at
// it, what is wrong with it is its author's, not that of whom it waited for.
func TestRefusedOrphanIsItsAuthors(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.connect(alice(), "a", "store-a"), r.connect(bob(), "b", "store-b")
	first := a.edit(docA, "x")
	gap, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: "bob", Seq: 2, StartOp: 2, Deps: []crdt.Hash{first.Hash}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.push(docA, gap)
	d := r.hub.acquire(alice().docKey(docA))
	waitFor(t, "orphan", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.orphanCount() == 1
	})
	a.push(docA, first)
	waitFor(t, "refusal", func() bool { return r.hub.Stats().Refused[crdt.ReasonSeqGap] == 1 })
	var told wire.Error
	b.until("error", func() bool {
		for _, m := range b.other {
			if e, ok := m.(wire.Error); ok {
				told = e
			}
		}
		return told.Message != ""
	})
	if !strings.Contains(told.Message, gap.Hash.String()) {
		t.Errorf("told %q", told.Message)
	}
	a.acked(docA, first.Hash)
	waitFor(t, "list", func() bool {
		listed, err := r.store.Rejections("acme", 10, 0)
		return err == nil && len(listed) == 1 && listed[0].User == "bob" && listed[0].Device == "store-b"
	})
}
