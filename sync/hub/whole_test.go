package hub

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// sample is a document of a stock client's, as a document chunk.
type sample struct {
	chunk   crdt.Chunk
	changes []*crdt.Change
	heads   []crdt.Hash
}

func readSample(t *testing.T, name string) sample {
	t.Helper()
	b, err := os.ReadFile("../../crdt/testdata/documents/" + name + ".automerge")
	if err != nil {
		t.Fatal(err)
	}
	var s sample
	if s.chunk, _, err = crdt.NextChunk(b); err != nil {
		t.Fatal(err)
	}
	s.changes = documentChanges(t, s.chunk)
	s.heads = s.graph(t, len(s.changes)).Heads()
	return s
}

// graph returns the graph of the first n changes.
func (s sample) graph(t *testing.T, n int) *crdt.Graph {
	t.Helper()
	g := crdt.NewGraph()
	for _, ch := range s.changes[:n] {
		if err := g.Restore(ch.Header()); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// replica returns a client's copy of the first n changes.
func (s sample) replica(t *testing.T, n int, o protocol.Options) *replica {
	d := &replica{graph: s.graph(t, n), state: protocol.New(o), orphans: crdt.NewOrphans(crdt.OrphanLimits{})}
	for _, ch := range s.changes[:n] {
		d.chunks = append(d.chunks, ch.Bytes())
	}
	return d
}

// snapshot replaces the stored document's changes, which are those of the sample.
func (s sample) snapshot(t *testing.T, r *rig) {
	t.Helper()
	s.put(t, r, store.Snapshot{Changes: uint64(len(s.changes)), Chunk: s.chunk.Raw, Graph: s.graph(t, len(s.changes)).AppendRecord(nil)})
}

func (s sample) put(t testing.TB, r *rig, snap store.Snapshot) {
	t.Helper()
	done := make(chan error, 1)
	err := r.store.PutSnapshot(context.Background(), alice().docKey(docA), snap,
		func(i uint64) store.Hash { return store.Hash(s.changes[i].Hash) }, func(err error) { done <- err })
	if err == nil {
		err = <-done
	}
	if err != nil {
		t.Fatal(err)
	}
}

// store puts the document's changes and their snapshot straight into the store.
func (s sample) store(t testing.TB, r *rig, snap store.Snapshot) {
	t.Helper()
	a := store.Append{Doc: alice().docKey(docA), By: store.Attribution{User: "alice", Received: time.Now()}}
	for _, c := range s.changes {
		a.Changes = append(a.Changes, store.Change{Hash: store.Hash(c.Hash), Bytes: c.Bytes()})
	}
	a.Heads = []store.Hash{a.Changes[len(a.Changes)-1].Hash}
	done := make(chan error, 1)
	err := r.store.Append(context.Background(), a, func(err error) { done <- err })
	if err == nil {
		err = <-done
	}
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, r, snap)
}

// upload has a client send the whole document.
func (s sample) upload(t *testing.T, r *rig) {
	t.Helper()
	a := r.connect(alice(), "uploader", "")
	m := protocol.Message{Version: protocol.V2, Heads: s.heads, Changes: [][]byte{s.chunk.Raw}}
	a.send(wire.Sync{SenderID: "uploader", Document: docA, Data: m.Append(nil)})
	waitFor(t, "commit", func() bool { return r.hub.Stats().Changes == uint64(len(s.changes)) })
	a.leaveSocket()
}

var current = protocol.Options{Advertise: protocol.AdvertiseV2}

func TestDocumentFromClient(t *testing.T) {
	s := readSample(t, "erp-invoice-0")
	for name, known := range map[string]int{"unknown": 0, "half of it known": len(s.changes) / 2, "known": len(s.changes)} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
			if known > 0 {
				a.sendAll(docA, s.changes[:known]...)
				waitFor(t, "commit", func() bool { return r.hub.Stats().Changes == uint64(known) })
			}
			m := protocol.Message{Version: protocol.V2, Heads: s.heads, Changes: [][]byte{s.chunk.Raw}}
			a.send(wire.Sync{SenderID: "a", Document: docA, Data: m.Append(nil)})
			b.docs[docA] = s.replica(t, 0, current)
			b.request(docA)
			for _, h := range s.heads {
				b.has(docA, h)
			}
			a.docs[docA] = s.replica(t, len(s.changes), current)
			a.until("same heads", func() bool {
				heads, _ := a.doc(docA).state.TheirHeads()
				return slices.Equal(heads, s.heads)
			})
			stats := r.hub.Stats()
			if stats.Changes != uint64(len(s.changes)) || len(stats.Refused) > 0 {
				t.Errorf("%d changes, %v refused", stats.Changes, stats.Refused)
			}
		})
	}
}

