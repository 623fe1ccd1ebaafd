package auth

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

// verifyCase is a token and what becomes of it.
type verifyCase struct {
	name  string
	token string
	want  error // nil: accepted
}

func TestVerify(t *testing.T) {
	k := keys()
	setA := jwks(t, jwk(t, k.rsaA, kid{"kid": "shared", "use": "sig", "alg": "RS256"}),
		jwk(t, k.p256, kid{"kid": "ec"}), jwk(t, k.ed, kid{"kid": "ed"}),
		jwk(t, k.p384, kid{"kid": "ec384"}), jwk(t, k.rsaWeak, kid{"kid": "weak"}),
		jwk(t, k.rsaB, kid{"kid": "enc", "use": "enc"}), jwk(t, k.rsaB, kid{"kid": "ps", "alg": "PS256"}),
		kid{"kty": "oct", "kid": "oct", "k": b64(string(testSecret))})
	setB := jwks(t, jwk(t, k.rsaB, kid{"kid": "shared"}))
	a, b := newKeyServer(t, setA), newKeyServer(t, setB)

	revocations, err := NewRevocations(nil, func() time.Time { return testNow })
	if err != nil {
		t.Fatal(err)
	}
	revocations.RevokeUser(t.Context(), "acme", "fired", "root")
	revocations.RevokeToken(t.Context(), "acme", "stolen", testNow.Add(time.Hour), "root")

	var log syncBuffer
	v := newVerifier(t, Options{
		Secret: testSecret, Issuer: issuerOwn, Audience: audience,
		Sources:     []KeySource{{Issuer: issuerA, URL: a.URL}, {Issuer: issuerB, URL: b.URL}},
		Revocations: revocations, Logger: debugLogger(&log),
	})

	der, err := x509.MarshalPKIXPublicKey(k.rsaA.Public())
	if err != nil {
		t.Fatal(err)
	}
	pemA := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})

	const rs, es, ed = `{"alg":"RS256","kid":"shared"}`, `{"alg":"ES256","kid":"ec"}`, `{"alg":"EdDSA","kid":"ed"}`
	const hs = `{"alg":"HS256","typ":"JWT"}`
	rsa := func(header, claims string) string { return sign(t, "RS256", k.rsaA, header, claims) }
	own := func(pairs ...string) string {
		return sign(t, "HS256", testSecret, hs, with(append([]string{"iss", `"` + issuerOwn + `"`}, pairs...)...))
	}
	at := func(seconds int64) string { return fmt.Sprint(testNow.Unix() + seconds) }
	good := rsa(rs, with())
	parts := strings.Split(good, ".")
	text := func(n int) string { return `"` + strings.Repeat("x", n) + `"` }

	cases := []verifyCase{
		// Good ones.
		{"RS256", good, nil},
		{"ES256", sign(t, "ES256", k.p256, es, with()), nil},
		{"EdDSA", sign(t, "EdDSA", k.ed, ed, with()), nil},
		{"HS256 of the secret", own(), nil},
		{"HS256 with a key ID", sign(t, "HS256", testSecret, `{"alg":"HS256","kid":"x"}`, with("iss", `"`+issuerOwn+`"`)), nil},
		{"issuer B, its own key", sign(t, "RS256", k.rsaB, rs, with("iss", `"`+issuerB+`"`)), nil},
		{"unknown claims", own("scope", `["x",{"y":[1,2,{}]}]`, "SUB", `"other"`), nil},
		{"aud array", own("aud", `["other","concord"]`), nil},
		{"exp with a fraction", own("exp", at(600)+".75"), nil},
		{"exp with an exponent", own("exp", "1.8000006e9"), nil},
		{"exp in the leeway", own("exp", at(-29)), nil},
		{"nbf in the leeway", own("nbf", at(30)), nil},
		{"nbf zero", own("nbf", "0"), nil},
		{"iat in the leeway", own("iat", at(30)), nil},
		{"no iat", own("iat", ""), nil},
		{"longest names", own("sub", text(256), "company", text(256)), nil},
		{"unicode names", own("sub", `"Zoë Łukasiewicz 日本"`, "company", `"ACME\u00e9 GmbH & Co"`), nil},
		{"docs", own("docs", `["a","b"]`), nil},
		{"roles", own("roles", `["`+strings.Repeat("x", 64)+`"`+strings.Repeat(`,"a"`, 15)+`]`), nil},
		{"no documents at all", own("docs", `[]`), nil},
		{"embedded keys are ignored", rsa(`{"alg":"RS256","kid":"shared","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","jwk":{"kty":"oct"},"x5c":["AA"]}`, with()), nil},

		// Algorithms.
		{"none", b64(`{"alg":"none"}`) + "." + b64(with()) + ".", ErrAlgorithm},
		{"None", b64(`{"alg":"None","kid":"shared"}`) + "." + b64(with()) + ".", ErrAlgorithm},
		{"none with a signature", b64(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2], ErrAlgorithm},
		{"no alg", b64(`{"typ":"JWT"}`) + "." + parts[1] + "." + parts[2], ErrAlgorithm},
		{"alg null", b64(`{"alg":null}`) + "." + parts[1] + "." + parts[2], ErrAlgorithm},
		{"alg array", b64(`{"alg":["RS256"]}`) + "." + parts[1] + "." + parts[2], ErrAlgorithm},
		{"alg lower case", b64(`{"alg":"rs256","kid":"shared"}`) + "." + parts[1] + "." + parts[2], ErrAlgorithm},
		{"HS512", sign(t, "HS512", testSecret, `{"alg":"HS512"}`, with("iss", `"`+issuerOwn+`"`)), ErrAlgorithm},
		{"RS512", sign(t, "RS512", k.rsaA, `{"alg":"RS512","kid":"shared"}`, with()), ErrAlgorithm},
		{"PS256", sign(t, "PS256", k.rsaA, `{"alg":"PS256","kid":"shared"}`, with()), ErrAlgorithm},
		{"RS to HS with the public key as PEM", sign(t, "HS256", pemA, `{"alg":"HS256","kid":"shared"}`, with("iss", `"`+issuerOwn+`"`)), ErrSignature},
		{"RS to HS with the public key as DER", sign(t, "HS256", der, `{"alg":"HS256","kid":"shared"}`, with("iss", `"`+issuerOwn+`"`)), ErrSignature},
		{"RS to HS with the modulus", sign(t, "HS256", k.rsaA.N.Bytes(), `{"alg":"HS256","kid":"shared"}`, with("iss", `"`+issuerOwn+`"`)), ErrSignature},
		{"RS to HS under the key's issuer", sign(t, "HS256", pemA, `{"alg":"HS256","kid":"shared"}`, with()), ErrIssuer},
		{"ES under an RSA key ID", sign(t, "ES256", k.p256, `{"alg":"ES256","kid":"shared"}`, with()), ErrAlgorithm},
		{"RS under an EC key ID", rsa(`{"alg":"RS256","kid":"ec"}`, with()), ErrAlgorithm},
		{"EdDSA under an EC key ID", sign(t, "EdDSA", k.ed, `{"alg":"EdDSA","kid":"ec"}`, with()), ErrAlgorithm},
		{"P-384 as ES256", b64(`{"alg":"ES256","kid":"ec384"}`) + "." + parts[1] + "." + parts[2], ErrUnknownKey},
		{"ES384", sign(t, "ES384", k.p384, `{"alg":"ES384","kid":"ec384"}`, with()), ErrAlgorithm},
		{"weak RSA", sign(t, "RS256", k.rsaWeak, `{"alg":"RS256","kid":"weak"}`, with()), ErrUnknownKey},
		{"encryption key", sign(t, "RS256", k.rsaB, `{"alg":"RS256","kid":"enc"}`, with()), ErrUnknownKey},
		{"key for another algorithm", sign(t, "RS256", k.rsaB, `{"alg":"RS256","kid":"ps"}`, with()), ErrUnknownKey},
		{"secret in the public set", sign(t, "HS256", testSecret, `{"alg":"HS256","kid":"oct"}`, with()), ErrIssuer},

		// Signatures.
		{"another RSA key", sign(t, "RS256", k.rsaB, rs, with()), ErrSignature},
		{"another secret", sign(t, "HS256", []byte(strings.Repeat("z", 40)), hs, with("iss", `"`+issuerOwn+`"`)), ErrSignature},
		{"empty signature", parts[0] + "." + parts[1] + ".", ErrSignature},
		{"cut signature", parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-6], ErrSignature},
		{"cut signature with bits left over", good[:len(good)-5] + "_", ErrMalformed},
		{"cut in the claims", good[:len(parts[0])+20], ErrMalformed},
		{"other claims", parts[0] + "." + b64(with("role", `"admin"`)) + "." + parts[2], ErrSignature},
		{"ECDSA of zeros", b64(es) + "." + parts[1] + "." + b64(strings.Repeat("\x00", 64)), ErrSignature},

		// Form.
		{"nothing", "", ErrMissing},
		{"a word", "token", ErrMalformed},
		{"two parts", parts[0] + "." + parts[1], ErrMalformed},
		{"four parts", good + ".AA", ErrMalformed},
		{"dots", "....", ErrMalformed},
		{"trailing dot", good + ".", ErrMalformed},
		{"not base64", "!!!." + parts[1] + "." + parts[2], ErrMalformed},
		{"padding", parts[0] + "=." + parts[1] + "." + parts[2], ErrMalformed},
		{"standard base64", parts[0] + "." + parts[1] + ".+/+/", ErrMalformed},
		{"line break inside", parts[0] + ".\n" + parts[1] + "." + parts[2], ErrMalformed},
		{"space before", " " + good, ErrMalformed},
		{"Bearer before", "Bearer " + good, ErrMalformed},
		{"header no JSON", b64(`alg`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"header array", b64(`["alg"]`) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"header twice", b64(rs+rs) + "." + parts[1] + "." + parts[2], ErrMalformed},
		{"header repeats alg", rsa(`{"alg":"none","alg":"RS256","kid":"shared"}`, with()), ErrMalformed},
		{"claims no JSON", rsa(rs, `sub`), ErrMalformed},
		{"claims null", rsa(rs, `null`), ErrIssuer},
		{"claims array", rsa(rs, `[]`), ErrMalformed},
		{"claims repeat sub", rsa(rs, `{"sub":"other",`+with()[1:]), ErrMalformed},
		{"claims repeat sub, escaped", rsa(rs, `{"\u0073ub":"other",`+with()[1:]), ErrMalformed},
		{"claims not UTF-8", rsa(rs, with("sub", "\"\xff\"")), ErrMalformed},
		{"claims with rubbish behind", rsa(rs, with()+"{}"), ErrMalformed},
		{"deep claims", rsa(rs, with("x", strings.Repeat("[", 2000)+strings.Repeat("]", 2000))), nil},
		{"oversize", own("x", text(9000)), ErrTooLarge},
		{"crit", rsa(`{"alg":"RS256","kid":"shared","crit":["exp"]}`, with()), ErrMalformed},
		{"crit empty", rsa(`{"alg":"RS256","kid":"shared","crit":[]}`, with()), ErrMalformed},
		{"b64", rsa(`{"alg":"RS256","kid":"shared","b64":false}`, with()), ErrMalformed},

		// Key IDs and issuers.
		{"kid unknown", rsa(`{"alg":"RS256","kid":"nope"}`, with()), ErrUnknownKey},
		{"kid missing, several keys", rsa(`{"alg":"RS256"}`, with()), ErrUnknownKey},
		{"kid missing, one key", sign(t, "RS256", k.rsaB, `{"alg":"RS256"}`, with("iss", `"`+issuerB+`"`)), nil},
		{"kid empty", rsa(`{"alg":"RS256","kid":""}`, with()), ErrMalformed},
		{"kid number", rsa(`{"alg":"RS256","kid":1}`, with()), ErrMalformed},
		{"kid object", rsa(`{"alg":"RS256","kid":{"x":1}}`, with()), ErrMalformed},
		{"kid null", rsa(`{"alg":"RS256","kid":null}`, with()), ErrMalformed},
		{"kid path", rsa(`{"alg":"RS256","kid":"../../etc/passwd"}`, with()), ErrMalformed},
		{"kid Windows path", rsa(`{"alg":"RS256","kid":"C:\\keys"}`, with()), ErrMalformed},
		{"kid device", rsa(`{"alg":"RS256","kid":"/dev/null"}`, with()), ErrUnknownKey},
		{"kid URL", rsa(`{"alg":"RS256","kid":"`+b.URL+`"}`, with()), ErrMalformed},
		{"kid file URL", rsa(`{"alg":"RS256","kid":"file:///etc/passwd"}`, with()), ErrMalformed},
		{"kid SQL", rsa(`{"alg":"RS256","kid":"x' OR 1=1 --"}`, with()), ErrMalformed},
		{"kid control character", rsa(`{"alg":"RS256","kid":"shared\u0000"}`, with()), ErrMalformed},
		{"kid huge", rsa(`{"alg":"RS256","kid":`+text(4000)+`}`, with()), ErrMalformed},
		{"kid other case", rsa(`{"alg":"RS256","kid":"Shared"}`, with()), ErrUnknownKey},
		{"issuer A with B's key of the same kid", sign(t, "RS256", k.rsaB, rs, with()), ErrSignature},
		{"issuer B with A's key of the same kid", rsa(rs, with("iss", `"`+issuerB+`"`)), ErrSignature},
		{"issuer B with A's other kid", sign(t, "ES256", k.p256, es, with("iss", `"`+issuerB+`"`)), ErrUnknownKey},
		{"own issuer with A's key", rsa(rs, with("iss", `"`+issuerOwn+`"`)), ErrIssuer},
		{"A's issuer with the secret", sign(t, "HS256", testSecret, hs, with()), ErrIssuer},
		{"wrong iss", rsa(rs, with("iss", `"https://evil.example.com"`)), ErrIssuer},
		{"iss with a slash", rsa(rs, with("iss", `"`+issuerA+`/"`)), ErrIssuer},
		{"iss missing", rsa(rs, with("iss", "")), ErrIssuer},
		{"iss array", rsa(rs, with("iss", `["`+issuerA+`"]`)), ErrClaims},
		{"wrong aud", own("aud", `"other"`), ErrIssuer},
		{"aud missing", own("aud", ""), ErrIssuer},
		{"aud empty array", own("aud", "[]"), ErrIssuer},
		{"aud array without us", own("aud", `["other"]`), ErrIssuer},
		{"aud number", own("aud", "5"), ErrClaims},
		{"aud array of numbers", own("aud", `["concord",5]`), ErrClaims},

		// Times.
		{"expired", own("exp", at(-31)), ErrExpired},
		{"expired at the end of the leeway", own("exp", at(-30)), ErrExpired},
		{"exp missing", own("exp", ""), ErrClaims},
		{"exp null", own("exp", "null"), ErrClaims},
		{"exp zero", own("exp", "0"), ErrClaims},
		{"exp nearly zero", own("exp", "0.5"), ErrClaims},
		{"exp negative", own("exp", "-1800000600"), ErrClaims},
		{"exp huge", own("exp", "1e300"), ErrClaims},
		{"exp beyond a float", own("exp", "1e999"), ErrClaims},
		{"exp in milliseconds", own("exp", at(600)+"000"), ErrClaims},
		{"exp string", own("exp", `"`+at(600)+`"`), ErrClaims},
		{"exp boolean", own("exp", "true"), ErrClaims},
		{"exp array", own("exp", "["+at(600)+"]"), ErrClaims},
		{"exp NaN", own("exp", "NaN"), ErrMalformed},
		{"nbf future", own("nbf", at(31)), ErrNotYetValid},
		{"nbf string", own("nbf", `"0"`), ErrClaims},
		{"nbf negative", own("nbf", "-1"), ErrClaims},
		{"nbf huge", own("nbf", "1e18"), ErrClaims},
		{"iat future", own("iat", at(31)), ErrNotYetValid},
		{"iat null", own("iat", "null"), ErrClaims},

		// Who.
		{"sub missing", own("sub", ""), ErrClaims},
		{"sub empty", own("sub", `""`), ErrClaims},
		{"sub number", own("sub", "5"), ErrClaims},
		{"sub too long", own("sub", text(257)), ErrClaims},
		{"sub control character", own("sub", `"a\u0000b"`), ErrClaims},
		{"sub DEL", own("sub", `"a\u007f"`), ErrClaims},
		{"sub C1 control", own("sub", `"a\u0085"`), ErrClaims},
		{"sub lone surrogate", own("sub", `"a\ud800"`), ErrClaims},
		{"sub line separator", own("sub", `"a\u2028"`), ErrClaims},
		{"company missing", own("company", ""), ErrClaims},
		{"company empty", own("company", `""`), ErrClaims},
		{"company too long", own("company", text(257)), ErrClaims},
		{"company array", own("company", `["acme"]`), ErrClaims},
		{"company line break", own("company", `"acme\n"`), ErrClaims},
		{"company in other case only", own("company", "", "Company", `"acme"`), ErrClaims},
		{"role missing", own("role", ""), ErrClaims},
		{"role unknown", own("role", `"root"`), ErrClaims},
		{"role other case", own("role", `"Admin"`), ErrClaims},
		{"role array", own("role", `["admin"]`), ErrClaims},
		{"role null", own("role", "null"), ErrClaims},
		{"name control character", own("name", `"a\u001b[2J"`), ErrClaims},
		{"jti number", own("jti", "5"), ErrClaims},
		{"roles null", own("roles", "null"), ErrClaims},
		{"roles string", own("roles", `"a"`), ErrClaims},
		{"roles with an empty one", own("roles", `[""]`), ErrClaims},
		{"roles with a control character", own("roles", `["a\u0001"]`), ErrClaims},
		{"long role", own("roles", `["`+strings.Repeat("x", 65)+`"]`), ErrClaims},
		{"many roles", own("roles", `["a"`+strings.Repeat(`,"a"`, 16)+`]`), ErrClaims},
		{"docs null", own("docs", "null"), ErrClaims},
		{"docs string", own("docs", `"a"`), ErrClaims},
		{"docs of numbers", own("docs", "[1]"), ErrClaims},
		{"docs with an empty one", own("docs", `[""]`), ErrClaims},

		// Revocations.
		{"revoked user", own("sub", `"fired"`), ErrRevoked},
		{"revoked user, other issuer", rsa(rs, with("sub", `"fired"`)), ErrRevoked},
		{"revoked user, no iat", own("sub", `"fired"`, "iat", ""), ErrRevoked},
		{"revoked user, token of the same second", own("sub", `"fired"`, "iat", at(0)), ErrRevoked},
		{"revoked user, later token", own("sub", `"fired"`, "iat", at(1)), nil},
		{"same user of another company", own("sub", `"fired"`, "company", `"globex"`), nil},
		{"revoked token", own("jti", `"stolen"`), ErrRevoked},
		{"another token", own("jti", `"other"`), nil},
		{"same token ID of another company", own("jti", `"stolen"`, "company", `"globex"`), nil},
	}
	if len(cases) < 60 {
		t.Fatalf("only %d cases", len(cases))
	}
	t.Logf("%d cases", len(cases))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, err := v.Verify(t.Context(), c.token)
			checkKind(t, err, c.want)
			if err != nil {
				if diff := cmp.Diff(Principal{}, p); diff != "" {
					t.Errorf("a refusal returned a principal: %s", diff)
				}
				checkNoLeak(t, err, c.token)
			}
		})
	}
	checkLogClean(t, log.String(), good)
}

