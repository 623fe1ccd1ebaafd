package hub

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"concord/internal/id"
	"concord/internal/limit"
	"concord/store"
	"concord/sync/wire"
)

// Hub is the meeting place of peers and documents on one node. It is safe for
// concurrent use.
type Hub struct {
	opts  Options
	store Store
	log   *slog.Logger
	id    string // peer ID of this node, stable over restarts
	stats counters
	// ephemerals are those that peers may have relayed.
	ephemerals *limit.Limits

	ctx       context.Context // ends when the hub is closed; outlives every connection
	cancel    context.CancelFunc
	staged    *semaphore.Weighted // bytes of messages between receipt and settlement
	inflate   chan struct{}       // one token: a message with compressed changes, see message.parse
	whole     chan struct{}       // one token: a message with a document
	inflated  *semaphore.Weighted // bytes of messages that have grown while they were parsed
	building  *semaphore.Weighted // bytes of op sets that are being built
	memory    atomic.Int64        // bytes of graphs and op sets in memory
	orphans   orphanAccounts
	gossiping atomic.Bool  // some peer has asked for remote heads
	writers   atomic.Int64 // running flushes
	readers   atomic.Int64 // running Serve calls
	saving    atomic.Int64 // writes of sync states on their way to the disk
	draining  atomic.Bool
	sweeper   sync.WaitGroup
	evictNow  chan struct{} // wakes the sweeper

	mu          sync.Mutex // guards the following fields
	documents   map[store.DocKey]*document
	peers       map[peerKey]*peer
	connections map[*connection]struct{}
	users       map[userKey]*userLimit
	loaded      map[*document]struct{} // are in memory
	hot         map[*document]struct{} // have something to save or to free
}

type peerKey struct{ company, id string }

type userKey struct{ company, user string }

// userLimit is shared by all connections and calls of one user.
type userLimit struct {
	limiter     *rate.Limiter
	connections int // and calls
}

// spent reports whether the user has to be remembered.
func (u *userLimit) spent() bool {
	return u.connections > 0 || u.limiter.Tokens() < float64(u.limiter.Burst())
}

// New returns a hub over a store. Close it to end its goroutines.
func New(s Store, o Options) (*Hub, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	h := &Hub{
		opts: o, store: s, log: o.Logger, id: "concord-" + s.StorageID(), ephemerals: limit.New("ephemeral messages", o.Ephemerals),
		staged: semaphore.NewWeighted(o.StagedBytes), inflate: make(chan struct{}, 1), whole: make(chan struct{}, 1),
		inflated: semaphore.NewWeighted(int64(o.MaxInflated)), building: semaphore.NewWeighted(buildBytes), evictNow: make(chan struct{}, 1),
		documents: make(map[store.DocKey]*document), peers: make(map[peerKey]*peer),
		connections: make(map[*connection]struct{}),
		users:       make(map[userKey]*userLimit), hot: make(map[*document]struct{}), loaded: make(map[*document]struct{}),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.sweeper.Go(h.sweep)
	return h, nil
}

// PeerID returns the sender ID of this node's messages.
func (h *Hub) PeerID() string { return h.id }

// metadata is what the node tells about itself.
func (h *Hub) metadata() wire.PeerMetadata {
	return wire.PeerMetadata{StorageID: h.store.StorageID()}
}

// acquire returns a document, a new one if it isn't in memory. It may leave
// memory before the caller has its lock, see document.removed.
func (h *Hub) acquire(key store.DocKey) *document {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.documents[key]
	if d == nil {
		d = &document{hub: h, key: key}
		h.documents[key] = d
	}
	return d
}

// forget removes a document from memory; its lock is held.
func (h *Hub) forget(d *document) {
	d.removed = true
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.documents, d.key)
	delete(h.hot, d)
	delete(h.loaded, d)
}

// register makes a peer known under its ID and returns the one that it replaces.
func (h *Hub) register(p *peer) (replaced *peer, err error) {
	s := p.currentSession()
	h.mu.Lock()
	defer h.mu.Unlock()
	key := peerKey{s.Company, p.id}
	old := h.peers[key]
	if old != nil && old.currentSession().User != s.User {
		return nil, wire.NewCloseError(wire.CloseForbidden, "another user is connected with this peer ID; choose another")
	}
	h.peers[key] = p
	return old, nil
}

func (h *Hub) unregister(p *peer) {
	key := peerKey{p.currentSession().Company, p.id}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.peers[key] == p {
		delete(h.peers, key)
	}
}

// limiter returns the rate limiter of a user and a function that gives it back.
func (h *Hub) limiter(s Session) (*rate.Limiter, func()) {
	if h.opts.MessageRate == 0 {
		return rate.NewLimiter(rate.Inf, 0), func() {}
	}
	key := userKey{s.Company, s.User}
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.users[key]
	if u == nil {
		u = &userLimit{limiter: rate.NewLimiter(rate.Limit(h.opts.MessageRate), h.opts.MessageBurst)}
		h.users[key] = u
	}
	u.connections++
	return u.limiter, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if u.connections--; !u.spent() {
			delete(h.users, key)
		}
	}
}

// forgetUsers drops the limits of users that are gone and have spent nothing.
func (h *Hub) forgetUsers() {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.users, func(_ userKey, u *userLimit) bool { return !u.spent() })
}

// connect admits a connection, unless the hub is about to close.
func (h *Hub) connect(c *connection) *wire.CloseError {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining.Load() {
		return wire.NewCloseError(wire.CloseRestarting, "the server is restarting; come back in a moment")
	}
	h.connections[c] = struct{}{}
	return nil
}

func (h *Hub) disconnect(c *connection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.connections, c)
}

// Disconnect closes every connection whose session matches, for example because
// its token was revoked. It returns how many there were, without waiting for
// their close handshakes: what they send meanwhile isn't handled.
func (h *Hub) Disconnect(match func(Session) bool, code wire.CloseCode, reason string) int {
	n := 0
	for _, c := range h.connected() {
		if match(c.currentSession()) {
			c.end(code, reason)
			n++
		}
	}
	return n
}

func (h *Hub) connected() []*connection {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.connections))
}

// docKey names a document of the session's company.
func (s Session) docKey(doc id.DocumentID) store.DocKey {
	return store.DocKey{Company: s.Company, Document: doc}
}

func describe(doc id.DocumentID, format string, args ...any) string {
	return "document " + doc.String() + ": " + fmt.Sprintf(format, args...)
}
