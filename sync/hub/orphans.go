package hub

import (
	"sync"

	"concord/crdt"
	"concord/sync/wire"
)

// orphanAccounts counts the bytes of changes that wait for others, by user, over
// all documents. Clients send what a change depends on before it, so that even
// one document's worth of orphans is far more than an honest user ever has.
type orphanAccounts struct {
	mu       sync.Mutex // guards the following fields
	users    map[userKey]int
	total    int
	evicting map[userKey]bool // are being disconnected
}

// orphanLimit is what one document may hold. A user may hold half as much again
// over all documents, and all users of the node together twice as much.
func (h *Hub) orphanLimit() int {
	if h.opts.Orphans.Bytes > 0 {
		return h.opts.Orphans.Bytes
	}
	return crdt.DefaultOrphanBytes
}

// orphanRoom reports whether a user may hold some more bytes. If not, somebody
// is disconnected, and the orphans go with the connections: the user, when it is
// above the limit; the biggest one, when only all together are above the node's.
func (h *Hub) orphanRoom(key userKey, size int) *wire.CloseError {
	a := &h.orphans
	a.mu.Lock()
	defer a.mu.Unlock()
	limit := h.orphanLimit()
	if a.users[key]+size > limit+limit/2 {
		h.evictUserLocked(key)
		return errTooManyOrphans
	}
	if a.total+size <= 2*limit {
		return nil
	}
	var biggest userKey
	for key, n := range a.users {
		if n > a.users[biggest] {
			biggest = key
		}
	}
	h.evictUserLocked(biggest)
	return wire.NewCloseError(wire.CloseTryLater, "no room for changes whose dependencies are missing; come back later")
}

var errTooManyOrphans = wire.NewCloseError(wire.CloseTooMany, "too many changes whose dependencies never came; send them in order")

// countOrphans replaces what a document's senders were counted with.
func (h *Hub) countOrphans(company string, before, now map[string]int) {
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
}

// evictUserLocked disconnects a user, without waiting for it.
func (h *Hub) evictUserLocked(key userKey) {
	a := &h.orphans
	if a.evicting[key] {
		return
	}
	if a.evicting == nil {
		a.evicting = make(map[userKey]bool)
	}
	a.evicting[key] = true
	go func() {
		h.Disconnect(func(s Session) bool { return s.Company == key.company && s.User == key.user },
			errTooManyOrphans.Code, errTooManyOrphans.Reason)
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.evicting, key)
	}()
}
