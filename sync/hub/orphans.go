package hub

import (
	"sync"

	"concord/crdt"
	"concord/sync/wire"
)

// nodeOrphans is how many times the orphans of one document may be held over
// all documents.
const nodeOrphans = 4

// orphanAccounts counts the bytes of changes that wait for others, by user, over
// all documents. Clients send what a change depends on before it, so that even
// one document's worth of orphans is far more than an honest user ever has.
type orphanAccounts struct {
	mu    sync.Mutex // guards the following fields
	users map[userKey]int
	total int
}

// countOrphans replaces what a document's senders were counted with. A user
// above the limit of one document, or the biggest one when all users together
// are above the node's, is disconnected, and the orphans go with the connections.
func (h *Hub) countOrphans(company string, before, now map[string]int) {
	limit := h.opts.Orphans.Bytes
	if limit <= 0 {
		limit = crdt.DefaultOrphanBytes
	}
	a := &h.orphans
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users == nil {
		a.users = make(map[userKey]int)
	}
	add := func(held map[string]int, sign int) {
		for text, n := range held {
			key := userKey{company, parseSender(text).user}
			a.total += sign * n
			if a.users[key] += sign * n; a.users[key] <= 0 {
				delete(a.users, key)
			}
		}
	}
	add(now, 1)
	add(before, -1)
	for text := range now {
		if key := (userKey{company, parseSender(text).user}); a.users[key] > limit {
			h.evictUser(key)
		}
	}
	if a.total > nodeOrphans*limit {
		var biggest userKey
		for key, n := range a.users {
			if n > a.users[biggest] {
				biggest = key
			}
		}
		h.evictUser(biggest)
	}
}

// evictUser disconnects a user, without waiting for it.
func (h *Hub) evictUser(key userKey) {
	go h.Disconnect(func(s Session) bool { return s.Company == key.company && s.User == key.user },
		wire.CloseTooMany, "too many changes whose dependencies never came; send them in order")
}
