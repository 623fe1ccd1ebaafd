package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// minSecretBytes is the least length of an HS256 secret (RFC 7518 §3.2).
const minSecretBytes = 32

// maxSources bounds the key sets of one verifier.
const maxSources = 64

// KeySource is a JSON Web Key Set and the issuer that signs with it.
type KeySource struct {
	// Issuer is the `iss` whose tokens these keys verify. Empty is any, which
	// is allowed for a single source only.
	Issuer string
	// URL is where the set is fetched from, http or https. Either URL or File is set.
	URL string
	// File is read again when it changes.
	File string
}

// Options configures a [Verifier]. At least one of Secret, JWKSURL, JWKSFile
// and Sources is needed.
type Options struct {
	// Secret verifies HS256, at least 32 bytes. The slice is copied.
	Secret []byte
	// JWKSURL and JWKSFile name one key set, whose issuer is Issuer; at most one is set.
	JWKSURL, JWKSFile string
	// Sources are further key sets. With more than one set in all, every one
	// needs an Issuer of its own.
	Sources []KeySource
	// Issuer is the `iss` that is demanded of tokens signed with Secret or
	// with the keys of JWKSURL and JWKSFile; empty is any.
	Issuer string
	// Audience must be among the token's `aud`; empty is any.
	Audience string
	// Leeway is the clock difference allowed for exp, nbf and iat; 0 is 30 s, at most 5 min.
	Leeway time.Duration
	// MaxTokenBytes is the length of a token in bytes; 0 is 8,192.
	MaxTokenBytes int
	// RefreshInterval is how often a URL is fetched without need; 0 is 15 min.
	// A key that its issuer withdraws is accepted for as long, and for longer
	// while the URL can't be fetched.
	RefreshInterval time.Duration
	// RefetchInterval is the least time between two fetches of one URL that
	// unknown key IDs cause; 0 is 10 s.
	RefetchInterval time.Duration
	// FetchTimeout bounds one fetch; 0 is 5 s.
	FetchTimeout time.Duration
	// Client fetches URLs; nil is one of the verifier's own.
	Client *http.Client
	// Revocations is asked about every token; nil is never.
	Revocations *Revocations
	// Now is the clock for claims and rate limits; nil is [time.Now].
	Now func() time.Time
	// Logger hears of key sets; nil discards.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.Leeway, 30*time.Second)
	setDefault(&o.MaxTokenBytes, 8192)
	setDefault(&o.RefreshInterval, 15*time.Minute)
	setDefault(&o.RefetchInterval, 10*time.Second)
	setDefault(&o.FetchTimeout, 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o Options) keySources() ([]KeySource, error) {
	if o.JWKSURL != "" && o.JWKSFile != "" {
		return nil, errors.New("a JWKS URL and a JWKS file are both configured: " +
			"set only one of CONCORD_JWKS_URL and CONCORD_JWKS_FILE")
	}
	var list []KeySource
	if o.JWKSURL != "" || o.JWKSFile != "" {
		list = append(list, KeySource{Issuer: o.Issuer, URL: o.JWKSURL, File: o.JWKSFile})
	}
	return append(list, o.Sources...), nil
}

// validate returns the first thing that is wrong, and what to do about it.
func (o Options) validate(sources []KeySource) error {
	switch {
	case len(o.Secret) == 0 && len(sources) == 0:
		return errors.New("no key to verify tokens with: set CONCORD_JWT_SECRET to at least 32 random bytes " +
			"(openssl rand -base64 48), or CONCORD_JWKS_URL or CONCORD_JWKS_FILE to your identity provider's key set; " +
			"to try Concord out, start it with --dev")
	case len(o.Secret) > 0 && len(o.Secret) < minSecretBytes:
		return fmt.Errorf("the JWT secret is too short: it has %d bytes and needs at least %d; "+
			"set CONCORD_JWT_SECRET to the output of openssl rand -base64 48", len(o.Secret), minSecretBytes)
	case o.Leeway < 0 || o.Leeway > revocationGrace:
		return fmt.Errorf("the leeway is %s and must be between 0 and %s", o.Leeway, revocationGrace)
	case o.MaxTokenBytes < 0 || o.RefreshInterval < 0 || o.RefetchInterval < 0 || o.FetchTimeout < 0:
		return errors.New("a limit or interval is negative: leave it 0 for the default")
	case len(sources) > maxSources:
		return fmt.Errorf("%d key sets are configured, and at most %d are allowed", len(sources), maxSources)
	}
	seen := make(map[string]bool)
	for _, s := range sources {
		if err := s.validate(); err != nil {
			return err
		}
		if len(sources) > 1 && s.Issuer == "" {
			return errors.New("several key sets are configured, so each of them needs the issuer (iss) whose tokens it verifies")
		}
		if seen[s.Issuer] {
			return fmt.Errorf("the issuer %q has two key sets: give each issuer one", s.Issuer)
		}
		seen[s.Issuer] = true
	}
	return nil
}

func (s KeySource) validate() error {
	if (s.URL == "") == (s.File == "") {
		return errors.New("a key set needs either a URL or a file")
	}
	if s.File != "" {
		return nil
	}
	u, err := url.Parse(s.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("the JWKS URL can't be used: it must look like https://idp.example.com/.well-known/jwks.json")
	}
	return nil
}
