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
	mu    sync.Mutex // guards the following fields
	users map[userKey]int
	total int
}

// orphanLimit is what one document may hold. A user may hold half as much again
// over all documents, and all users of the node together twice as much.
func (h *Hub) orphanLimit() int {
	if h.opts.Orphans.Bytes > 0 {
		return h.opts.Orphans.Bytes
	}
	return crdt.DefaultOrphanBytes
}

// orphanRoom reports whether a peer's user may hold some more bytes. If not, the
// user that holds too much is disconnected, and its orphans go with its
// connections: the peer's own above a user's limit; the one with the most when
// only all together are above the node's, and then the peer has to come back, too.
func (h *Hub) orphanRoom(p *peer, size int) bool {
	s := p.currentSession()
	offender, ok := h.orphans.room(userKey{s.Company, s.User}, size, h.orphanLimit())
	if ok {
		return true
	}
	h.Disconnect(func(s Session) bool { return offender == userKey{s.Company, s.User} },
		wire.CloseTooMany, "too many changes whose dependencies never came; send them in order")
	p.end(wire.CloseTryLater, "no room for changes whose dependencies are missing; come back later")
	return false
}

// room reports whether a user may hold some more bytes; if not, who is to blame.
func (a *orphanAccounts) room(user userKey, size, limit int) (offender userKey, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users[user]+size > limit+limit/2 {
		return user, false
	}
	if a.total+size <= 2*limit {
		return userKey{}, true
	}
	for user, n := range a.users {
		if n > a.users[offender] {
			offender = user
		}
	}
	return offender, false
}

// replace counts what a document's senders hold in place of what they held before.
func (a *orphanAccounts) replace(company string, before, now map[string]int) {
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
