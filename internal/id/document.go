// Package id names things: document IDs, and hashes in the text form that
// automerge-repo gives them. It is pure and safe for concurrent use.
//
// Text is base58check as automerge-repo writes it: Bitcoin alphabet, a 4-byte
// checksum (the start of the double SHA-256) after the payload.
package id

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// DocumentIDSize is the width of a document ID in bytes.
const DocumentIDSize = 16

// DocumentID is the 16 raw bytes (a UUID) that name a document. Its zero value
// is a well-formed ID, so it can't stand for "none".
type DocumentID [DocumentIDSize]byte

// Parse reads a document ID in base58check (22 to 28 characters), or in the
// legacy form of UUID text (36 characters, any letter case).
func Parse(s string) (DocumentID, error) {
	var d DocumentID
	var err error
	if len(s) == uuidText {
		d, err = parseUUID(s)
	} else {
		err = decodeCheck(d[:], s)
	}
	if err != nil {
		return DocumentID{}, fmt.Errorf("parse document ID %s: %w", clip(s), err)
	}
	return d, nil
}

// ParseText reads a document ID in base58check alone, the form that
// automerge-repo puts into messages. Its errors are the bare ones of this
// package, and it doesn't allocate.
func ParseText(text []byte) (DocumentID, error) {
	var d DocumentID
	if err := decodeCheck(d[:], text); err != nil {
		return DocumentID{}, err
	}
	return d, nil
}

// String returns the ID in base58check, the only form that automerge-repo writes.
func (d DocumentID) String() string {
	var buf [maxText]byte
	return string(appendCheck(buf[:0], d[:]))
}

// AppendText appends String's text to dst.
func (d DocumentID) AppendText(dst []byte) ([]byte, error) { return appendCheck(dst, d[:]), nil }

// MarshalText returns String's text.
func (d DocumentID) MarshalText() ([]byte, error) { return appendCheck(nil, d[:]), nil }

// UnmarshalText reads what Parse reads.
func (d *DocumentID) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

const uuidText = 36 // 8-4-4-4-12 hex digits

func parseUUID(s string) (DocumentID, error) {
	var d DocumentID
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return d, ErrLength // base58check of 16 bytes is never this long
	}
	var digits [2 * DocumentIDSize]byte
	plain := append(digits[:0], s[:8]...)
	plain = append(plain, s[9:13]...)
	plain = append(plain, s[14:18]...)
	plain = append(plain, s[19:23]...)
	plain = append(plain, s[24:]...)
	if _, err := hex.Decode(d[:], plain); err != nil {
		return DocumentID{}, ErrAlphabet
	}
	return d, nil
}

// clip quotes s for an error message, cut to a length that no hostile input can stretch.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q… (%d bytes)", strings.ToValidUTF8(s[:most], ""), len(s))
	}
	return fmt.Sprintf("%q", s)
}
