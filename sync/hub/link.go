package hub

import (
	"time"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// link is one peer's interest in one document.
type link struct {
	peer     *peer
	document *document

	options protocol.Options
	queued  bool // guarded by peer.mu: in peer.dirty

	// The following fields are guarded by document.mu.
	state       *protocol.State
	unavailable bool        // the peer was told that there is no such document
	tell        bool        // a doc-unavailable message is due
	gone        bool        // the peer has left the document
	unsaved     bool        // the persisted part of state has changed since it was saved
	since       time.Time   // when the shared heads in state came to be what they are; zero = unknown
	size        int         // bytes of state, as counted in peer.stateBytes
	heads       []crdt.Hash // last received
	headsAt     uint64      // when, in milliseconds since 1970; 0 = never
}

func (l *link) syncKey(user string) store.SyncKey {
	return store.SyncKey{
		Company: l.document.key.Company, User: user,
		StorageID: l.peer.storageID, Document: l.document.key.Document,
	}
}

// maxStateBytes bounds the sync states of one connection. A client that is in
// sync takes a few hundred bytes for each document; only filters over long
// histories, one for each of many documents, reach this.
const maxStateBytes = 32 << 20

// weigh counts what a link's state holds, and ends a connection that holds too
// much. The document's lock is held.
func (p *peer) weigh(l *link) {
	size := l.state.Size()
	total := p.stateBytes.Add(int64(size - l.size))
	l.size = size
	if total > maxStateBytes {
		p.end(wire.CloseTooMany, "too much sync state on one connection; open fewer documents at once")
	}
}
