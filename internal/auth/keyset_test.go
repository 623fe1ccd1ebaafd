package auth

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseKeySet(t *testing.T) {
	k := keys()
	good := jwk(t, k.p256, kid{"kid": "good"})
	even := jwk(t, k.rsaA, kid{"kid": "x", "e": "Ag"})
	one := jwk(t, k.rsaA, kid{"kid": "x", "e": "AQ"})
	large := jwk(t, k.rsaA, kid{"kid": "x", "e": b64("\x01\x00\x00\x00\x01")})
	beyondUint64 := jwk(t, k.rsaA, kid{"kid": "x", "e": b64("\x01\x00\x00\x00\x00\x00\x01\x00\x01")})
	huge := new(big.Int).Lsh(big.NewInt(1), 16384)
	for _, c := range []struct {
		name string
		key  map[string]any
		want string // algorithm, or "" if the key is left out
	}{
		{"RSA", jwk(t, k.rsaA, kid{"kid": "x"}), algRS256},
		{"P-256", jwk(t, k.p256, kid{"kid": "x"}), algES256},
		{"Ed25519", jwk(t, k.ed, kid{"kid": "x"}), algEdDSA},
		{"Ed25519 without alg", jwk(t, k.ed, kid{"kid": "x", "alg": nil}), algEdDSA},
		{"use sig", jwk(t, k.rsaA, kid{"kid": "x", "use": "sig"}), algRS256},
		{"key_ops verify", jwk(t, k.rsaA, kid{"kid": "x", "key_ops": []string{"verify"}}), algRS256},
		{"unknown members", jwk(t, k.rsaA, kid{"kid": "x", "nbf": 5, "x5t": "zz"}), algRS256},
		{"broken certificate", jwk(t, k.rsaA, kid{"kid": "x", "x5c": []string{"AA"}, "x5u": "http://127.0.0.1:1/"}), algRS256},
		{"base64 kid", jwk(t, k.rsaA, kid{"kid": "/ab+cd//ef=="}), algRS256},
		{"use enc", jwk(t, k.rsaA, kid{"kid": "x", "use": "enc"}), ""},
		{"key_ops encrypt", jwk(t, k.rsaA, kid{"kid": "x", "key_ops": []string{"encrypt"}}), ""},
		{"key_ops sign", jwk(t, k.rsaA, kid{"kid": "x", "key_ops": []string{"sign"}}), ""},
		{"alg of a secret", jwk(t, k.rsaA, kid{"kid": "x", "alg": "HS256"}), ""},
		{"alg none", jwk(t, k.rsaA, kid{"kid": "x", "alg": "none"}), ""},
		{"alg RS512", jwk(t, k.rsaA, kid{"kid": "x", "alg": "RS512"}), ""},
		{"alg of another type", jwk(t, k.p256, kid{"kid": "x", "alg": "RS256"}), ""},
		{"alg of another type, Ed25519", jwk(t, k.ed, kid{"kid": "x", "alg": "ES256"}), ""},
		{"RSA 1024", jwk(t, k.rsaWeak, kid{"kid": "x"}), ""},
		{"RSA 16384", jwk(t, k.rsaA, kid{"kid": "x", "n": b64(string(huge.Bytes()))}), ""},
		{"RSA even exponent", even, ""},
		{"RSA exponent 1", one, ""},
		{"RSA exponent of 33 bits", large, ""},
		{"RSA exponent of 65 bits that ends like 65537", beyondUint64, ""},
		{"RSA without n", jwk(t, k.rsaA, kid{"kid": "x", "n": nil}), ""},
		{"P-384", jwk(t, k.p384, kid{"kid": "x"}), ""},
		{"P-384 called P-256", jwk(t, k.p384, kid{"kid": "x", "crv": "P-256"}), ""},
		{"point off the curve", jwk(t, k.p256, kid{"kid": "x", "y": b64(strings.Repeat("\x01", 32))}), ""},
		{"Ed25519 short", jwk(t, k.ed, kid{"kid": "x", "x": "AAAA"}), ""},
		{"X25519", kid{"kty": "OKP", "crv": "X25519", "kid": "x", "x": b64(strings.Repeat("\x09", 32))}, ""},
		{"oct", kid{"kty": "oct", "kid": "x", "k": b64(string(testSecret))}, ""},
		{"unknown kty", kid{"kty": "PQC", "kid": "x"}, ""},
		{"kid number", jwk(t, k.rsaA, kid{"kid": 5}), ""},
		{"kid path", jwk(t, k.rsaA, kid{"kid": "../x"}), ""},
		{"kid of an earlier key", jwk(t, k.p256, kid{"kid": "good"}), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, skipped, err := parseKeySet(jwks(t, good, c.key))
			if err != nil {
				t.Fatal(err)
			}
			kid, _ := c.key["kid"].(string)
			if kid == "good" {
				kid = "another"
			}
			if c.want == "" {
				if len(set.keys) != 1 || len(skipped) != 1 || set.only == nil {
					t.Fatalf("%d keys, skipped %v; want the key left out", len(set.keys), skipped)
				}
				if !strings.HasPrefix(skipped[0].Error(), "key 1: ") {
					t.Errorf("reason %q names no place", skipped[0])
				}
				return
			}
			if len(skipped) > 0 || set.keys[keyID{kid, c.want}] == nil || set.only != nil {
				t.Fatalf("keys %v, skipped %v; want %s", set.kids, skipped, c.want)
			}
		})
	}
}

