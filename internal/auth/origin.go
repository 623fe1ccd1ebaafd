package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Origins is the list of web origins whose pages may use the server. The zero
// value allows same-origin pages and programs that are no browsers.
type Origins struct {
	any      bool
	exact    []string
	suffixes []originSuffix
}

// originSuffix allows every subdomain at any depth.
type originSuffix struct {
	scheme string // with ://
	host   string // with the leading dot and the port, if it isn't the default
}

// ParseOrigins reads entries of three forms: an exact origin
// (https://app.example.com, http://localhost:5173, capacitor://localhost), any
// subdomain (https://*.example.com, not example.com itself), and * for every
// origin. Case and default ports don't matter; blanks around entries and
// empty entries are passed over.
func ParseOrigins(entries []string) (Origins, error) {
	var o Origins
	for _, entry := range entries {
		entry = strings.TrimSpace(entry)
		switch {
		case entry == "":
			continue
		case entry == "*":
			o.any = true
			continue
		}
		if scheme, host, ok := strings.Cut(entry, "://*."); ok {
			u, err := parseOrigin(scheme + "://" + host)
			if err != nil || !widenable(u.Hostname()) {
				return Origins{}, fmt.Errorf("allow-origin %q: want the form https://*.example.com, with at least two names after the *", entry)
			}
			o.suffixes = append(o.suffixes, originSuffix{u.Scheme + "://", "." + u.Host})
			continue
		}
		u, err := parseOrigin(entry)
		if err != nil {
			return Origins{}, fmt.Errorf("allow-origin %q: %w; want https://app.example.com, https://*.example.com or *", entry, err)
		}
		o.exact = append(o.exact, u.Scheme+"://"+u.Host)
	}
	return o, nil
}

// widenable keeps *.com out, which is surely a mistake.
func widenable(host string) bool {
	return host == "localhost" || strings.Contains(strings.Trim(host, "."), ".")
}

// parseOrigin reads scheme, host and port, lower-cases them and drops a
// default port.
func parseOrigin(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not an origin")
	}
	if u.Scheme == "" || u.Hostname() == "" || u.User != nil || u.Opaque != "" ||
		u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(s, "*?# \t\r\n") {
		return nil, errors.New("an origin is scheme, host and port only")
	}
	if strings.IndexFunc(u.Host, func(r rune) bool { return r > '~' }) >= 0 {
		return nil, errors.New("browsers send the host in its xn-- form")
	}
	u.Host = canonicalHost(u.Scheme, u.Host)
	return u, nil
}

func canonicalHost(scheme, host string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return host
}

// Allowed reports whether the request may go on: it has no Origin header (so
// it comes from no browser page of another site), or its origin is the
// server's own, or listed. Own means the same host and port as the Host
// header; a proxy in front must pass that on, or the origin must be listed.
// The origin "null" of sandboxed and local pages needs *.
func (o Origins) Allowed(r *http.Request) bool {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	return o.any || o.listed(values[0]) || sameOrigin(values[0], r)
}

func (o Origins) listed(origin string) bool {
	u, err := parseOrigin(origin)
	if err != nil {
		return false
	}
	if slices.Contains(o.exact, u.Scheme+"://"+u.Host) {
		return true
	}
	return slices.ContainsFunc(o.suffixes, func(s originSuffix) bool {
		return s.scheme == u.Scheme+"://" && len(u.Host) > len(s.host) && strings.HasSuffix(u.Host, s.host)
	})
}

// sameOrigin compares hosts. The scheme counts on a TLS connection only:
// behind a proxy that ends TLS the server can't know the page's.
func sameOrigin(origin string, r *http.Request) bool {
	u, err := parseOrigin(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || r.TLS != nil && u.Scheme != "https" {
		return false
	}
	return r.Host != "" && u.Host == canonicalHost(u.Scheme, r.Host)
}
