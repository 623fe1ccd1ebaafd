package hub

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/protocol"
)

// Clients of both generations edit, leave and come back, with and without what
// they had, while snapshots are written all the time and nothing stays in
// memory for long.
func TestSnapshotsWhileEverybodyEdits(t *testing.T) {
	const clients, rounds = 4, 60
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	o := Options{DocumentCache: 1, SaveInterval: time.Millisecond, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	r := newSnapshotRig(t, o)
	docs := []id.DocumentID{docA, docB}
	written := uint64(0)

	var all []*client
	arrive := func(n int, old *client) *client {
		c := r.connect(alice(), fmt.Sprint("p", n), "")
		for _, doc := range docs {
			d := c.doc(doc)
			if old != nil {
				d = old.doc(doc)
				if random.IntN(3) == 0 { // a new device of the same user's
					d = &replica{graph: crdt.NewGraph(), orphans: crdt.NewOrphans(crdt.OrphanLimits{}), actor: crdt.ActorID(fmt.Sprint(n, doc, random.Uint32()))}
				}
			}
			c.docs[doc] = d
			d.state = protocol.New(protocol.Options{})
			if n%2 == 0 {
				d.state = protocol.New(current)
			}
			c.speak(doc)
		}
		return c
	}
	for n := range clients {
		all = append(all, arrive(n, nil))
	}
	for round := range rounds {
		n := random.IntN(clients)
		c, doc := all[n], docs[random.IntN(len(docs))]
		switch random.IntN(8) {
		case 0:
			c.leaveSocket()
			all[n] = arrive(n, c)
		case 1:
			if round%20 == 0 {
				for _, c := range all {
					c.leaveSocket()
				}
				r.stop()
				written += r.pool.Stats().Written
				r.start(o)
				for n, c := range all {
					all[n] = arrive(n, c)
				}
			}
		default:
			ch := c.edit(doc, fmt.Sprint("k", random.IntN(5)))
			c.speak(doc)
			c.acked(doc, ch.Hash)
		}
	}
	for _, doc := range docs {
		var latest []crdt.Hash
		for _, c := range all {
			latest = append(latest, c.save(doc, "end").Hash)
		}
		for _, c := range all {
			for _, h := range latest {
				c.has(doc, h)
			}
		}
	}
	for _, c := range all {
		c.quiet()
	}
	for _, doc := range docs {
		info, _, err := r.store.Document(alice().docKey(doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if n := c.doc(doc).graph.Len(); uint64(n) != info.Changes {
				t.Errorf("client %s has %d changes of %d", c.id, n, info.Changes)
			}
		}
	}
	if written += r.pool.Stats().Written; written == 0 {
		t.Error("no snapshot was written; the test shows nothing")
	}
	s := r.hub.Stats()
	t.Logf("%d snapshots; since the last start: %d sent, %d decoded, %d op sets built", written, s.WholeDocuments, s.Decodes, s.Contents)
}

// When the last one leaves, what was edited goes into a snapshot.
func TestColdDocumentGetsASnapshot(t *testing.T) {
	r := newSnapshotRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	a.save(docA, "y")
	if n := r.pool.Stats().Written; n != 0 {
		t.Fatalf("%d snapshots while somebody edits", n)
	}
	a.leaveSocket()
	waitFor(t, "snapshot", func() bool { return r.pool.Stats().Written == 1 })
	info, _, err := r.store.Document(alice().docKey(docA))
	if err != nil || info.SnapshotChanges != 2 {
		t.Errorf("snapshot covers %d changes, want 2 (%v)", info.SnapshotChanges, err)
	}
}

// A wish for a snapshot that a crash has swallowed is repeated when the document
// is opened.
func TestSnapshotAfterARestart(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	for n := range 5 {
		a.save(docA, fmt.Sprint(n))
	}
	a.leaveSocket()
	r.stop()
	eager := newSnapshotRig(t, Options{}).eager
	r.eager = eager
	r.start(Options{})
	b := r.connect(bob(), "b", "")
	b.request(docA)
	waitFor(t, "snapshot", func() bool { return r.pool.Stats().Written == 1 })
}
