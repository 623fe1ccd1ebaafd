package hub

import (
	"slices"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/wire"
)

// maxRemotes is how many storage IDs one peer may want to hear of.
const maxRemotes = 1024

// subscribeRemotes notes whose heads a peer wants to hear of, and tells it what
// is known of them in the documents that it has open.
func (p *peer) subscribeRemotes(m wire.RemoteSubscriptionChange) {
	p.mu.Lock()
	if p.remotes == nil {
		p.remotes = make(map[string]struct{})
	}
	for _, s := range m.Remove {
		delete(p.remotes, s)
	}
	for _, s := range m.Add {
		if len(p.remotes) < maxRemotes {
			p.remotes[s] = struct{}{}
		}
	}
	p.mu.Unlock()
	p.hub.gossiping.Store(true)
	for _, l := range p.links {
		l.document.tellRemotes(l, m.Add)
	}
}

func (p *peer) hears(storageID string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.remotes[storageID]
	return ok
}

// tellRemotes sends a peer the heads of other peers' storages.
func (d *document) tellRemotes(l *link, storages []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, other := range d.links {
		if other != l && other.headsAt > 0 && slices.Contains(storages, other.peer.storageID) {
			l.peer.relay(d.remoteHeads(other))
		}
	}
}

// gossip tells those who asked that a peer's storage holds other heads now.
func (d *document) gossip(l *link, heads []crdt.Hash) {
	storage := l.peer.storageID
	if storage == "" || l.headsAt > 0 && slices.Equal(l.heads, heads) {
		return
	}
	l.heads, l.headsAt = heads, uint64(max(1, d.hub.opts.Now().UnixMilli()))
	if !d.hub.gossiping.Load() {
		return
	}
	for _, other := range d.links {
		if other != l && other.peer.hears(storage) {
			other.peer.relay(d.remoteHeads(l))
		}
	}
}

func (d *document) remoteHeads(l *link) sharedFrame {
	heads := make([][id.HashSize]byte, len(l.heads))
	for i, h := range l.heads {
		heads[i] = h
	}
	return wire.Share(wire.RemoteHeadsChanged{
		SenderID: d.hub.id, Document: d.key.Document,
		NewHeads: []wire.StorageHeads{{StorageID: l.peer.storageID, Heads: heads, Timestamp: l.headsAt}},
	})
}
