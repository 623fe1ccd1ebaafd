package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms that are allowed, each bound to one type of key.
const (
	algHS256 = "HS256" // the secret, and only the secret
	algRS256 = "RS256" // RSA of 2,048 to 8,192 bits
	algES256 = "ES256" // ECDSA on P-256
	algEdDSA = "EdDSA" // Ed25519
)

var algorithms = []string{algHS256, algRS256, algES256, algEdDSA}

const malformedToken = "The token can't be read: it must be a signed JWT of three base64url parts whose header and claims " +
	"are JSON objects without repeated names. Sign in again."

// header is the part of a JOSE header that counts. Keys and addresses that
// are embedded in it (jwk, jku, x5u, x5c) are ignored.
type header struct {
	alg string
	kid string // empty if absent
}

// parseHeader reads the header of a token in compact form (RFC 7515 §4).
func parseHeader(raw string) (header, error) {
	first, _, _ := strings.Cut(raw, ".")
	data, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil {
		return header{}, refuseWith(ErrMalformed, malformedToken, errors.New("header isn't base64url"))
	}
	o, err := parseObject(data)
	if err != nil {
		return header{}, refuseWith(ErrMalformed, malformedToken, err)
	}
	var h header
	var ok bool
	if h.alg, ok = o.text("alg"); !ok || !slices.Contains(algorithms, h.alg) {
		return header{}, refuse(ErrAlgorithm, "The token's algorithm isn't allowed. Sign with HS256, RS256, ES256 or EdDSA.")
	}
	if _, present := o["crit"]; present {
		return header{}, refuse(ErrMalformed, "The token demands header extensions (crit), and none is supported. Sign it without crit.")
	}
	if _, present := o["b64"]; present {
		return header{}, refuse(ErrMalformed, "The token's header has b64, which isn't supported. Sign it without b64.")
	}
	if _, present := o["kid"]; present {
		if h.kid, ok = o.text("kid"); !ok || !validKeyID(h.kid) {
			return header{}, refuse(ErrMalformed, "The token's key ID (kid) isn't acceptable: it must be a string of 1 to 256 "+
				"printable ASCII characters that is neither a path nor an address. Have tokens issued with such a key ID.")
		}
	}
	return h, nil
}

// claimSet receives the claims from the JWT parser without interpreting them.
type claimSet struct {
	jwt.RegisteredClaims // for the getters of [jwt.Claims]; stays empty
	o                    object
}

// UnmarshalJSON keeps the members of the object.
func (c *claimSet) UnmarshalJSON(data []byte) (err error) {
	c.o, err = parseObject(data)
	return err
}

var _ json.Unmarshaler = (*claimSet)(nil)
