// Package hub joins connected peers to documents: it receives their sync
// messages, gates and stages the changes in them, has them committed, and fans
// every durable change out to the peers that have the document open.
//
// A message takes this way:
//
//	Conn.Read → peer.handle → document.receive: gate, stage in the graph, tell watchers
//	  → Store.AppendAll: group commit, fsync
//	  → document.settle: publish, update the peer's sync state, mark peers dirty
//	  → peer.flush: generate one message per dirty document → Conn.Write
//
// Hub.Edit enters where a change is staged: it composes one over all that is
// staged, and from there on that is a change like any other. Hub.Import and
// Hub.Sync are peers without a connection (see Hub.caller), that come, say
// something and leave. What a Ledger keeps of changes, what a Guard answers to
// them, and what a Deriver makes of both, is committed in the write of these
// changes.
//
// Nothing is put into a message before it is durable: changes that are staged
// but not committed are not published in the graph, and the graph's published
// part is all that the protocol sees.
//
// Locks: document.mu guards one document with its links, Hub.mu the maps of
// peers, documents and connections, peer.mu one peer's outbox. Taken in this
// order, and never two of the same kind:
//
//	document.mu → Hub.mu → connection.sessionMu
//	document.mu → peer.mu, orphanAccounts.mu, counters.mu
//
// The store is called with document.mu held, which may wait for room in its
// queue; so its callbacks must never wait for a document, see committed.
package hub
