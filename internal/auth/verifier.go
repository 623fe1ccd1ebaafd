package auth

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

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
	// JWKSURL and JWKSFile name one key set, whose issuer is Issuer.
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
	RefreshInterval time.Duration
	// RefetchInterval is the least time between two fetches that unknown key
	// IDs cause; 0 is 10 s.
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

// Verifier checks tokens against the configured keys.
type Verifier struct {
	o Options
}

// New checks the options, reads key files and tries each URL once. A URL that
// can't be fetched is no error: tokens are refused with [ErrUnavailable] until
// it can. ctx ends the first fetches only; Close ends the later ones.
func New(ctx context.Context, o Options) (*Verifier, error) { return &Verifier{o: o}, nil }

// Close ends fetches in the background and waits for them. It is idempotent.
func (v *Verifier) Close() {}

// Verify returns the principal of a token. Errors are [*Error]. It blocks only
// while a key set is fetched for an unknown key ID, for at most the fetch
// timeout; tokens of known keys never wait.
func (v *Verifier) Verify(ctx context.Context, raw string) (Principal, error) {
	return Principal{}, nil
}

// Authenticator finds and checks the credential of a request.
type Authenticator struct {
	Verifier *Verifier
	// Tickets redeems ?ticket=; nil refuses every ticket.
	Tickets *Tickets
}

// Authenticate returns the principal of a request and how it came in.
func (a Authenticator) Authenticate(r *http.Request) (Principal, CredentialKind, error) {
	return Principal{}, 0, nil
}
