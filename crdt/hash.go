package crdt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
)

// Hash is the SHA-256 of a change in its uncompressed (type 1) form: 32 raw bytes.
type Hash [32]byte

// ParseHash reads 64 hex digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return Hash{}, fmt.Errorf("parse hash %q: want 64 hex digits", s)
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("parse hash %q: %w", s, err)
	}
	return h, nil
}

// String returns the hash as 64 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Compare orders hashes by their bytes.
func (h Hash) Compare(other Hash) int { return bytes.Compare(h[:], other[:]) }

// SortHashes sorts hs in place by bytes, the order in which Automerge writes heads.
func SortHashes(hs []Hash) { slices.SortFunc(hs, Hash.Compare) }

// ActorID names the author of changes: raw bytes of any length, held in a
// string so that it can be a map key. Actors order byte by byte.
type ActorID string

// String returns the actor in lower-case hex, as automerge-js shows it.
func (a ActorID) String() string { return hex.EncodeToString([]byte(a)) }
