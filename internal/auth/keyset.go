package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/MicahParks/jwkset"
)

// Limits of a key set.
const (
	maxKeySetBytes = 1 << 20
	maxKeys        = 100
	minRSABits     = 2048
	maxRSABits     = 8192 // a verification takes about 0.5 ms
)

var errNoUsableKey = errors.New("key set holds no key that can verify RS256, ES256 or EdDSA")

// keyID names a key within one issuer's set.
type keyID struct{ kid, alg string }

// keySet is an immutable set of public keys.
type keySet struct {
	keys map[keyID]any
	kids map[string]bool
	only *keyID // set if there is a single key
}

// find returns the key for a token. missing is true if a newer version of the
// set might hold it.
func (s *keySet) find(h header) (key any, missing bool, err error) {
	id := keyID{h.kid, h.alg}
	if h.kid == "" && s.only != nil {
		id.kid = s.only.kid
	}
	if key, ok := s.keys[id]; ok {
		return key, false, nil
	}
	switch {
	case h.kid == "" && len(s.keys) > 1:
		return nil, false, refuse(ErrUnknownKey, "The token names no key (kid), and its issuer has several. Have tokens issued with kid.")
	case len(s.keys) > 0 && s.kids[id.kid]:
		return nil, false, refuse(ErrAlgorithm, "The token's algorithm doesn't fit its key. Sign in again.")
	}
	return nil, true, refuse(ErrUnknownKey, "The token was signed with a key that this server doesn't know. Sign in again.")
}

// parseKeySet reads a JSON Web Key Set (RFC 7517 §5). Keys that can't be used
// are left out and reported in skipped, each with its place in the set; they
// are no error as long as one can be used.
func parseKeySet(data []byte) (set *keySet, skipped []error, err error) {
	if len(data) > maxKeySetBytes {
		return nil, nil, fmt.Errorf("key set is larger than %d bytes", maxKeySetBytes)
	}
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, nil, fmt.Errorf("parse key set: %w", err)
	}
	if len(doc.Keys) > maxKeys {
		return nil, nil, fmt.Errorf("key set holds more than %d keys", maxKeys)
	}
	set = &keySet{keys: make(map[keyID]any), kids: make(map[string]bool)}
	for i, raw := range doc.Keys {
		id, key, err := parseKey(raw)
		if err == nil && set.keys[id] != nil {
			err = errors.New("an earlier key has the same kid and algorithm")
		}
		if err != nil {
			skipped = append(skipped, fmt.Errorf("key %d: %w", i, err))
			continue
		}
		set.keys[id] = key
		set.kids[id.kid] = true
		set.only = &id
	}
	if len(set.keys) == 0 {
		return nil, skipped, errNoUsableKey
	}
	if len(set.keys) > 1 {
		set.only = nil
	}
	return set, skipped, nil
}

// parseKey reads one public signature key. Private members are ignored, and
// so are certificates and their addresses.
func parseKey(raw json.RawMessage) (keyID, any, error) {
	var m jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &m); err != nil {
		return keyID{}, nil, errors.New("not a JSON Web Key")
	}
	if m.KTY == jwkset.KtyOct {
		return keyID{}, nil, errors.New("a secret (oct) in a public key set is never used")
	}
	if m.USE != "" && m.USE != jwkset.UseSig {
		return keyID{}, nil, errors.New("use isn't sig")
	}
	if !verifies(m.KEYOPS) {
		return keyID{}, nil, errors.New("key_ops lacks verify")
	}
	if m.KID != "" && !validKeyID(m.KID) {
		return keyID{}, nil, errors.New("kid isn't 1 to 256 printable ASCII characters, or looks like a path or an address")
	}
	material := jwkset.JWKMarshal{KTY: m.KTY, CRV: m.CRV, X: m.X, Y: m.Y, N: m.N, E: m.E}
	if m.KTY == jwkset.KtyOKP {
		material.ALG = m.ALG
	}
	parsed, err := jwkset.NewJWKFromMarshal(material, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return keyID{}, nil, errors.New("key material is incomplete or invalid")
	}
	alg, err := keyAlgorithm(parsed.Key())
	if err != nil {
		return keyID{}, nil, err
	}
	if m.ALG != "" && string(m.ALG) != alg {
		return keyID{}, nil, errors.New("alg isn't RS256, ES256 or EdDSA, or doesn't fit the key")
	}
	return keyID{m.KID, alg}, parsed.Key(), nil
}

func verifies(ops []jwkset.KEYOPS) bool {
	for _, op := range ops {
		if op == jwkset.KeyOpsVerify {
			return true
		}
	}
	return len(ops) == 0
}

// keyAlgorithm returns the one algorithm that a key may verify.
func keyAlgorithm(key any) (string, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return "", fmt.Errorf("RSA key has %d bits instead of %d to %d", bits, minRSABits, maxRSABits)
		}
		if k.E < 3 || k.E > math.MaxInt32 || k.E%2 == 0 {
			return "", errors.New("RSA exponent is even, less than 3 or larger than 31 bits")
		}
		return algRS256, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", errors.New("curve isn't P-256")
		}
		return algES256, nil
	case ed25519.PublicKey:
		return algEdDSA, nil
	}
	return "", errors.New("key type can't verify signatures")
}
