package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are what [Sign] puts into a token. Times count in whole seconds.
type Claims struct {
	Subject, Company string
	Name             string // optional
	Role             Role
	Roles            []string // optional
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

// Sign returns an HS256 token that a [Verifier] with the same secret, issuer
// and audience accepts between NotBefore and Expires. The secret has at least
// 32 bytes; it isn't kept.
func Sign(secret []byte, c Claims) (string, error) {
	if c.IssuedAt.IsZero() {
		c.IssuedAt = time.Now()
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	if err := c.validate(secret); err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	m := jwt.MapClaims{
		"sub": c.Subject, "company": c.Company, "role": string(c.Role), "jti": c.ID,
		"iat": c.IssuedAt.Unix(), "exp": c.Expires.Unix(),
	}
	for name, value := range map[string]string{"name": c.Name, "iss": c.Issuer, "aud": c.Audience} {
		if value != "" {
			m[name] = value
		}
	}
	if c.Roles != nil {
		m["roles"] = c.Roles
	}
	if c.Docs != nil {
		m["docs"] = c.Docs
	}
	if !c.NotBefore.IsZero() {
		m["nbf"] = c.NotBefore.Unix()
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, m).SignedString(secret)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

func (c Claims) validate(secret []byte) error {
	optional := func(s string) bool { return s == "" || validText(s) }
	switch {
	case len(secret) < minSecretBytes:
		return fmt.Errorf("the secret has %d bytes and needs at least %d", len(secret), minSecretBytes)
	case !validText(c.Subject):
		return errors.New("sub must be 1 to 256 bytes without control characters")
	case !validText(c.Company):
		return errors.New("company must be 1 to 256 bytes without control characters")
	case !c.Role.Valid():
		return errors.New("role must be viewer, editor, admin or service")
	case !validRoles(c.Roles):
		return errors.New("roles must be at most 16 names of at most 64 bytes without control characters")
	case !optional(c.Name), !optional(c.Issuer), !optional(c.Audience), !validText(c.ID):
		return errors.New("name, iss, aud and jti must be at most 256 bytes without control characters")
	case c.Expires.Unix() < 1 || c.Expires.Unix() > maxNumericDate:
		return errors.New("exp is required and must be before the year 10000")
	case c.Expires.Unix() <= c.IssuedAt.Unix() || !c.NotBefore.Before(c.Expires):
		return errors.New("exp must be later than iat and nbf")
	case c.IssuedAt.Unix() < 0 || !c.NotBefore.IsZero() && c.NotBefore.Unix() < 0:
		return errors.New("iat and nbf must not be before 1970")
	}
	for _, d := range c.Docs {
		if !validText(d) {
			return errors.New("docs must hold document IDs")
		}
	}
	return nil
}