func damaged(s sample) []byte {
	bad := slices.Clone(s.chunk.Raw)
	bad[len(bad)/2] ^= 1
	return bad
}

// A document of which one byte is wrong is refused, and nothing else.
func TestDamagedDocumentFromClient(t *testing.T) {
	s := readSample(t, "erp-invoice-0")
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	m := protocol.Message{Version: protocol.V2, Heads: s.heads, Changes: [][]byte{damaged(s)}}
	a.send(wire.Sync{SenderID: "a", Document: docA, Data: m.Append(nil)})
	waitFor(t, "refusal", func() bool { return r.hub.Stats().Refused[crdt.ReasonChecksum] == 1 })
	a.save(docB, "x")
	m.Changes[0] = s.chunk.Raw
	a.send(wire.Sync{SenderID: "a", Document: docA, Data: m.Append(nil)})
	waitFor(t, "commit", func() bool { return r.hub.Stats().Changes == uint64(len(s.changes))+1 })
}

// The limits of a message count what a document's changes take.
func TestDocumentThatInflatesTooMuch(t *testing.T) {
	s := readSample(t, "history-10k") // 34 KB of 1.3 MB
	r := newRig(t, Options{MaxInflated: 1 << 20})
	a := r.connect(alice(), "a", "")
	m := protocol.Message{Version: protocol.V2, Heads: s.heads, Changes: [][]byte{s.chunk.Raw}}
	a.send(wire.Sync{SenderID: "a", Document: docA, Data: m.Append(nil)})
	waitFor(t, "refusal", func() bool { return r.hub.Stats().Refused[crdt.ReasonLimit] == 1 })
	a.save(docB, "x")
	if n := r.hub.Stats().Changes; n != 1 {
		t.Errorf("%d changes, want 1", n)
	}
}

// syncs counts the sync messages that a client gets until it has the document.
func (c *client) syncs(s sample) (messages, bytes int) {
	c.tb.Helper()
	for c.doc(docA).graph.Len() < len(s.changes) {
		m := c.next()
		if sync, ok := m.(wire.Sync); ok {
			messages++
			bytes += len(sync.Data)
		}
		c.take(m)
	}
	return messages, bytes
}

