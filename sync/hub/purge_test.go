package hub

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

func purgeNow() store.Purge {
	return store.Purge{By: "adam", At: time.UnixMilli(1), Reason: "asked for"}
}

// told waits for what a client is told of a purged document.
func (c *client) told() {
	c.tb.Helper()
	var text string
	var unavailable bool
	c.until("news of the purge", func() bool {
		for _, m := range c.other {
			switch m := m.(type) {
			case wire.Error:
				text = m.Message
			case wire.DocUnavailable:
				unavailable = m.Document == docA
			}
		}
		return text != "" && unavailable
	})
	if !strings.Contains(text, docA.String()) {
		c.tb.Errorf("the error doesn't name the document: %q", text)
	}
	c.other = nil
}

func TestPurgedDocumentStaysAway(t *testing.T) {
	r := newRig(t, Options{})
	a, b := r.connect(alice(), "a", "storage-of-a"), r.connect(bob(), "b", "")
	first := a.save(docA, "x")
	b.request(docA)
	b.has(docA, first.Hash)
	if err := r.hub.Purge(t.Context(), keyOf(docB), purgeNow()); !errors.Is(err, ErrNotFound) {
		t.Errorf("purge of what isn't there: %v", err)
	}
	if err := r.hub.Purge(t.Context(), keyOf(docA), purgeNow()); err != nil {
		t.Fatal(err)
	}
	a.told()
	b.told()

	// Every later attempt is answered alike, by open connections and by later ones.
	a.push(docA, a.edit(docA, "y"))
	a.told()
	late := r.connect(bob(), "late", "")
	late.docs = b.docs
	late.doc(docA).state = protocol.New(protocol.Options{})
	late.speak(docA)
	late.told()
	a.save(docB, "z") // on the same connection
	if _, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Create: true}); !errors.Is(err, ErrPurged) {
		t.Errorf("edit: %v", err)
	}
	if err := r.hub.Read(t.Context(), keyOf(docA), func(Reading) error { return nil }); !errors.Is(err, ErrPurged) {
		t.Errorf("read: %v", err)
	}
	if err := r.hub.Purge(t.Context(), keyOf(docA), purgeNow()); !errors.Is(err, ErrPurged) {
		t.Errorf("second purge: %v", err)
	}
	if _, err := r.hub.Export(t.Context(), keyOf(docA)); !errors.Is(err, ErrPurged) {
		t.Errorf("export: %v", err)
	}
	if _, err := r.hub.Import(t.Context(), keyOf(docA), office, first.Bytes(), nil); !errors.Is(err, ErrPurged) {
		t.Errorf("import: %v", err)
	}
	if _, err := r.hub.Sync(t.Context(), alice(), "s", docA, rawSync(nil, first.Bytes())); !errors.Is(err, ErrPurged) {
		t.Errorf("sync: %v", err)
	}
	// Another company may have a document with this ID.
	elsewhere := Session{Company: "other", User: "olaf"}
	if got, err := r.hub.Import(t.Context(), elsewhere.docKey(docA), office, other(t, "oooo", 1).Save(), nil); err != nil || got.New != 1 {
		t.Errorf("another company's: %+v %v", got, err)
	}
	for _, c := range []*client{a, b, late} {
		c.leaveSocket()
	}
	waitFor(t, "nothing of it in memory", func() bool {
		r.hub.mu.Lock()
		defer r.hub.mu.Unlock()
		return r.hub.documents[keyOf(docA)] == nil
	})
	if err := r.store.AwaitWipe(t.Context(), keyOf(docA)); err != nil {
		t.Error(err)
	}
}

// A purge waits for what is on its way to the disk, and takes nothing after that.
func TestPurgeWhileEverybodyEdits(t *testing.T) {
	for range 20 {
		r := newRig(t, Options{SaveInterval: time.Millisecond, Ledger: new(recorder)})
		r.edit(docA, "n", crdt.Counter(0))
		var wg sync.WaitGroup
		a := r.connect(alice(), "a", "storage-of-a")
		wg.Go(func() {
			for range 50 {
				a.push(docA, a.edit(docA, "x"))
			}
		})
		for range 2 {
			wg.Go(func() {
				for {
					_, err := r.hub.Edit(t.Context(), keyOf(docA), Edit{By: office, Create: true, Write: func(tx *crdt.Tx, _ Reading) error {
						return tx.Increment(crdt.Root, "n", 1)
					}})
					if errors.Is(err, ErrPurged) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		time.Sleep(time.Millisecond)
		if err := r.hub.Purge(t.Context(), keyOf(docA), purgeNow()); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if _, _, err := r.store.Document(keyOf(docA)); !errors.Is(err, store.ErrPurged) {
			t.Errorf("after the purge: %v", err)
		}
		a.told()
		a.save(docB, "z")
	}
}

// When the store refuses a purge, the document goes on.
func TestFailedPurge(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	p := purgeNow()
	p.Reason = strings.Repeat("x", store.MaxText+1)
	if err := r.hub.Purge(t.Context(), keyOf(docA), p); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("purge: %v", err)
	}
	a.save(docA, "y")
	if content, _ := r.json(docA); content != `{"x":1,"y":2}` {
		t.Errorf("content %s", content)
	}
}
