package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Verifier checks tokens against the configured keys.
type Verifier struct {
	o       Options
	parser  *jwt.Parser
	sources []*source

	life    context.Context // ends with Close; bounds background fetches only
	end     context.CancelFunc
	loops   sync.WaitGroup
	ownHTTP *http.Transport // nil if Options.Client was given
}

// New checks the options, reads key files and tries each URL once. A URL that
// can't be fetched is no error: its tokens are refused with [ErrUnavailable]
// until it can. ctx ends the first fetches only; Close ends the later ones.
func New(ctx context.Context, o Options) (*Verifier, error) {
	o = o.withDefaults()
	o.Secret = bytes.Clone(o.Secret)
	configured, err := o.keySources()
	if err != nil {
		return nil, err
	}
	if err := o.validate(configured); err != nil {
		return nil, err
	}
	v := &Verifier{o: o, parser: jwt.NewParser(
		jwt.WithValidMethods(algorithms),
		jwt.WithStrictDecoding(),
		jwt.WithoutClaimsValidation(), // done in principal, after the signature
	)}
	v.life, v.end = context.WithCancel(context.Background())
	if v.o.Client == nil {
		v.o.Client, v.ownHTTP = newClient()
	}
	for _, c := range configured {
		v.sources = append(v.sources, v.newSource(c))
	}
	if err := v.start(ctx); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

func (v *Verifier) newSource(c KeySource) *source {
	var set atomic.Pointer[keySet]
	set.Store(&keySet{})
	return &source{
		issuer: c.Issuer, url: c.URL, file: c.File,
		timeout: v.o.FetchTimeout, interval: v.o.RefetchInterval,
		client: v.o.Client, log: v.o.Logger,
		set: set.Load, store: set.Store,
	}
}

// newClient returns a client that follows few redirects and none from https
// to http, because whoever can change the keys can be anyone.
func newClient() (*http.Client, *http.Transport) {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           4,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	check := func(req *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("too many redirects")
		}
		if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
			return errors.New("redirect from https to http")
		}
		return nil
	}
	return &http.Client{Transport: t, CheckRedirect: check}, t
}

// start reads every source once and begins to refresh the URLs.
func (v *Verifier) start(ctx context.Context) error {
	var first sync.WaitGroup
	for _, s := range v.sources {
		if s.file != "" {
			s.checkFile(v.o.Now(), true)
			if err := s.lastError(); err != nil {
				return fmt.Errorf("read the JWKS file %s: %w; it must hold a JSON object with at least one usable key in \"keys\"", s.file, err)
			}
			continue
		}
		first.Go(func() { s.refresh(ctx, v.life) }) // the error is logged and retried
	}
	first.Wait()
	for _, s := range v.sources {
		if s.url != "" {
			v.loops.Go(func() { v.keepFresh(s) })
		}
	}
	return nil
}

// keepFresh fetches the set at intervals, sooner after a failure, each time
// with up to a tenth of chance so that nodes don't fetch in step.
func (v *Verifier) keepFresh(s *source) {
	retry := time.Second
	err := s.lastError()
	for {
		wait := v.o.RefreshInterval
		if err != nil {
			wait = min(retry, wait)
			retry = min(2*retry, time.Minute)
		} else {
			retry = time.Second
		}
		timer := time.NewTimer(wait - rand.N(wait/10+1))
		select {
		case <-timer.C:
		case <-v.life.Done():
			timer.Stop()
			return
		}
		err = s.refresh(v.life, v.life)
	}
}

// Close ends fetches in the background and waits for them. It is idempotent.
// Tokens of known keys can still be verified.
func (v *Verifier) Close() {
	v.end()
	for _, s := range v.sources {
		s.close()
	}
	v.loops.Wait()
	if v.ownHTTP != nil {
		v.ownHTTP.CloseIdleConnections()
	}
}

// Verify returns the principal of a token. Errors are [*Error]. It blocks only
// while a key set is fetched for an unknown key ID, for at most the fetch
// timeout; tokens of known keys never wait.
func (v *Verifier) Verify(ctx context.Context, raw string) (Principal, error) {
	if raw == "" {
		return Principal{}, refuse(ErrMissing, noCredentials)
	}
	if len(raw) > v.o.MaxTokenBytes {
		return Principal{}, refuse(ErrTooLarge, fmt.Sprintf("The token is longer than %d bytes. Have it issued with fewer claims.", v.o.MaxTokenBytes))
	}
	if !tokenAlphabet(raw) {
		return Principal{}, refuseWith(ErrMalformed, malformedToken, errors.New("a character is neither base64url nor a dot"))
	}
	h, err := parseHeader(raw)
	if err != nil {
		return Principal{}, err
	}
	var claims claimSet
	if _, err := v.parser.ParseWithClaims(raw, &claims, func(*jwt.Token) (any, error) {
		return v.key(ctx, h, claims.o)
	}); err != nil {
		return Principal{}, parserError(err)
	}
	p, err := v.principal(claims.o, v.o.Now())
	if err != nil {
		return Principal{}, err
	}
	if v.o.Revocations != nil && v.o.Revocations.Revoked(p) {
		return Principal{}, refuse(ErrRevoked, revokedMessage)
	}
	return p, nil
}

// key chooses the one key that may have signed a token, by its algorithm,
// issuer and key ID. None of these is verified yet.
func (v *Verifier) key(ctx context.Context, h header, o object) (any, error) {
	iss, err := unverifiedIssuer(o)
	if err != nil {
		return nil, err
	}
	if h.alg == algHS256 {
		switch {
		case len(v.o.Secret) == 0:
			return nil, refuse(ErrAlgorithm, "The token is signed with a secret (HS256), and this server has none. Use a token of its identity provider.")
		case v.o.Issuer != "" && iss != v.o.Issuer:
			return nil, refuse(ErrIssuer, wrongIssuer)
		}
		return v.o.Secret, nil
	}
	if len(v.sources) == 0 {
		return nil, refuse(ErrAlgorithm, "The token is signed with a key pair, and this server knows a secret only. Sign it with HS256.")
	}
	for _, s := range v.sources {
		if s.issuer == "" || s.issuer == iss {
			return s.find(ctx, v.life, v.o.Now(), h)
		}
	}
	return nil, refuse(ErrIssuer, wrongIssuer)
}

const wrongIssuer = "The token comes from an issuer (iss) that this server doesn't trust. Sign in where the server's operator says."

// parserError makes a refusal of the JWT parser's error, whose text can quote
// the token and is therefore dropped.
func parserError(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, jwt.ErrTokenMalformed) {
		return refuseWith(ErrMalformed, malformedToken, errors.New("claims or signature can't be decoded"))
	}
	return refuse(ErrSignature, "The token's signature is wrong. Sign in again.")
}
