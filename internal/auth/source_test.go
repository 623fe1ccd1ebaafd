package auth

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// eventually waits for something that a background goroutine does.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	tb.Fatalf("still not: %s", what)
}

func TestRotatedKey(t *testing.T) {
	k := keys()
	c := newClock()
	srv := newKeyServer(t, jwks(t, jwk(t, k.rsaA, kid{"kid": "old"})))
	v := newVerifier(t, Options{JWKSURL: srv.URL, Now: c.now})
	old := sign(t, "RS256", k.rsaA, `{"alg":"RS256","kid":"old"}`, with())
	next := sign(t, "ES256", k.p256, `{"alg":"ES256","kid":"next"}`, with())

	_, err := v.Verify(t.Context(), next)
	checkKind(t, err, ErrUnknownKey)
	srv.set(jwks(t, jwk(t, k.p256, kid{"kid": "next"})))

	hits := srv.hits.Load()
	for range 50 {
		_, err = v.Verify(t.Context(), next)
		checkKind(t, err, ErrUnknownKey)
	}
	if n := srv.hits.Load(); n != hits {
		t.Errorf("%d fetches within the interval", n-hits)
	}
	_, err = v.Verify(t.Context(), old)
	checkKind(t, err, nil)

	c.advance(10 * time.Second)
	_, err = v.Verify(t.Context(), next)
	checkKind(t, err, nil)
	_, err = v.Verify(t.Context(), old)
	checkKind(t, err, ErrUnknownKey)
	if n := srv.hits.Load(); n != hits+1 {
		t.Errorf("%d fetches, want 1", n-hits)
	}
}

func TestUnknownKeyFetchIsShared(t *testing.T) {
	k := keys()
	srv := newKeyServer(t, jwks(t, jwk(t, k.rsaA, kid{"kid": "old"})))
	v := newVerifier(t, Options{JWKSURL: srv.URL})
	gate := make(chan struct{})
	srv.block.Store(&gate)
	srv.set(jwks(t, jwk(t, k.rsaA, kid{"kid": "old"}), jwk(t, k.ed, kid{"kid": "next"})))
	next := sign(t, "EdDSA", k.ed, `{"alg":"EdDSA","kid":"next"}`, with())
	old := sign(t, "RS256", k.rsaA, `{"alg":"RS256","kid":"old"}`, with())

	var wg sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		wg.Go(func() { _, errs[i] = v.Verify(t.Context(), next) })
	}
	eventually(t, "a fetch is under way", func() bool { return srv.hits.Load() == 2 })

	// While the fetch hangs, tokens of known keys don't wait, and a caller can give up.
	_, err := v.Verify(t.Context(), old)
	checkKind(t, err, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = v.Verify(ctx, sign(t, "RS256", k.rsaA, `{"alg":"RS256","kid":"third"}`, with()))
	checkKind(t, err, ErrUnavailable)

	close(gate)
	wg.Wait()
	for _, err := range errs {
		checkKind(t, err, nil)
	}
	if n := srv.hits.Load(); n != 2 {
		t.Errorf("%d fetches for 32 callers, want 1 beside the first", n-1)
	}
}

func TestKeyServerDown(t *testing.T) {
	k := keys()
	known := sign(t, "RS256", k.rsaA, `{"alg":"RS256","kid":"x"}`, with())
	unknown := sign(t, "RS256", k.rsaA, `{"alg":"RS256","kid":"y"}`, with())
	good := jwks(t, jwk(t, k.rsaA, kid{"kid": "x"}))
	hang := make(chan struct{})
	for name, fail := range map[string]func(*keyServer){
		"closed":    func(s *keyServer) { s.Close() },
		"status":    func(s *keyServer) { s.code.Store(http.StatusInternalServerError) },
		"rubbish":   func(s *keyServer) { s.set([]byte("<html>")) },
		"empty set": func(s *keyServer) { s.set([]byte(`{"keys":[]}`)) },
		"too large": func(s *keyServer) { s.set(make([]byte, maxKeySetBytes+1)) },
		"hangs":     func(s *keyServer) { s.block.Store(&hang) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := newKeyServer(t, good)
			v := newVerifier(t, Options{JWKSURL: srv.URL, FetchTimeout: 50 * time.Millisecond})
			fail(srv)
			_, err := v.Verify(t.Context(), unknown)
			checkKind(t, err, ErrUnavailable)
			if e := err.(*Error); !e.Temporary() || e.Cause == nil {
				t.Errorf("%+v isn't temporary or has no cause", e)
			}
			_, err = v.Verify(t.Context(), known)
			checkKind(t, err, nil)
		})
	}
}