// checkNoLeak fails if the error or a cause shows a piece of the token.
func checkNoLeak(tb testing.TB, err error, token string) {
	tb.Helper()
	var all strings.Builder
	fmt.Fprintf(&all, "%v %+v %#v", err, err, PublicMessage(err))
	for _, e := range err.(*Error).Unwrap() {
		fmt.Fprintf(&all, " %v", e)
	}
	checkLogClean(tb, all.String(), token)
}

func checkLogClean(tb testing.TB, text, token string) {
	tb.Helper()
	pieces := []string{canary, "fired", "stolen", "etc/passwd", "evil.example"}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) >= 8 {
			pieces = append(pieces, part[:8])
		}
	}
	for _, piece := range pieces {
		if strings.Contains(text, piece) {
			tb.Errorf("%q shows %q of the token", text, piece)
		}
	}
}

func TestPrincipal(t *testing.T) {
	v := newVerifier(t, Options{Secret: testSecret})
	raw := sign(t, "HS256", testSecret, `{"alg":"HS256"}`, with("docs", `["b","a","b"]`, "jti", `"j"`, "name", `"Al"`, "role", `"viewer"`, "roles", `["sales", "clerk"]`))
	got, err := v.Verify(t.Context(), raw)
	checkKind(t, err, nil)
	want := Principal{
		User: canary, Company: "acme", Name: "Al", Role: RoleViewer, Roles: []string{"sales", "clerk"}, Docs: []string{"a", "b"}, TokenID: "j",
		IssuedAt: testNow.Add(-time.Minute), Expires: testNow.Add(10 * time.Minute), Deadline: testNow.Add(10*time.Minute + 30*time.Second),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("principal (-want +got):\n%s", diff)
	}
	if roles := got.AllRoles(); !slices.Equal(roles, []string{"viewer", "sales", "clerk"}) {
		t.Errorf("roles %q", roles)
	}
	for id, want := range map[string]bool{"a": true, "b": true, "c": false, "": false} {
		if got.MayOpen(id) != want {
			t.Errorf("MayOpen(%q) = %v", id, !want)
		}
	}
	if !(Principal{}).MayOpen("x") || (Principal{Docs: []string{}}).MayOpen("x") {
		t.Error("nil docs are all, empty docs are none")
	}
	for role, want := range map[Role][3]bool{
		RoleViewer: {false, false, false}, RoleEditor: {true, false, false},
		RoleAdmin: {true, true, false}, RoleService: {true, false, true}, "": {}, "root": {},
	} {
		p := Principal{Role: role}
		if got := [3]bool{p.CanWrite(), p.IsAdmin(), p.IsService()}; got != want {
			t.Errorf("role %q: %v, want %v", role, got, want)
		}
	}
	if s := got.LogValue().String(); strings.Contains(s, "jti") || strings.Contains(s, "Al") {
		t.Errorf("log value %s shows more than who", s)
	}
}

