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
	known := a.edit(docA, "x")
	a.speak(docA)
	a.acked(docA, known.Hash)

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
	ch := honest.edit(docA, "x")
	honest.speak(docA)
	honest.acked(docA, ch.Hash)
}
