package crash

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/sync/protocol"
)

// ledger holds every change that a server has acknowledged.
type ledger struct {
	mu    sync.Mutex // guards the following fields
	acked map[id.DocumentID][]crdt.Hash
	count int
}

func newLedger() *ledger { return &ledger{acked: map[id.DocumentID][]crdt.Hash{}} }

func (l *ledger) add(d *peer.Document, h crdt.Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[d.ID] = append(l.acked[d.ID], h)
	l.count++
}

// copy returns what is acknowledged at this moment.
func (l *ledger) copy() map[id.DocumentID][]crdt.Hash {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked) // hashes are only added
}

// of returns the document's acknowledged changes. It is called while nobody edits.
func (l *ledger) of(doc id.DocumentID) []crdt.Hash {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked[doc]
}

func (l *ledger) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// load is a set of connected clients that hold the current documents.
type load struct {
	peers []*peer.Peer
	docs  [][]*peer.Document // by writer

	sent    atomic.Int64 // changes authored
	stopped atomic.Bool
	owned   sync.WaitGroup
}

// dial connects one client with an empty copy of everything.
func (r *run) dial(user, storage string, advertise protocol.Advertise) *peer.Peer {
	r.t.Helper()
	p, err := peer.Dial(r.t.Context(), peer.Options{
		URL: r.node.SyncURL(), Token: r.node.Token(node.Claims{Sub: user}), StorageID: storage, OnAck: r.ledger.add, Advertise: advertise,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// connect brings fresh clients. Every other one has the storage ID of one that was there before: the server then holds
// a sync state of a client that has lost its data.
func (r *run) connect() *load {
	r.t.Helper()
	l := &load{}
	for w := range writers {
		storage := ""
		if w%2 == 0 {
			storage = fmt.Sprintf("00000000-0000-4000-8000-%012d", w)
		}
		// Clients of today, which may be sent whole documents, and old ones, which need each change by itself.
		p := r.dial(fmt.Sprint("writer-", w), storage, []protocol.Advertise{protocol.AdvertiseV2, protocol.AdvertiseNone}[w%3/2])
		var docs []*peer.Document
		for _, doc := range r.current {
			docs = append(docs, p.Open(doc))
		}
		l.peers, l.docs = append(l.peers, p), append(l.docs, docs)
	}
	return l
}

// moment is when to kill.
type moment struct {
	load    *load
	after   time.Duration
	changes int64 // if not 0: when so many changes are on their way, and then after
}

// start lets the clients edit and chooses the moment of the kill: by time, or aimed into a commit by counting changes.
func (l *load) start(rng *rand.Rand) moment {
	for w := range l.peers {
		own := rand.New(rand.NewPCG(rng.Uint64(), uint64(w)))
		l.owned.Go(func() { l.edit(w, own) })
	}
	if rng.IntN(2) == 0 {
		return moment{load: l, after: time.Millisecond + time.Duration(rng.Int64N(int64(longestLoad)))}
	}
	return moment{load: l, changes: 1 + rng.Int64N(300), after: time.Duration(rng.Int64N(int64(3 * time.Millisecond)))}
}

func (m moment) wait() {
	for deadline := time.Now().Add(longestLoad); m.load.sent.Load() < m.changes && time.Now().Before(deadline); {
		time.Sleep(100 * time.Microsecond)
	}
	time.Sleep(m.after)
}

// unackedWindow is how many changes of a document a client has on their way.
const unackedWindow = 8

// edit makes changes until the connection has gone.
func (l *load) edit(w int, rng *rand.Rand) {
	for n := 0; !l.stopped.Load(); n++ {
		select {
		case <-l.peers[w].Done():
			return
		default:
		}
		d := l.docs[w][rng.IntN(documents)]
		if d.Unacked() >= unackedWindow {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		var err error
		switch rng.IntN(12) {
		case 0:
			_, err = d.Empty()
		case 1:
			_, err = d.Set("bytes", crdt.BytesValue(make([]byte, rng.IntN(20_000))))
		default:
			_, err = d.Set(fmt.Sprint("key-", w, "-", rng.IntN(20)), crdt.IntValue(int64(n)))
		}
		if err != nil {
			panic(err) // the client's own fault
		}
		l.sent.Add(1)
	}
}

// stop ends the clients; acknowledgements that had left the server still count.
func (l *load) stop() {
	for _, p := range l.peers {
		<-p.Done()
	}
	l.stopped.Store(true)
	l.owned.Wait()
}
