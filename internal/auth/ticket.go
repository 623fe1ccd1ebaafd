package auth

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"sync"
	"time"
)

// TicketOptions bounds the tickets that are outstanding. The zero value is usable.
type TicketOptions struct {
	// TTL is how long a ticket can be redeemed; 0 is 30 s.
	TTL time.Duration
	// PerUser is how many tickets of one user are outstanding; the oldest is
	// dropped for a newer one. 0 is 32.
	PerUser int
	// Total is how many tickets are outstanding on this node; further ones
	// are refused with [ErrUnavailable]. 0 is 100,000.
	Total int
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// Revocations is asked when a ticket is redeemed; nil is never.
	Revocations *Revocations
}

func (o TicketOptions) withDefaults() TicketOptions {
	if o.TTL <= 0 {
		o.TTL = 30 * time.Second
	}
	if o.PerUser <= 0 {
		o.PerUser = 32
	}
	if o.Total <= 0 {
		o.Total = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// ticketBytes is the randomness of a ticket: 32 bytes, 43 characters of
// unpadded base64url.
const ticketBytes = 32

const badTicket = "The ticket is not valid: it was used, has expired or was never given out. " +
	"Get a new one from POST /v1/tickets for every connection."

type ticketIndex [16]byte

type userKey struct{ company, user string }

// ticket is one outstanding ticket. The secret itself is not kept.
type ticket struct {
	hash      [sha256.Size]byte
	principal Principal
	expires   time.Time
	place     *list.Element // in Tickets.queue
}

func (t *ticket) index() ticketIndex { return ticketIndex(t.hash[:16]) }

// Tickets gives out strings that stand for a principal once, for clients that
// can send nothing but a URL. Tickets live in memory only, as hashes.
type Tickets struct {
	o TicketOptions

	mu     sync.Mutex // guards the following fields
	byHash map[ticketIndex]*ticket
	byUser map[userKey][]*ticket // oldest first
	queue  *list.List            // of *ticket, oldest first
}

// NewTickets returns an empty table.
func NewTickets(o TicketOptions) *Tickets {
	return &Tickets{
		o:      o.withDefaults(),
		byHash: make(map[ticketIndex]*ticket),
		byUser: make(map[userKey][]*ticket),
		queue:  list.New(),
	}
}

// Issue returns a ticket for p and the moment at which it expires, which is
// not later than p's own deadline.
func (t *Tickets) Issue(p Principal) (string, time.Time, error) {
	var secret [ticketBytes]byte
	rand.Read(secret[:])
	text := base64.RawURLEncoding.EncodeToString(secret[:])
	now := t.o.Now()
	expires := now.Add(t.o.TTL)
	if p.Deadline.Before(expires) {
		expires = p.Deadline
	}
	n := &ticket{hash: sha256.Sum256([]byte(text)), principal: p, expires: expires}

	t.mu.Lock()
	defer t.mu.Unlock()
	t.expireLocked(now)
	key := userKey{p.Company, p.User}
	if mine := t.byUser[key]; len(mine) >= t.o.PerUser {
		t.dropLocked(mine[0])
	}
	if len(t.byHash) >= t.o.Total {
		return "", time.Time{}, refuse(ErrUnavailable, "Too many tickets are outstanding. Try again in a few seconds.")
	}
	t.byHash[n.index()] = n
	t.byUser[key] = append(t.byUser[key], n)
	n.place = t.queue.PushBack(n)
	return text, expires, nil
}

// Redeem returns the principal that text stands for and uses the ticket up,
// also when the principal has expired or was revoked meanwhile.
func (t *Tickets) Redeem(text string) (Principal, error) {
	if looksLikeJWT(text) {
		return Principal{}, refuse(ErrTokenInURL, tokenInURL)
	}
	if len(text) != base64.RawURLEncoding.EncodedLen(ticketBytes) || strings.ContainsAny(text, "\r\n") {
		return Principal{}, refuse(ErrTicket, badTicket)
	}
	hash := sha256.Sum256([]byte(text))
	now := t.o.Now()

	t.mu.Lock()
	found := t.byHash[ticketIndex(hash[:16])]
	ok := found != nil && subtle.ConstantTimeCompare(found.hash[:], hash[:]) == 1
	if ok {
		t.dropLocked(found)
	}
	t.mu.Unlock()

	if !ok || !now.Before(found.expires) {
		return Principal{}, refuse(ErrTicket, badTicket)
	}
	if t.o.Revocations != nil && t.o.Revocations.Revoked(found.principal) {
		return Principal{}, refuse(ErrRevoked, revokedMessage)
	}
	return found.principal, nil
}

// Len returns the number of outstanding tickets, expired ones included until
// the next Issue.
func (t *Tickets) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byHash)
}

// expireLocked drops what has expired, oldest first. A ticket that was cut
// short by its principal's deadline may stay behind one that wasn't; it is
// refused on use all the same.
func (t *Tickets) expireLocked(now time.Time) {
	for e := t.queue.Front(); e != nil; e = t.queue.Front() {
		first := e.Value.(*ticket)
		if now.Before(first.expires) {
			return
		}
		t.dropLocked(first)
	}
}

func (t *Tickets) dropLocked(d *ticket) {
	delete(t.byHash, d.index())
	t.queue.Remove(d.place)
	key := userKey{d.principal.Company, d.principal.User}
	mine := t.byUser[key]
	for i, m := range mine {
		if m == d {
			mine = append(mine[:i], mine[i+1:]...)
			break
		}
	}
	if len(mine) == 0 {
		delete(t.byUser, key)
		return
	}
	t.byUser[key] = mine
}
