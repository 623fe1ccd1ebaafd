package hub

import (
	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
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
	heads       []crdt.Hash // last received
	headsAt     uint64      // when, in milliseconds since 1970; 0 = never
}

func (l *link) syncKey(user string) store.SyncKey {
	return store.SyncKey{
		Company: l.document.key.Company, User: user,
		StorageID: l.peer.storageID, Document: l.document.key.Document,
	}
}
