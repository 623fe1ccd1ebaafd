package hub

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// One message may hold a million broken chunks; the log and the disk are for all.
func TestRefusalsOfOneMessageAreReportedUpToALimit(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	const n = maxReported + 500
	var chunks []byte
	for i := range n {
		ch, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: crdt.ActorID(fmt.Sprint("actor", i)), Seq: 2, StartOp: 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, ch.Bytes()...)
	}
	a.send(wire.Sync{SenderID: "a", Document: docA, Data: rawSync(nil, chunks)})
	waitFor(t, "refusals", func() bool { return r.hub.Stats().Refused[crdt.ReasonSeqGap] == n })
	ch := a.edit(docB, "x")
	a.push(docB, ch)
	waitFor(t, "commit", func() bool { return r.hub.Stats().Changes == 1 })
	if listed, err := r.store.Rejections("acme", n, 0); err != nil || len(listed) != maxReported {
		t.Errorf("%d rejections are listed, want %d (%v)", len(listed), maxReported, err)
	}
}

// compressed returns a change as a type 2 chunk: magic, checksum, type, length, deflated data.
func compressed(t *testing.T, ch *crdt.Change) []byte {
	t.Helper()
	raw := ch.Bytes()
	_, n := binary.Uvarint(raw[9:])
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, flate.BestCompression)
	if _, err := w.Write(raw[9+n:]); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return append(binary.AppendUvarint(append(slices.Clone(raw[:8]), 2), uint64(z.Len())), z.Bytes()...)
}

// Changes that have grown from a few bytes to megabytes wait for the disk one
// message at a time, and the others wait as the few bytes that they came as.
func TestInflatedChangesAreBoundedOverAllMessages(t *testing.T) {
	r, s := newHookedRig(t, Options{MaxInflated: 3 << 19})
	reached, free := make(chan struct{}, 2), make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	defer release()
	s.set(func(s *hookedStore) {
		s.onDone = func(store.Append) {
			reached <- struct{}{}
			<-free
		}
	})
	big := func(c *client) wire.Sync {
		ch, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: crdt.ActorID(c.id), Seq: 1, StartOp: 1},
			[]crdt.Op{{Action: crdt.ActionSet, Key: crdt.MapKey("k"), Value: crdt.BytesValue(make([]byte, 1<<20))}})
		if err != nil {
			t.Fatal(err)
		}
		return wire.Sync{SenderID: c.id, Document: docA, Data: rawSync([]crdt.Hash{ch.Hash}, compressed(t, ch))}
	}
	a, b, c := r.connect(alice(), "a", ""), r.connect(bob(), "b", ""), r.connect(bob(), "c", "")
	a.send(big(a))
	<-reached
	if r.hub.inflated.TryAcquire(1 << 19) {
		t.Error("a message that has grown to more than 1 MiB doesn't count for so much while it waits for its commit")
	}
	b.send(big(b))
	c.request(docB) // small messages go on
	if m, ok := c.next().(wire.DocUnavailable); !ok {
		t.Fatalf("got %#v", m)
	}
	waitFor(t, "second message", func() bool { return r.hub.Stats().FramesIn == 6 })
	d := r.hub.acquire(alice().docKey(docA))
	d.mu.Lock()
	staged := d.graph.Staged()
	d.mu.Unlock()
	if staged != 1 {
		t.Errorf("%d inflated changes wait for their commit, want 1", staged)
	}
	release()
	waitFor(t, "both", func() bool { return r.hub.Stats().Changes == 2 })
	waitFor(t, "budget given back", func() bool { return len(r.hub.inflate) == 0 && r.hub.inflated.TryAcquire(3<<19) })
}

// opBomb is changes of a hundred bytes each with many ops.
func opBomb(t *testing.T, n, ops int) (changes []*crdt.Change) {
	t.Helper()
	list := make([]crdt.Op, ops)
	for i := range list {
		list[i] = set(crdt.OpID{}, "k")
	}
	for i := range n {
		ch, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: crdt.ActorID(fmt.Sprint("actor", i)), Seq: 1, StartOp: 1, Time: 1}, list)
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, ch)
	}
	return changes
}

// A kilobyte can hold millions of ops, and an op takes more in memory than any
// byte: a message, and a document, may have only so many.
func TestOpsAreBounded(t *testing.T) {
	const ops, rows = 1000, 10_000
	o := Options{MaxInflated: 1 << 20, Changes: crdt.Limits{Ops: ops, Rows: rows}}
	t.Run("message", func(t *testing.T) {
		r := newRig(t, o)
		a := r.connect(alice(), "a", "")
		a.sendAll(docA, opBomb(t, 30, ops)...)
		a.save(docB, "x")
		if s := r.hub.Stats(); s.Changes != rows/ops+1 || s.Refused[crdt.ReasonLimit] != 1 {
			t.Errorf("%d changes, refused %v", s.Changes, s.Refused)
		}
	})
	t.Run("refused changes", func(t *testing.T) {
		r := newRig(t, o)
		a := r.connect(alice(), "a", "")
		ch := a.doc(docA).encode(t, 1, nil, 1, crdt.Op{Action: crdt.ActionSet, Key: crdt.MapKey("k"), Value: crdt.BytesValue(make([]byte, 1<<16))})
		bad := compressed(t, ch)
		bad[4] ^= 1 // checksum
		a.send(wire.Sync{SenderID: "a", Document: docA, Data: rawSync(nil, bytes.Repeat(bad, 100))})
		a.save(docB, "x")
		if s := r.hub.Stats(); s.Refused[crdt.ReasonLimit] != 1 || s.Refused[crdt.ReasonChecksum] != 16 {
			t.Errorf("refused %v", s.Refused)
		}
	})
	t.Run("document", func(t *testing.T) {
		r := newRig(t, o)
		a := r.connect(alice(), "a", "")
		all := opBomb(t, 60, ops)
		for i := range len(all) {
			a.sendAll(docA, all[i])
		}
		a.save(docB, "x")
		s := r.hub.Stats()
		if s.Refused[crdt.ReasonLimit] == 0 || s.Changes+s.Refused[crdt.ReasonLimit] != 61 {
			t.Errorf("%d changes, refused %v", s.Changes, s.Refused)
		}
		if most := int64(opBytes * (rows + 2*ops)); s.CacheBytes > most {
			t.Errorf("%d bytes in memory, want at most %d", s.CacheBytes, most)
		}
	})
}

