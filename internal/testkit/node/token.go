package node

import (
	"encoding/json"
	"io"
	"net/http"
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

// Ticket trades a token for a one-time ticket.
func (n *Node) Ticket(c Claims) string {
	n.tb.Helper()
	r, err := http.NewRequestWithContext(n.tb.Context(), http.MethodPost, n.TicketURL(), nil)
	if err != nil {
		n.tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+n.Token(c))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		n.tb.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		n.tb.Fatal(err)
	}
	var answer struct{ Ticket string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Ticket == "" {
		n.tb.Fatalf("POST /v1/tickets: %s: %s", res.Status, body)
	}
	return answer.Ticket
}
