package node

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Secret signs the tokens of nodes that were started without a secret of their own.
const Secret = "a secret for tests, longer than thirty-two bytes"

// Claims describes a token. The zero values mean: company "acme", role "editor", valid for an hour.
type Claims struct {
	Sub     string
	Company string
	Role    string
	TTL     time.Duration  // negative for an expired token
	Extra   map[string]any // further claims; they win
}

// Token signs a token with the given secret.
func Token(tb testing.TB, secret string, c Claims) string {
	tb.Helper()
	if c.Company == "" {
		c.Company = "acme"
	}
	if c.Role == "" {
		c.Role = "editor"
	}
	if c.TTL == 0 {
		c.TTL = time.Hour
	}
	now := time.Now()
	claims := jwt.MapClaims{
		"sub": c.Sub, "company": c.Company, "role": c.Role,
		"iat": now.Unix(), "exp": now.Add(c.TTL).Unix(),
	}
	for k, v := range c.Extra {
		claims[k] = v
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		tb.Fatal(err)
	}
	return token
}