// Reading a document may take seconds, in which others' compressed changes don't wait.
func TestDocumentsAndCompressedChangesDontWaitForEachOther(t *testing.T) {
	s := readSample(t, "erp-invoice-0")
	r := newRig(t, Options{})
	a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	m := protocol.Message{Version: protocol.V2, Heads: s.heads, Changes: [][]byte{s.chunk.Raw}}
	doc := wire.Sync{SenderID: "a", Document: docA, Data: m.Append(nil)}
	edit := b.edit(docB, "x")
	change := wire.Sync{SenderID: "b", Document: docB, Data: rawSync([]crdt.Hash{edit.Hash}, compressed(t, edit))}

	r.hub.whole <- struct{}{}
	a.send(doc)
	b.send(change)
	waitFor(t, "change", func() bool { return r.hub.Stats().Changes == 1 })
	r.hub.inflate <- struct{}{}
	<-r.hub.whole
	waitFor(t, "document", func() bool { return r.hub.Stats().Changes == uint64(len(s.changes))+1 })
	<-r.hub.inflate
}

// A document of a few bytes may take as long to read as a message of any size.
func TestOneDocumentInAMessage(t *testing.T) {
	s := readSample(t, "erp-invoice-0")
	for name, part := range map[string][]byte{
		"good": slices.Concat(s.chunk.Raw, s.chunk.Raw),
		"bad":  slices.Concat(damaged(s), damaged(s), damaged(s)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			a := r.connect(alice(), "a", "")
			m := protocol.Message{Version: protocol.V2, Heads: s.heads, Changes: [][]byte{part, part}}
			a.send(wire.Sync{SenderID: "a", Document: docA, Data: m.Append(nil)})
			a.save(docB, "x")
			refused := r.hub.Stats().Refused
			if refused[crdt.ReasonLimit]+refused[crdt.ReasonChecksum] != 1 {
				t.Errorf("refused %v, want 1", refused)
			}
		})
	}
}

// A document that can't be read mustn't take the client's other documents with it.
func TestDamagedDocumentLeavesOthersAlone(t *testing.T) {
	r, s := newHookedRig(t, Options{})
	s.set(func(s *hookedStore) {
		s.onRead = func(key store.DocKey) error {
			if key.Document == docA {
				return store.ErrCorrupt
			}
			return nil
		}
	})
	a := r.connect(alice(), "a", "")
	a.request(docA)
	if m, ok := a.next().(wire.DocUnavailable); !ok || m.Document != docA {
		t.Fatalf("got %#v", m)
	}
	a.save(docB, "x")
	if n := r.hub.Stats().Documents; n != 1 {
		t.Errorf("%d documents in memory, want the good one", n)
	}
}

func TestHugeEphemeralIsNotRelayed(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
	ch := a.save(docA, "x")
	b.request(docA)
	b.has(docA, ch.Hash)
	a.quiet()
	b.quiet()
	a.send(wire.Ephemeral{SenderID: "a", Document: docA, SessionID: "s", Count: 1, Data: make([]byte, maxPresenceBytes+1)})
	if m, ok := a.next().(wire.Error); !ok {
		t.Errorf("sender got %#v", m)
	}
	if n := r.hub.Stats().Ephemerals; n != 0 || len(b.pipe.fromHub) != 0 {
		t.Error("it was relayed")
	}
}

// Tabs of one browser share a storage. What one has sent and what still waits
// for a dependency stays when another one is closed.
func TestOrphansStayWhileTheirSenderIsConnected(t *testing.T) {
	r := newRig(t, Options{})
	a, tab := r.connect(alice(), "a", "store-a"), r.connect(alice(), "tab", "store-a")
	first, second := a.edit(docA, "x"), a.edit(docA, "y")
	a.push(docA, second)
	tab.request(docA)
	d := r.hub.acquire(alice().docKey(docA))
	links := func(n int) func() bool {
		return func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return len(d.links) == n && d.orphanCount() == 1
		}
	}
	waitFor(t, "orphan", links(2))
	tab.leaveSocket()
	waitFor(t, "end of the tab", func() bool { return r.hub.Stats().Connections == 1 })
	if !links(1)() {
		t.Fatal("the orphan went with the other tab")
	}
	a.push(docA, first)
	waitFor(t, "commit", func() bool { return r.hub.Stats().Changes == 2 })
}
