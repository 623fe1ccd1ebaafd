package api

import (
	"context"
	"slices"
	"sync"
	"time"

	"concord/internal/auth"
	"concord/sync/wire"
)

// audience is who hears events at the moment.
type audience struct {
	revoked func(auth.Principal) bool

	mu       sync.Mutex // guards the following fields
	all      map[*seat]struct{}
	draining bool
	empty    chan struct{} // closed when draining and nobody is left
	closes   map[wire.CloseCode]uint64
}

// The ways in which events are heard.
const (
	viaSocket = "websocket"
	viaStream = "sse"
	viaPoll   = "poll"
)

var transports = []string{viaSocket, viaStream, viaPoll}

func newAudience(revoked func(auth.Principal) bool) *audience {
	return &audience{revoked: revoked, all: make(map[*seat]struct{}), empty: make(chan struct{}), closes: make(map[wire.CloseCode]uint64)}
}

// seat is one connection, or one call that waits, on which events are heard.
type seat struct {
	audience *audience
	via      string
	cancel   context.CancelCauseFunc

	mu        sync.Mutex // guards the following fields
	principal auth.Principal
	expiry    *time.Timer
}

// enter takes a seat. ctx ends with it, or when it is taken away: then its cause is a
// *wire.CloseError. The error is one, too.
func (a *audience) enter(ctx context.Context, via string, p auth.Principal) (context.Context, *seat, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &seat{audience: a, via: via, cancel: cancel}
	a.mu.Lock()
	if a.draining {
		a.mu.Unlock()
		cancel(nil)
		return nil, nil, errRestarting
	}
	a.all[s] = struct{}{}
	a.mu.Unlock()
	// A revocation in the time since the token was verified missed this seat.
	if err := s.renew(p); err != nil {
		s.leave()
		return nil, nil, err
	}
	return ctx, s, nil
}

var (
	errRestarting = wire.NewCloseError(wire.CloseRestarting, "the server is restarting; come back in a moment")
	errRevoked    = wire.NewCloseError(wire.CloseUnauthenticated, "the token was revoked; sign in again")
	errExpired    = wire.NewCloseError(wire.CloseUnauthenticated, "the token has expired; connect again with a fresh one")
)

// leave gives the seat back.
func (s *seat) leave() {
	s.cancel(nil)
	s.mu.Lock()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.mu.Unlock()
	a := s.audience
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, s)
	if a.draining && len(a.all) == 0 {
		a.closeEmpty()
	}
}

// closeEmpty is called with the lock held.
func (a *audience) closeEmpty() {
	select {
	case <-a.empty:
	default:
		close(a.empty)
	}
}

// end takes the seat away. The first reason counts.
func (s *seat) end(why *wire.CloseError) { s.cancel(why) }

// renew replaces the principal; the seat is taken away when the new one expires.
func (s *seat) renew(p auth.Principal) error {
	s.mu.Lock()
	s.principal = p
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.expiry = time.AfterFunc(time.Until(p.Deadline), func() { s.end(errExpired) })
	s.mu.Unlock()
	if s.audience.revoked(p) {
		return errRevoked
	}
	return nil
}

// current returns the principal.
func (s *seat) current() auth.Principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.principal
}

// disconnect takes away the seats of principals that match, and returns how many.
func (a *audience) disconnect(match func(auth.Principal) bool, why *wire.CloseError) (n int) {
	for _, s := range a.seats() {
		if match(s.current()) {
			s.end(why)
			n++
		}
	}
	return n
}

func (a *audience) seats() []*seat {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]*seat, 0, len(a.all))
	for s := range a.all {
		all = append(all, s)
	}
	return all
}

// count returns how many hear events in one of some ways.
func (a *audience) count(vias ...string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for s := range a.all {
		if slices.Contains(vias, s.via) {
			n++
		}
	}
	return n
}

// closed counts a connection that the server has closed.
func (a *audience) closed(code wire.CloseCode) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closes[code]++
}

// closings returns how many were closed with which code.
func (a *audience) closings() map[wire.CloseCode]uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make(map[wire.CloseCode]uint64, len(a.closes))
	for code, n := range a.closes {
		all[code] = n
	}
	return all
}

// drain lets nobody in any more, takes all seats away, and waits until they are empty.
func (a *audience) drain(ctx context.Context) error {
	a.mu.Lock()
	a.draining = true
	if len(a.all) == 0 {
		a.closeEmpty()
	}
	a.mu.Unlock()
	for _, s := range a.seats() {
		s.end(errRestarting)
	}
	select {
	case <-a.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
