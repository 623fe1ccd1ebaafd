package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

const (
	issuerOwn = "https://own.example.com"
	issuerA   = "https://a.example.com"
	issuerB   = "https://b.example.com"
	audience  = "concord"
	canary    = "canary7f3a91"
)

var (
	testSecret = []byte("0123456789abcdef0123456789abcdef-secret")
	testNow    = time.Unix(1_800_000_000, 0)
)

// keys are generated once per run.
var keys = sync.OnceValue(func() (k struct {
	rsaA, rsaB, rsaWeak *rsa.PrivateKey
	p256, p384          *ecdsa.PrivateKey
	ed                  ed25519.PrivateKey
}) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	k.rsaA, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.rsaB, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.rsaWeak, err = rsa.GenerateKey(rand.Reader, 1024)
	must(err)
	k.p256, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	k.p384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return k
})

// jwk returns the public JSON Web Key of a signer with members set or, if the
// value is nil, removed.
func jwk(tb testing.TB, key crypto.Signer, members map[string]any) map[string]any {
	tb.Helper()
	parsed, err := jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := json.Marshal(parsed.Marshal())
	if err != nil {
		tb.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		tb.Fatal(err)
	}
	for name, value := range members {
		if value == nil {
			delete(m, name)
			continue
		}
		m[name] = value
	}
	return m
}

func jwks(tb testing.TB, list ...map[string]any) []byte {
	tb.Helper()
	data, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

type kid = map[string]any

// keyServer is a real HTTP server that serves a replaceable key set.
type keyServer struct {
	*httptest.Server
	hits  atomic.Int64
	body  atomic.Pointer[[]byte]
	code  atomic.Int64
	block atomic.Pointer[chan struct{}] // requests wait for it, if set
}

func newKeyServer(tb testing.TB, body []byte) *keyServer {
	tb.Helper()
	s := &keyServer{}
	s.set(body)
	s.code.Store(http.StatusOK)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		if wait := s.block.Load(); wait != nil {
			select {
			case <-*wait:
			case <-r.Context().Done():
				return
			}
		}
		w.WriteHeader(int(s.code.Load()))
		w.Write(*s.body.Load())
	}))
	tb.Cleanup(s.Close)
	return s
}

func (s *keyServer) set(body []byte) { s.body.Store(&body) }

// clock is a settable clock.
type clock struct{ t atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	t := testNow
	c.t.Store(&t)
	return c
}

func (c *clock) now() time.Time { return *c.t.Load() }

func (c *clock) advance(d time.Duration) {
	t := c.now().Add(d)
	c.t.Store(&t)
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newVerifier(tb testing.TB, o Options) *Verifier {
	tb.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return testNow }
	}
	v, err := New(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(v.Close)
	return v
}

func debugLogger(b *syncBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign makes a token of exactly this header and these claims.
func sign(tb testing.TB, alg string, key any, header, claims string) string {
	tb.Helper()
	text := b64(header) + "." + b64(claims)
	sig, err := jwt.GetSigningMethod(alg).Sign(text, key)
	if err != nil {
		tb.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// with returns good claims with members replaced; "" removes one. Values are raw JSON.
func with(pairs ...string) string {
	m := map[string]string{
		"sub": `"` + canary + `"`, "company": `"acme"`, "role": `"editor"`,
		"iss": `"` + issuerA + `"`, "aud": `"` + audience + `"`,
		"exp": fmt.Sprint(testNow.Unix() + 600), "iat": fmt.Sprint(testNow.Unix() - 60),
	}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	var members []string
	for name, value := range m {
		if value != "" {
			members = append(members, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// checkKind fails unless err is an *Error of this kind and of no other.
func checkKind(tb testing.TB, err, want error) {
	tb.Helper()
	if want == nil {
		if err != nil {
			tb.Fatalf("refused: %v (%+v)", err, errors.Unwrap(err))
		}
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != want || !errors.Is(err, want) {
		tb.Fatalf("got error %v, want kind %v", err, want)
	}
	if !strings.Contains(e.Message, ". ") || !strings.HasSuffix(e.Message, ".") {
		if !strings.HasPrefix(e.Message, "Sign in: ") && !strings.HasPrefix(e.Message, "A token as subprotocol") &&
			!strings.HasPrefix(e.Message, "The Authorization header must") {
			tb.Errorf("message %q doesn't say what happened and what to do", e.Message)
		}
	}
}