func TestStartWithoutKeyServer(t *testing.T) {
	k := keys()
	srv := newKeyServer(t, jwks(t, jwk(t, k.rsaA, kid{"kid": "x"})))
	srv.code.Store(http.StatusServiceUnavailable)
	var log syncBuffer
	v := newVerifier(t, Options{
		JWKSURL: strings.Replace(srv.URL, "http://", "http://user:hunter2@", 1) + "/keys?secret=hunter2",
		Logger:  debugLogger(&log), RefreshInterval: 20 * time.Millisecond, RefetchInterval: time.Hour,
	})
	token := sign(t, "RS256", k.rsaA, `{"alg":"RS256","kid":"x"}`, with())
	_, err := v.Verify(t.Context(), token)
	checkKind(t, err, ErrUnavailable)
	srv.code.Store(http.StatusOK)
	eventually(t, "the background fetch succeeds", func() bool {
		_, err := v.Verify(t.Context(), token)
		return err == nil
	})
	// A withdrawn key is forgotten by the background fetch.
	srv.set(jwks(t, jwk(t, k.p256, kid{"kid": "z"})))
	eventually(t, "the withdrawn key is refused", func() bool {
		_, err := v.Verify(t.Context(), token)
		return errors.Is(err, ErrUnknownKey)
	})
	v.Close()
	v.Close()
	_, err = v.Verify(t.Context(), sign(t, "ES256", k.p256, `{"alg":"ES256","kid":"z"}`, with()))
	checkKind(t, err, nil)
	_, err = v.Verify(t.Context(), token)
	if err == nil {
		t.Error("a closed verifier knows a withdrawn key")
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log shows the URL's secrets:\n%s", log.String())
	}
	checkLogClean(t, log.String(), token)
}

func TestRedirects(t *testing.T) {
	k := keys()
	target := newKeyServer(t, jwks(t, jwk(t, k.rsaA, kid{"kid": "x"})))
	redirect := func(to string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	}
	once := httptest.NewServer(redirect(target.URL))
	defer once.Close()
	var loop *httptest.Server
	loop = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, loop.URL, http.StatusFound)
	}))
	defer loop.Close()
	secure := httptest.NewUnstartedServer(redirect(target.URL))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake is meant to fail
	secure.StartTLS()
	defer secure.Close()
	own, transport := newClient()
	defer transport.CloseIdleConnections()
	secureClient := secure.Client()
	secureClient.CheckRedirect = own.CheckRedirect

	token := sign(t, "RS256", k.rsaA, `{"alg":"RS256","kid":"x"}`, with())
	for _, c := range []struct {
		name, url string
		client    *http.Client
		want      error
	}{
		{"once", once.URL, nil, nil},
		{"loop", loop.URL, nil, ErrUnavailable},
		{"from https to http", secure.URL, secureClient, ErrUnavailable},
		{"untrusted certificate", secure.URL, nil, ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVerifier(t, Options{JWKSURL: c.url, Client: c.client})
			_, err := v.Verify(t.Context(), token)
			checkKind(t, err, c.want)
		})
	}
}

func TestKeyFile(t *testing.T) {
	k := keys()
	c := newClock()
	name := filepath.Join(t.TempDir(), "keys.json")
	write := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(name+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	write(jwks(t, jwk(t, k.rsaA, kid{"kid": "x"})))
	v := newVerifier(t, Options{JWKSFile: name, Now: c.now})
	x := sign(t, "RS256", k.rsaA, `{"alg":"RS256","kid":"x"}`, with())
	y := sign(t, "ES256", k.p256, `{"alg":"ES256","kid":"y"}`, with())
	check := func(token string, want error) {
		t.Helper()
		_, err := v.Verify(t.Context(), token)
		checkKind(t, err, want)
	}
	check(x, nil)
	check(y, ErrUnknownKey)

	write(jwks(t, jwk(t, k.p256, kid{"kid": "y"})))
	check(x, nil) // seen within a second
	check(y, nil) // an unknown key looks at once
	check(x, ErrUnknownKey)

	write(jwks(t, jwk(t, k.rsaA, kid{"kid": "x"})))
	c.advance(time.Second)
	check(x, nil)

	write([]byte("{"))
	c.advance(time.Second)
	check(x, nil)
	check(y, ErrUnavailable)

	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Second)
	check(x, nil)
	check(y, ErrUnavailable)

	write(jwks(t, jwk(t, k.rsaA, kid{"kid": "x"}), jwk(t, k.p256, kid{"kid": "y"})))
	c.advance(time.Second)
	check(x, nil)
	check(y, nil)
}