func TestParseKeySetRefuses(t *testing.T) {
	many := make([]map[string]any, maxKeys+1)
	for i := range many {
		many[i] = kid{"kty": "RSA"}
	}
	for name, data := range map[string][]byte{
		"nothing":      nil,
		"HTML":         []byte("<html>"),
		"array":        []byte("[]"),
		"no keys":      []byte("{}"),
		"empty keys":   []byte(`{"keys":[]}`),
		"keys object":  []byte(`{"keys":{"x":1}}`),
		"key null":     []byte(`{"keys":[null]}`),
		"key number":   []byte(`{"keys":[5]}`),
		"too many":     jwks(t, many...),
		"too large":    append(make([]byte, maxKeySetBytes), "{}"...),
		"only secrets": jwks(t, kid{"kty": "oct", "k": b64(string(testSecret))}),
	} {
		set, _, err := parseKeySet(data)
		if err == nil || set != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestPrivateMembersIgnored checks that a private key published by mistake
// serves as its public half.
func TestPrivateMembersIgnored(t *testing.T) {
	k := keys()
	raw, err := json.Marshal(jwk(t, k.p256, kid{"kid": "x", "d": b64("secret number")}))
	if err != nil {
		t.Fatal(err)
	}
	id, key, err := parseKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keyID{"x", algES256}, id, cmp.AllowUnexported(keyID{})); diff != "" {
		t.Error(diff)
	}
	if !k.p256.PublicKey.Equal(key) {
		t.Errorf("got a %T", key)
	}
}

func TestFindInKeySet(t *testing.T) {
	k := keys()
	several, _, err := parseKeySet(jwks(t, jwk(t, k.rsaA, kid{"kid": "x"}), jwk(t, k.p256, kid{"kid": "x"}), jwk(t, k.ed, nil)))
	if err != nil {
		t.Fatal(err)
	}
	single, _, err := parseKeySet(jwks(t, jwk(t, k.rsaA, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		set     *keySet
		h       header
		kind    error
		missing bool
	}{
		{"one kid, two algorithms: RSA", several, header{algRS256, "x"}, nil, false},
		{"one kid, two algorithms: EC", several, header{algES256, "x"}, nil, false},
		{"one kid, third algorithm", several, header{algEdDSA, "x"}, ErrAlgorithm, false},
		{"no kid, the key has none, others have", several, header{algEdDSA, ""}, nil, false},
		{"no kid, another algorithm", several, header{algRS256, ""}, ErrUnknownKey, false},
		{"unknown", several, header{algRS256, "y"}, ErrUnknownKey, true},
		{"single", single, header{algRS256, ""}, nil, false},
		{"single, other algorithm", single, header{algES256, ""}, ErrAlgorithm, false},
		{"single without kid, token with", single, header{algRS256, "y"}, ErrUnknownKey, true},
		{"no keys yet", &keySet{}, header{algRS256, ""}, ErrUnknownKey, true},
	} {
		key, missing, err := c.set.find(c.h)
		if (c.kind == nil) != (err == nil) || c.kind != nil && !errors.Is(err, c.kind) || missing != c.missing || (key == nil) != (err != nil) {
			t.Errorf("%s: key %T, missing %v, %v", c.name, key, missing, err)
		}
	}
}

func TestKeyAlgorithmBoundsExponent(t *testing.T) {
	n := keys().rsaA.N
	for e, want := range map[int]bool{1: false, 2: false, 3: true, 65537: true, 65538: false, 1<<31 - 1: true, 1<<32 + 1: false, -1: false} {
		if _, err := keyAlgorithm(&rsa.PublicKey{N: n, E: e}); (err == nil) != want {
			t.Errorf("exponent %d: %v", e, err)
		}
	}
}
