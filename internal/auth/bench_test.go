package auth

import (
	"net/netip"
	"testing"
)

func BenchmarkVerify(b *testing.B) {
	k := keys()
	srv := newKeyServer(b, jwks(b, jwk(b, k.rsaA, kid{"kid": "x"}), jwk(b, k.p256, kid{"kid": "y"}), jwk(b, k.ed, kid{"kid": "z"})))
	revocations := newRevocations(b, nil, newClock().now)
	for i := range 10_000 {
		revocations.RevokeUser(b.Context(), "acme", "user"+string(rune('a'+i)), "root")
	}
	v := newVerifier(b, Options{Secret: testSecret, JWKSURL: srv.URL, Revocations: revocations})
	for name, token := range map[string]string{
		"HS256": sign(b, "HS256", testSecret, `{"alg":"HS256"}`, with()),
		"RS256": sign(b, "RS256", k.rsaA, `{"alg":"RS256","kid":"x"}`, with()),
		"ES256": sign(b, "ES256", k.p256, `{"alg":"ES256","kid":"y"}`, with()),
		"EdDSA": sign(b, "EdDSA", k.ed, `{"alg":"EdDSA","kid":"z"}`, with()),
		"none":  b64(`{"alg":"none"}`) + "." + b64(with()) + ".",
	} {
		b.Run("alg="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); (err != nil) != (name == "none") {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTicket(b *testing.B) {
	ts := NewTickets(TicketOptions{Now: newClock().now})
	p := testPrincipal("alice")
	b.ReportAllocs()
	for b.Loop() {
		s, _, err := ts.Issue(p)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ts.Redeem(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRevoked(b *testing.B) {
	r := newRevocations(b, nil, newClock().now)
	for i := range 100_000 {
		r.RevokeUser(b.Context(), "acme", string(rune(i)), "root")
	}
	p := testPrincipal("alice")
	b.ReportAllocs()
	for b.Loop() {
		if r.Revoked(p) {
			b.Fatal("revoked")
		}
	}
}

func BenchmarkConnLimiter(b *testing.B) {
	l := NewConnLimiter(10)
	ip := netip.MustParseAddr("2001:db8::1")
	b.ReportAllocs()
	for b.Loop() {
		release, ok := l.Acquire(ip)
		if !ok {
			b.Fatal("limited")
		}
		release()
	}
}