func TestSecretOnlyAndKeysOnly(t *testing.T) {
	k := keys()
	srv := newKeyServer(t, jwks(t, jwk(t, k.rsaA, kid{"kid": "x"})))
	secretOnly := newVerifier(t, Options{Secret: testSecret})
	keysOnly := newVerifier(t, Options{JWKSURL: srv.URL})
	hs := sign(t, "HS256", testSecret, `{"alg":"HS256","kid":"x"}`, with())
	rs := sign(t, "RS256", k.rsaA, `{"alg":"RS256","kid":"x"}`, with("iss", ""))
	for _, c := range []struct {
		name  string
		v     *Verifier
		token string
		want  error
	}{
		{"secret, HS", secretOnly, hs, nil},
		{"secret, RS", secretOnly, rs, ErrAlgorithm},
		{"keys, RS of any issuer", keysOnly, rs, nil},
		{"keys, HS", keysOnly, hs, ErrAlgorithm},
		{"keys, HS with an empty secret", keysOnly, sign(t, "HS256", []byte{}, `{"alg":"HS256"}`, with()), ErrAlgorithm},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.v.Verify(t.Context(), c.token)
			checkKind(t, err, c.want)
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"no key", Options{}, "CONCORD_JWT_SECRET"},
		{"short secret", Options{Secret: []byte("hunter2")}, "at least 32"},
		{"31 bytes", Options{Secret: testSecret[:31]}, "has 31 bytes"},
		{"URL and file", Options{JWKSURL: "https://x", JWKSFile: "y"}, "only one"},
		{"no URL", Options{JWKSURL: "idp"}, "must look like"},
		{"other scheme", Options{JWKSURL: "file:///etc/passwd"}, "must look like"},
		{"empty source", Options{Sources: []KeySource{{Issuer: "x"}}}, "either a URL or a file"},
		{"two without issuer", Options{Sources: []KeySource{{URL: "https://x"}, {URL: "https://y", Issuer: "y"}}}, "needs the issuer"},
		{"same issuer twice", Options{Sources: []KeySource{{URL: "https://x", Issuer: "y"}, {URL: "https://y", Issuer: "y"}}}, "two key sets"},
		{"no file", Options{JWKSFile: "/nonexistent/keys.json"}, "/nonexistent/keys.json"},
		{"leeway", Options{Secret: testSecret, Leeway: time.Hour}, "leeway"},
		{"negative limit", Options{Secret: testSecret, MaxTokenBytes: -1}, "negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := New(t.Context(), c.o)
			if err == nil || v != nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if len(c.o.Secret) > 0 && strings.Contains(err.Error(), string(c.o.Secret)) {
				t.Errorf("error %q shows the secret", err)
			}
		})
	}
}

