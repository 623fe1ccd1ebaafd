package auth

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds the X-Forwarded-For entries that are looked at.
const maxHops = 32

// Proxies are the networks whose X-Forwarded-For header is believed. The zero
// value believes none.
type Proxies struct {
	prefixes []netip.Prefix
}

// ParseProxies reads CIDR prefixes (10.0.0.0/8, fd00::/8) and single
// addresses. Blanks around entries and empty entries are passed over.
func ParseProxies(entries []string) (Proxies, error) {
	var p Proxies
	for _, entry := range entries {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		prefix, err := parsePrefix(entry)
		if err != nil {
			return Proxies{}, fmt.Errorf("trusted proxy %q: want an address or a network like 10.0.0.0/8", entry)
		}
		p.prefixes = append(p.prefixes, prefix)
	}
	return p, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if a := prefix.Addr(); a.Is4In6() {
		// ::ffff:10.0.0.0/104 is 10.0.0.0/8; a wider one covers more than IPv4.
		if prefix.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("prefix %s is wider than IPv4", s)
		}
		prefix = netip.PrefixFrom(a.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

func (p Proxies) trusts(a netip.Addr) bool {
	for _, prefix := range p.prefixes {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// ClientIP returns the address of the client: the nearest hop that is no
// trusted proxy. X-Forwarded-For is read from the right, as far as trusted
// proxies wrote it; an entry that is no address ends the walk at the proxy
// that passed it on. The result has no zone and is never an IPv4-mapped IPv6
// address. The zero Addr means that the connection has no IP address.
func (p Proxies) ClientIP(r *http.Request) netip.Addr {
	ip, ok := parseHop(r.RemoteAddr)
	if !ok || !p.trusts(ip) {
		return ip
	}
	hops := 0
	lines := r.Header.Values("X-Forwarded-For")
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var entry string
			rest, entry, more = cutLast(rest)
			next, ok := parseHop(entry)
			if hops++; !ok || hops > maxHops {
				return ip
			}
			ip = next
			if !p.trusts(ip) {
				return ip
			}
		}
	}
	return ip
}

// cutLast splits a comma-separated list before its last entry.
func cutLast(list string) (rest, entry string, more bool) {
	i := strings.LastIndexByte(list, ',')
	if i < 0 {
		return "", list, false
	}
	return list[:i], list[i+1:], true
}

// parseHop reads an address with or without port, brackets and zone.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
		s = inner
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}
