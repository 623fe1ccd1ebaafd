package hub

import (
	"bytes"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
	"concord/store"
	"concord/sync/wire"
)

// Whether another company has a document shows neither in the answer nor in the
// work that leads to it, and so not in its time either.
func TestForeignDocumentLooksLikeNone(t *testing.T) {
	r, hooked := newHookedRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")

	var mu sync.Mutex
	var reads []store.DocKey
	hooked.set(func(s *hookedStore) {
		s.onRead = func(key store.DocKey) error {
			mu.Lock()
			defer mu.Unlock()
			reads = append(reads, key)
			return nil
		}
	})
	stranger := Session{Company: "other", User: "eve"}
	ask := func(doc id.DocumentID) ([]store.DocKey, []byte) {
		c := r.connect(stranger, "eve", "")
		mu.Lock()
		reads = nil
		mu.Unlock()
		c.request(doc)
		m, ok := c.next().(wire.DocUnavailable)
		if !ok || m.Document != doc {
			t.Fatalf("answered %#v", m)
		}
		c.leaveSocket()
		mu.Lock()
		defer mu.Unlock()
		for i := range reads {
			if reads[i].Document == doc {
				reads[i].Document = id.DocumentID{}
			}
		}
		m.Document = id.DocumentID{}
		return reads, m.Append(nil)
	}
	foreignReads, foreign := ask(docA) // in memory and on disk, of acme
	unknownReads, unknown := ask(docB) // nobody's
	if diff := cmp.Diff(unknownReads, foreignReads); diff != "" {
		t.Errorf("other reads for a foreign document than for none (-none +foreign):\n%s", diff)
	}
	if !bytes.Equal(unknown, foreign) {
		t.Error("another answer for a foreign document than for none")
	}
	for _, key := range foreignReads {
		if key.Company != "other" {
			t.Errorf("read %v for company other", key)
		}
	}
}
