package id

import "errors"

var (
	// ErrEmpty is returned for an empty text.
	ErrEmpty = errors.New("empty identifier")
	// ErrLength is returned when a text doesn't hold exactly the bytes that its kind of identifier has.
	ErrLength = errors.New("wrong length")
	// ErrAlphabet is returned when a text holds a character outside its alphabet.
	ErrAlphabet = errors.New("character outside the alphabet")
	// ErrChecksum is returned when the checksum inside a base58check text doesn't match.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrURL is returned when a text is no automerge URL.
	ErrURL = errors.New("not an automerge URL")
)
