package auth

import (
	"net/netip"
	"sync"
)

// ConnLimiter counts open connections per client address. IPv6 clients are
// counted by /64, the network that one customer is given. Connections without
// an IP address (the zero Addr) are counted together.
type ConnLimiter struct {
	max int

	mu    sync.Mutex // guards the following fields
	count map[netip.Addr]int
}

// NewConnLimiter allows max connections per address; 0 or less is unlimited.
func NewConnLimiter(max int) *ConnLimiter {
	return &ConnLimiter{max: max, count: make(map[netip.Addr]int)}
}

// Acquire counts a connection from ip, or returns false if ip has as many as
// it may. release must be called when the connection ends; calling it again
// does nothing.
func (l *ConnLimiter) Acquire(ip netip.Addr) (release func(), ok bool) {
	if l.max <= 0 {
		return func() {}, true
	}
	key := limitKey(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[key] >= l.max {
		return nil, false
	}
	l.count[key]++
	return sync.OnceFunc(func() { l.release(key) }), true
}

// Count returns the open connections from ip's address or network.
func (l *ConnLimiter) Count(ip netip.Addr) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count[limitKey(ip)]
}

func (l *ConnLimiter) release(key netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[key]--; l.count[key] <= 0 {
		delete(l.count, key)
	}
}

func limitKey(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if !ip.Is6() {
		return ip
	}
	return netip.PrefixFrom(ip, 64).Masked().Addr()
}
