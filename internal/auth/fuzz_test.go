package auth

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// FuzzVerify checks that no text panics or is accepted without a signature.
// The claims are signed when the first byte says so, so that the fuzzer gets
// past the signature too.
func FuzzVerify(f *testing.F) {
	k := keys()
	set, _, err := parseKeySet(jwks(f, jwk(f, k.rsaA, kid{"kid": "x"}), jwk(f, k.p256, kid{"kid": "y"}), jwk(f, k.ed, kid{"kid": "z"})))
	if err != nil {
		f.Fatal(err)
	}
	v := newVerifier(f, Options{Secret: testSecret})
	s := v.newSource(KeySource{File: "/nonexistent"})
	s.store(set)
	v.sources = append(v.sources, s)

	f.Add(false, sign(f, "RS256", k.rsaA, `{"alg":"RS256","kid":"x"}`, with()), "")
	f.Add(false, "a.b.c", "")
	f.Add(true, `{"alg":"HS256"}`, with("docs", `["a"]`, "nbf", "1.5e9", "jti", `"j"`, "name", `"n"`))
	f.Add(true, `{"alg":"HS256","kid":"x","crit":[]}`, with("exp", "1e999"))
	f.Add(true, `{"alg":"HS256"}`, `{"sub":"\ud800","sub":1}`)
	f.Add(true, `{"alg":"ES256","kid":"y"}`, `null`)
	f.Fuzz(func(t *testing.T, signed bool, a, b string) {
		raw := a
		if signed {
			raw = sign(t, "HS256", testSecret, a, b)
		}
		p, err := v.Verify(t.Context(), raw)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		if !validText(p.User) || !validText(p.Company) || !p.Role.Valid() || p.Expires.Unix() < 1 ||
			!testNow.Before(p.Deadline) || p.IssuedAt.After(testNow.Add(30*time.Second)) {
			t.Fatalf("accepted %+v", p)
		}
	})
}

// FuzzExtract checks that whatever stands in a request, at most one credential
// comes out, and never a token from the URL.
func FuzzExtract(f *testing.F) {
	f.Add("ticket=abc", "Bearer x", "concord.v1, bearer.y")
	f.Add("token=eyJ.e.s", "", "")
	f.Add("ticket=a&ticket=b;%zz", "Basic x", "bearer.,concord.v1")
	f.Fuzz(func(t *testing.T, query, authorization, protocols string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{}}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		if protocols != "" {
			r.Header.Set("Sec-WebSocket-Protocol", protocols)
		}
		c, err := Extract(r)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok || c != (Credential{}) {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		if c.secret == "" || c.Kind < KindHeader || c.Kind > KindTicket {
			t.Fatalf("empty credential %v", c)
		}
		if c.Kind == KindTicket && looksLikeJWT(c.secret) {
			t.Fatal("a token came in by the URL")
		}
	})
}

// FuzzKeySet checks that no key set panics and that every key taken is bound
// to an algorithm.
func FuzzKeySet(f *testing.F) {
	k := keys()
	f.Add(jwks(f, jwk(f, k.rsaA, kid{"kid": "x"}), jwk(f, k.p256, nil), jwk(f, k.ed, kid{"use": "enc"})))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"AA","e":"AA"},null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, _, err := parseKeySet(data)
		if err != nil {
			return
		}
		for id, key := range set.keys {
			if alg, err := keyAlgorithm(key); err != nil || alg != id.alg {
				t.Fatalf("key %v: %s, %v", id, alg, err)
			}
		}
	})
}

// FuzzClientIP checks that no header panics and that the result is canonical.
func FuzzClientIP(f *testing.F) {
	p, err := ParseProxies([]string{"10.0.0.0/8", "fd00::/8"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("10.0.0.1:1", "1.2.3.4, [::1]:2")
	f.Add("[fd00::1%x]:1", "fe80::1%y")
	f.Fuzz(func(t *testing.T, remote, xff string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {xff}}}
		if ip := p.ClientIP(r); ip.Zone() != "" || ip.Is4In6() {
			t.Fatalf("got %v", ip)
		}
	})
}
