package hub

import (
	"encoding/binary"
	"runtime"
	"strconv"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
)

// idleDocumentBytes is what an open document may cost while nothing happens to it.
const idleDocumentBytes = 2 << 10

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestIdleDocumentMemory(t *testing.T) {
	const documents = 4000 // fewer than a pipe of the test holds
	for name, cache := range map[string]int64{"in the cache": 0, "out of the cache": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{SaveInterval: 5 * time.Millisecond, DocumentCache: cache})
			a := r.connect(alice(), "a", "11111111-1111-4111-8111-111111111111")
			warm := id.DocumentID{0: 0xff}
			a.save(warm, "x")
			newest := make(map[id.DocumentID]crdt.Hash)
			before := heap()
			for i := range documents {
				var doc id.DocumentID
				binary.BigEndian.PutUint32(doc[:], uint32(i))
				newest[doc] = a.edit(doc, "x").Hash
				a.speak(doc)
			}
			for doc, h := range newest {
				a.acked(doc, h)
			}
			a.quiet()
			a.docs, a.other, newest = nil, nil, nil
			waitFor(t, "rest", func() bool {
				r.hub.mu.Lock()
				defer r.hub.mu.Unlock()
				return len(r.hub.hot) == 0
			})
			if cache == 1 {
				waitFor(t, "eviction", func() bool { return r.hub.Stats().CacheBytes == 0 })
			}
			// What other tests of the package leave behind goes in the meantime.
			waitFor(t, "at most 2048 bytes for an open idle document", func() bool {
				perDocument := (heap() - before) / documents
				t.Logf("%d bytes for an open idle document, %d of them counted as cache", perDocument, r.hub.Stats().CacheBytes/documents)
				return perDocument <= idleDocumentBytes*memoryFactor
			})
			if n := r.hub.Stats().Documents; n < documents {
				t.Errorf("%d documents are open, want %d", n, documents)
			}
		})
	}
}

// A peer with nothing to say costs the goroutine that reads and no other, and
// no queue.
func TestIdlePeersHaveNoWriter(t *testing.T) {
	const peers = 100
	r := newRig(t, Options{})
	before := runtime.NumGoroutine()
	for i := range peers {
		c := r.connect(alice(), "p"+strconv.Itoa(i), "")
		c.save(docA, "x")
	}
	waitFor(t, "writers", func() bool { return r.hub.writers.Load() == 0 })
	if n := runtime.NumGoroutine() - before; n > peers {
		t.Errorf("%d goroutines for %d idle peers", n, peers)
	}
	for i := range peers {
		p := r.peer(alice(), "p"+strconv.Itoa(i))
		p.mu.Lock()
		if p.notices != nil || p.dirty != nil || p.presence != nil {
			t.Errorf("peer %d holds queues: %v %v %v", i, p.notices, p.dirty, p.presence)
		}
		p.mu.Unlock()
	}
}