func TestSign(t *testing.T) {
	v := newVerifier(t, Options{Secret: testSecret, Issuer: issuerOwn, Audience: audience})
	good := Claims{
		Subject: "alice", Company: "acme", Role: RoleEditor, Roles: []string{"sales"}, Name: "Alice", Docs: []string{"d"},
		Issuer: issuerOwn, Audience: audience, IssuedAt: testNow, NotBefore: testNow, Expires: testNow.Add(time.Hour),
	}
	raw, err := Sign(testSecret, good)
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.Verify(t.Context(), raw)
	checkKind(t, err, nil)
	if p.User != "alice" || p.Company != "acme" || p.TokenID == "" || !p.Expires.Equal(good.Expires) || !p.MayOpen("d") || p.MayOpen("e") || !slices.Equal(p.Roles, good.Roles) {
		t.Errorf("principal %+v", p)
	}
	for name, change := range map[string]func(*Claims){
		"no subject":       func(c *Claims) { c.Subject = "" },
		"no company":       func(c *Claims) { c.Company = "" },
		"control":          func(c *Claims) { c.Company = "a\n" },
		"role":             func(c *Claims) { c.Role = "root" },
		"no expiry":        func(c *Claims) { c.Expires = time.Time{} },
		"expiry in past":   func(c *Claims) { c.Expires = c.IssuedAt },
		"far expiry":       func(c *Claims) { c.Expires = time.Date(10001, 1, 1, 0, 0, 0, 0, time.UTC) },
		"nbf after expiry": func(c *Claims) { c.NotBefore = c.Expires },
		"company's role":   func(c *Claims) { c.Roles = []string{""} },
		"document":         func(c *Claims) { c.Docs = []string{""} },
		"name":             func(c *Claims) { c.Name = strings.Repeat("x", 257) },
	} {
		c := good
		change(&c)
		if raw, err := Sign(testSecret, c); err == nil || raw != "" {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := Sign(testSecret[:31], good); err == nil {
		t.Error("signed with a short secret")
	}
}

func TestPublicMessage(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.1: refused")
	err := fmt.Errorf("join: %w", refuseWith(ErrUnavailable, keysUnavailable, cause))
	if got := PublicMessage(err); got != keysUnavailable {
		t.Errorf("message %q", got)
	}
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, cause) {
		t.Error("kind or cause is lost")
	}
	if got := PublicMessage(cause); strings.Contains(got, "10.0.0.1") {
		t.Errorf("message %q shows a foreign error", got)
	}
}

// TestAlgorithmsRegistered holds the list of algorithms against the library's.
func TestAlgorithmsRegistered(t *testing.T) {
	for _, alg := range algorithms {
		if m := jwt.GetSigningMethod(alg); m == nil || m.Alg() != alg {
			t.Errorf("%s isn't implemented", alg)
		}
	}
	if errors.Is(refuse(ErrClaims, ""), ErrExpired) {
		t.Error("kinds mix")
	}
}

// Issuers write document IDs in any of the forms that people see.
func TestDocsInAnyForm(t *testing.T) {
	v := newVerifier(t, Options{Secret: testSecret})
	const onWire = "2yNmbsw7qKLDnWoFCdCHEX15o56w"
	for _, form := range []string{onWire, "automerge:" + onWire, "8d8c0be1-a70d-4145-a7d3-4d9316d45c20"} {
		p, err := v.Verify(t.Context(), sign(t, "HS256", testSecret, `{"alg":"HS256"}`, with("docs", `["`+form+`"]`)))
		if err != nil || !p.MayOpen(onWire) {
			t.Errorf("%s: %v, %v", form, p.Docs, err)
		}
	}
}