func TestFirstSyncOfAColdDocument(t *testing.T) {
	s := readSample(t, "history-10k")
	n := len(s.changes)
	for _, c := range []struct {
		name     string
		has      int
		options  protocol.Options
		messages int
		bytes    int // at most
		stats    Stats
	}{
		{"empty client of today", 0, current, 1, len(s.chunk.Raw) * 101 / 100, Stats{Loads: 1, WholeDocuments: 1}},
		{"empty old client", 0, protocol.Options{}, 1, 8 << 20, Stats{Loads: 1, Decodes: 1}},
		{"client that misses most", 100, current, 1, len(s.chunk.Raw) + 1000, Stats{Loads: 1, WholeDocuments: 1}},
		{"client that misses little", n - 10, current, 1, 4000, Stats{Loads: 1, Decodes: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Options{})
			s.upload(t, r)
			s.snapshot(t, r)
			r.stop()
			r.start(Options{})
			a := r.connect(alice(), "a", "")
			a.docs[docA] = s.replica(t, c.has, c.options)
			a.request(docA)
			messages, bytes := a.syncs(s)
			if messages != c.messages || bytes > c.bytes {
				t.Errorf("%d messages of %d bytes, want %d of at most %d", messages, bytes, c.messages, c.bytes)
			}
			got := r.hub.Stats()
			if got := (Stats{Loads: got.Loads, WholeDocuments: got.WholeDocuments, Decodes: got.Decodes, Contents: got.Contents}); got.Loads != c.stats.Loads ||
				got.WholeDocuments != c.stats.WholeDocuments || got.Decodes != c.stats.Decodes || got.Contents != 0 {
				t.Errorf("got %+v, want %+v", got, c.stats)
			}
			// The snapshot and what comes after it make one document.
			d := a.doc(docA)
			d.actor, d.seq = "editor", 0
			edit := a.edit(docA, "x")
			a.speak(docA)
			a.acked(docA, edit.Hash)
			b := r.connect(bob(), "b", "")
			b.docs[docA] = s.replica(t, 0, current)
			b.request(docA)
			b.has(docA, edit.Hash)
			if n := r.hub.Stats().Contents; n != 1 {
				t.Errorf("%d op sets were built, want 1", n)
			}
		})
	}
}

// A snapshot may be written while the document is open; nobody notices.
func TestSnapshotOfAnOpenDocument(t *testing.T) {
	s := readSample(t, "history-10k")
	r := newRig(t, Options{})
	s.upload(t, r)
	a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	a.docs[docA] = s.replica(t, len(s.changes)-5, current)
	a.request(docA)
	a.syncs(s)
	s.snapshot(t, r)
	d := a.doc(docA)
	d.actor = "editor"
	edit := a.edit(docA, "x")
	a.speak(docA)
	a.acked(docA, edit.Hash)
	b.docs[docA] = s.replica(t, 0, current)
	b.request(docA)
	b.has(docA, edit.Hash)
	c := r.connect(bob(), "c", "")
	c.docs[docA] = s.replica(t, len(s.changes)-100, current)
	c.request(docA)
	c.has(docA, edit.Hash)
	if n := r.hub.Stats().Loads; n > 1 {
		t.Errorf("the document was read %d times", n)
	}
}

// A document too big for one message is sent change by change, in as many as it takes.
func TestDocumentBeyondAMessage(t *testing.T) {
	s := readSample(t, "history-10k")
	r, hooked := newHookedRig(t, Options{MaxMessage: 40 << 10})
	s.store(t, r, store.Snapshot{Changes: uint64(len(s.changes)), Chunk: s.chunk.Raw, Graph: s.graph(t, len(s.changes)).AppendRecord(nil)})
	a := r.connect(alice(), "a", "")
	a.docs[docA] = s.replica(t, 0, current)
	a.request(docA)
	messages, _ := a.syncs(s)
	t.Logf("%d messages", messages)
	stats := r.hub.Stats()
	if stats.WholeDocuments != 0 {
		t.Errorf("%d whole documents", stats.WholeDocuments)
	}
	if n := hooked.chunks.Load(); n != stats.Decodes {
		t.Errorf("the snapshot was read %d times, want %d", n, stats.Decodes)
	}
}

// What is kept to send a document again counts in the document cache, at once.
func TestSentDocumentsCountInTheCache(t *testing.T) {
	s := readSample(t, "history-10k")
	r := newRig(t, Options{})
	s.upload(t, r)
	s.snapshot(t, r)
	r.stop()
	r.start(Options{SaveInterval: time.Hour})
	a := r.connect(alice(), "a", "")
	a.docs[docA] = s.replica(t, len(s.changes), current)
	a.request(docA)
	a.quiet()
	before := r.hub.Stats().CacheBytes
	b := r.connect(alice(), "b", "")
	b.docs[docA] = s.replica(t, 0, current)
	b.speak(docA)
	b.next()
	want := int64(2 * len(s.chunk.Raw)) // the message and its frame
	if grown := r.hub.Stats().CacheBytes - before; grown < want {
		t.Errorf("the cache has grown by %d bytes, want at least %d", grown, want)
	}
}
