package auth

import (
	"net/http"
	"net/netip"
)

// Proxies are the networks whose X-Forwarded-For header is believed. The zero
// value believes none.
type Proxies struct {
	prefixes []netip.Prefix
}

// ParseProxies reads CIDR prefixes and single addresses.
func ParseProxies(entries []string) (Proxies, error) { return Proxies{}, nil }

// ClientIP returns the address of the client: the nearest hop that is no
// trusted proxy. The zero Addr means that the connection has no IP address.
func (p Proxies) ClientIP(r *http.Request) netip.Addr { return netip.Addr{} }
