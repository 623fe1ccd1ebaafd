package hub

import (
	"fmt"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/wire"
)

// encode makes a change of the replica's next ops that isn't put into it.
func (d *replica) encode(tb testing.TB, seq uint32, deps []crdt.Hash, startOp uint32, ops ...crdt.Op) *crdt.Change {
	tb.Helper()
	ch, err := crdt.EncodeChange(crdt.ChangeMeta{Deps: deps, Actor: d.actor, Seq: seq, StartOp: startOp, Time: 1}, ops)
	if err != nil {
		tb.Fatal(err)
	}
	return ch
}

func set(obj crdt.OpID, key string) crdt.Op {
	return crdt.Op{Action: crdt.ActionSet, Obj: obj, Key: crdt.MapKey(key), Value: crdt.IntValue(1)}
}

// sendAll sends changes in one message.
func (c *client) sendAll(doc id.DocumentID, changes ...*crdt.Change) {
	var part []byte
	for _, ch := range changes {
		part = append(part, ch.Bytes()...)
	}
	c.send(wire.Sync{SenderID: c.id, Document: doc, Data: rawSync([]crdt.Hash{changes[len(changes)-1].Hash}, part)})
}

// In one message come good changes, one that refers to an object that doesn't
// exist, and one that builds on that.
func TestMixedBatch(t *testing.T) {
	for _, name := range []string{"op set in memory", "op set to be built"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			a, b := r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
			first := a.save(docA, "x")
			b.request(docA)
			b.has(docA, first.Hash)
			if name == "op set to be built" {
				a.leaveSocket()
				b.leaveSocket()
				r.stop()
				r.start(Options{})
				docs := a.docs
				a, b = r.connect(alice(), "a", ""), r.connect(bob(), "b", "")
				a.docs = docs
				reload(t, a.doc(docA), nil)
				b.request(docA)
				b.has(docA, first.Hash)
			}
			d := a.doc(docA)
			good := d.encode(t, 2, []crdt.Hash{first.Hash}, 2, set(crdt.OpID{}, "y"))
			other := &replica{actor: "another actor"}
			bad := other.encode(t, 1, []crdt.Hash{first.Hash}, 2, set(crdt.OpID{Counter: 1, Actor: d.actor}, "in no object"))
			onBad := other.encode(t, 2, []crdt.Hash{bad.Hash}, 3, set(crdt.OpID{}, "z"))
			onGood := d.encode(t, 3, []crdt.Hash{good.Hash}, 3, set(crdt.OpID{}, "z"))
			a.sendAll(docA, good, bad, onBad, onGood)
			b.has(docA, onGood.Hash)
			if b.doc(docA).graph.Len() != 3 {
				t.Errorf("%d changes, want 3", b.doc(docA).graph.Len())
			}
			stats := r.hub.Stats()
			if stats.Refused[crdt.ReasonBadOp] != 1 || stats.Refused[ReasonRefusedDependency] != 1 {
				t.Errorf("refused: %v", stats.Refused)
			}
			told := 0
			a.until("two errors", func() bool {
				told = 0
				for _, m := range a.other {
					if _, ok := m.(wire.Error); ok {
						told++
					}
				}
				return told == 2
			})
			// Everybody goes on.
			next := b.edit(docA, "w")
			b.speak(docA)
			b.acked(docA, next.Hash)
		})
	}
}

// What fails to be stored leaves no trace in the op set: the same object can be
// made, and referred to, again.
func TestOpSetIsReadAgainAfterAFailedWrite(t *testing.T) {
	r, s := newHookedRig(t, Options{})
	a := r.connect(alice(), "a", "")
	first := a.save(docA, "x")
	make := crdt.Op{Action: crdt.ActionMakeMap, Key: crdt.MapKey("m")}
	made := a.doc(docA).encode(t, 2, []crdt.Hash{first.Hash}, 2, make)
	s.set(failAppends)
	a.sendAll(docA, made)
	a.closed()
	s.set(func(s *hookedStore) { s.onAppend = nil })

	again := r.connect(alice(), "a", "")
	inside := a.doc(docA).encode(t, 2, []crdt.Hash{first.Hash}, 3, set(crdt.OpID{Counter: 2, Actor: a.doc(docA).actor}, "k"))
	again.sendAll(docA, inside)
	waitFor(t, "refusal", func() bool { return r.hub.Stats().Refused[crdt.ReasonBadOp] == 1 })
	again.sendAll(docA, made)
	waitFor(t, "commit", func() bool { return r.hub.Stats().Changes == 2 })
}

// An op set leaves memory before its graph does, and after a while without use.
func TestOpSetLeavesMemory(t *testing.T) {
	r := newRig(t, Options{SaveInterval: time.Millisecond})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	d := r.hub.acquire(alice().docKey(docA))
	waitFor(t, "op set to go", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.ops == nil && d.graph != nil
	})
	a.save(docA, "y")
	if n := r.hub.Stats().Contents; n == 0 {
		t.Error("the op set wasn't built again")
	}
}

// Many clients edit documents whose op sets leave memory all the time.
func TestOpSetsUnderPressure(t *testing.T) {
	r := newRig(t, Options{DocumentCache: 1, SaveInterval: time.Millisecond})
	var clients []*client
	for n := range 4 {
		clients = append(clients, r.connect(alice(), fmt.Sprint("p", n), ""))
	}
	docs := []id.DocumentID{docA, docB}
	for n := range 50 {
		for _, c := range clients {
			doc := docs[n%2]
			ch := c.edit(doc, fmt.Sprint("k", n))
			c.speak(doc)
			c.acked(doc, ch.Hash)
		}
	}
	for _, doc := range docs {
		want := clients[0].doc(doc)
		for _, c := range clients {
			c.until("all changes", func() bool { return c.doc(doc).graph.Len() == 100 })
		}
		if n := want.graph.Len(); n != 100 {
			t.Errorf("%d changes, want 100", n)
		}
	}
	if n := r.hub.Stats().Contents; n == 0 {
		t.Error("no op set was built; the test shows nothing")
	}
}

// A client that goes away, or is sent away, doesn't wait until the op set that
// it needed could be built.
func TestLeavingEndsTheWaitForAnOpSet(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	a.leaveSocket()
	r.stop()
	r.start(Options{})
	if !r.hub.building.TryAcquire(buildBytes) {
		t.Fatal("something is being built")
	}
	defer r.hub.building.Release(buildBytes)
	d := r.hub.acquire(alice().docKey(docA))
	for _, name := range []string{"first", "second"} { // who would build it, and who waits for that
		c := r.connect(alice(), name, "")
		c.push(docA, a.doc(docA).encode(t, 2, a.doc(docA).graph.Heads(), 2, set(crdt.OpID{}, name)))
	}
	waitFor(t, "both to wait", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.building != nil && r.hub.Stats().FramesIn == 4
	})
	r.hub.Disconnect(func(Session) bool { return true }, wire.CloseForbidden, "test")
	waitFor(t, "readers to end", func() bool { return r.hub.readers.Load() == 0 })
}
