package id

import "fmt"

// HashSize is the width of a change hash in bytes.
const HashSize = 32

// EncodeHash returns a change hash in base58check (37 to 50 characters), as
// automerge URLs and remote-heads-changed messages show heads.
func EncodeHash(hash [HashSize]byte) string {
	var buf [maxText]byte
	return string(appendCheck(buf[:0], hash[:]))
}

// AppendHash appends EncodeHash's text to dst.
func AppendHash(dst []byte, hash [HashSize]byte) []byte { return appendCheck(dst, hash[:]) }

// DecodeHash reads EncodeHash's text.
func DecodeHash(s string) ([HashSize]byte, error) {
	var hash [HashSize]byte
	if err := decodeCheck(hash[:], s); err != nil {
		return [HashSize]byte{}, fmt.Errorf("parse hash %s: %w", clip(s), err)
	}
	return hash, nil
}

// DecodeHashText is DecodeHash for bytes. Its errors are the bare ones of this
// package, and it doesn't allocate.
func DecodeHashText(text []byte) ([HashSize]byte, error) {
	var hash [HashSize]byte
	if err := decodeCheck(hash[:], text); err != nil {
		return [HashSize]byte{}, err
	}
	return hash, nil
}
