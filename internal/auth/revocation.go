package auth

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// RevocationKind says what a [Revocation] ends.
type RevocationKind string

const (
	// RevokeKindUser ends every token of a user that was issued up to a moment.
	RevokeKindUser RevocationKind = "user"
	// RevokeKindToken ends the one token with a given `jti`.
	RevokeKindToken RevocationKind = "token"
)

// Revocation ends tokens before their exp.
type Revocation struct {
	Company string
	Kind    RevocationKind
	// ID is the user (`sub`) or the token (`jti`).
	ID string
	// At is when the revocation was made. A user's tokens with iat ≤ At, and
	// those without iat, are invalid.
	At time.Time
	// Until is when the revocation may be forgotten, because what it revokes
	// has expired by then. Zero is never.
	Until time.Time
	// By is the user who made it, for the record.
	By string
}

// Covers reports whether the revocation makes p invalid.
func (r Revocation) Covers(p Principal) bool {
	if r.Company != p.Company {
		return false
	}
	if r.Kind == RevokeKindToken {
		return r.ID != "" && r.ID == p.TokenID
	}
	return r.ID == p.User && !p.IssuedAt.After(r.At)
}

// RevocationStore keeps revocations across restarts.
type RevocationStore interface {
	// Load returns every revocation that hasn't been forgotten, in any order.
	Load() ([]Revocation, error)
	// Save returns once r is durable. Saving the same company, kind and ID
	// again replaces what was saved.
	Save(ctx context.Context, r Revocation) error
}

// revocationGrace is added to Until before a revocation is forgotten: a token
// is accepted for the leeway after its exp. It is the largest leeway allowed.
const revocationGrace = 5 * time.Minute

const revokedMessage = "This sign-in was revoked by an administrator. Sign in again."

const badRevocation = "The revocation was not made. Name a user, or a token by its jti, in 1 to 256 bytes without control characters."

type revocationKey struct {
	company string
	kind    RevocationKind
	id      string
}

// Revocations is the set of revocations in force. A check costs two map
// lookups. Memory is one entry per revoked user or token; tokens are
// forgotten after their Until.
type Revocations struct {
	store RevocationStore
	now   func() time.Time

	saving sync.Mutex // held during Save, so that the newest state is saved last

	mu        sync.RWMutex // guards the following fields
	entries   map[revocationKey]Revocation
	sweepAt   int // size of entries at which to look for forgettable ones
	listeners map[int]func(Revocation)
	nextID    int
}

// NewRevocations loads what store holds. A nil store keeps revocations in
// memory only; a nil now is [time.Now].
func NewRevocations(store RevocationStore, now func() time.Time) (*Revocations, error) {
	if now == nil {
		now = time.Now
	}
	r := &Revocations{
		store:     store,
		now:       now,
		entries:   make(map[revocationKey]Revocation),
		sweepAt:   1024,
		listeners: make(map[int]func(Revocation)),
	}
	if store == nil {
		return r, nil
	}
	saved, err := store.Load()
	if err != nil {
		return nil, fmt.Errorf("load revocations: %w", err)
	}
	for _, s := range saved {
		if s.Kind == RevokeKindUser || s.Kind == RevokeKindToken {
			r.putLocked(s)
		}
	}
	r.sweepLocked()
	return r, nil
}

// RevokeUser makes every token of the user that was issued up to this moment
// invalid, for ever. iat counts whole seconds, so a token that is issued
// within the same second is invalid too.
// It takes effect before it is saved: on an error it is in force on this node
// until the restart, and the caller should try again.
func (r *Revocations) RevokeUser(ctx context.Context, company, user, by string) (Revocation, error) {
	if !validText(company) || !validText(user) {
		return Revocation{}, refuse(ErrBadRevocation, badRevocation)
	}
	return r.add(ctx, Revocation{Company: company, Kind: RevokeKindUser, ID: user, At: r.now(), By: by})
}

// RevokeToken makes the token with this `jti` invalid. until is the token's
// exp; zero if that isn't known. Errors are those of [Revocations.RevokeUser].
func (r *Revocations) RevokeToken(ctx context.Context, company, tokenID string, until time.Time, by string) (Revocation, error) {
	if !validText(company) || !validText(tokenID) {
		return Revocation{}, refuse(ErrBadRevocation, badRevocation)
	}
	return r.add(ctx, Revocation{Company: company, Kind: RevokeKindToken, ID: tokenID, At: r.now(), Until: until, By: by})
}

// Revoked reports whether p is revoked.
func (r *Revocations) Revoked(p Principal) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e, ok := r.entries[revocationKey{p.Company, RevokeKindUser, p.User}]; ok && e.Covers(p) {
		return true
	}
	if p.TokenID == "" {
		return false
	}
	_, ok := r.entries[revocationKey{p.Company, RevokeKindToken, p.TokenID}]
	return ok
}

// Subscribe calls fn for every further revocation once it is in force, on the
// goroutine that revokes. fn must not block and must not revoke. The returned
// function ends the subscription; fn may still be running when it returns.
func (r *Revocations) Subscribe(fn func(Revocation)) (cancel func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.nextID
	r.nextID++
	r.listeners[id] = fn
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.listeners, id)
	}
}

// List returns the revocations of a company in no particular order.
func (r *Revocations) List(company string) []Revocation {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var list []Revocation
	for k, e := range r.entries {
		if k.company == company {
			list = append(list, e)
		}
	}
	return list
}

func (r *Revocations) add(ctx context.Context, n Revocation) (Revocation, error) {
	r.mu.Lock()
	if len(r.entries) >= r.sweepAt {
		r.sweepLocked()
	}
	n = r.putLocked(n)
	listeners := make([]func(Revocation), 0, len(r.listeners))
	for _, fn := range r.listeners {
		listeners = append(listeners, fn)
	}
	r.mu.Unlock()

	// Saved first: listeners may wait for clients, and a crash meanwhile would
	// forget what the first of them has been told already.
	err := r.save(ctx, revocationKey{n.Company, n.Kind, n.ID})
	for _, fn := range listeners {
		fn(n)
	}
	return n, err
}

// save stores what is in force for the key by now, which may be more than
// the caller added.
func (r *Revocations) save(ctx context.Context, key revocationKey) error {
	if r.store == nil {
		return nil
	}
	r.saving.Lock()
	defer r.saving.Unlock()
	r.mu.RLock()
	n, ok := r.entries[key]
	r.mu.RUnlock()
	if !ok { // forgotten meanwhile
		return nil
	}
	if err := r.store.Save(ctx, n); err != nil {
		return fmt.Errorf("save revocation: %w", err)
	}
	return nil
}

// putLocked merges n into what is known of the same user or token, so that
// no revocation ever weakens an older one, and returns the result.
func (r *Revocations) putLocked(n Revocation) Revocation {
	key := revocationKey{n.Company, n.Kind, n.ID}
	if old, ok := r.entries[key]; ok {
		if old.At.After(n.At) {
			n.At, n.By = old.At, old.By
		}
		if old.Until.IsZero() || (!n.Until.IsZero() && old.Until.After(n.Until)) {
			n.Until = old.Until
		}
	}
	r.entries[key] = n
	return n
}

func (r *Revocations) sweepLocked() {
	now := r.now()
	for k, e := range r.entries {
		if !e.Until.IsZero() && now.After(e.Until.Add(revocationGrace)) {
			delete(r.entries, k)
		}
	}
	r.sweepAt = max(1024, 2*len(r.entries))
}
