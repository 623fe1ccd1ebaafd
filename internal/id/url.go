package id

import (
	"fmt"
	"strings"
)

const (
	scheme = "automerge:"

	// maxURLHeads bounds the heads of one URL.
	maxURLHeads = 1024
	maxURL      = len(scheme) + uuidText + 1 + maxURLHeads*(maxText+1)
)

// URL is an automerge URL: a document, optionally at given heads.
type URL struct {
	Document DocumentID

	// Heads are the change hashes after '#', in the URL's order. Nil means
	// the URL names no heads (the latest state); empty but not nil means it
	// names the empty document.
	Heads [][HashSize]byte
}

// ParseURL reads `automerge:` and a document ID, optionally followed by `#`
// and at most 1,024 heads joined by `|`.
func ParseURL(s string) (URL, error) {
	if len(s) > maxURL {
		return URL{}, fmt.Errorf("parse URL %s: %w", clip(s), ErrLength)
	}
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok {
		return URL{}, fmt.Errorf("parse URL %s: %w", clip(s), ErrURL)
	}
	document, heads, hasHeads := strings.Cut(rest, "#")
	var u URL
	var err error
	if u.Document, err = Parse(document); err != nil {
		return URL{}, fmt.Errorf("parse URL: %w", err)
	}
	if !hasHeads {
		return u, nil
	}
	if u.Heads, err = parseHeads(heads); err != nil {
		return URL{}, fmt.Errorf("parse URL: %w", err)
	}
	return u, nil
}

func parseHeads(s string) ([][HashSize]byte, error) {
	if s == "" {
		return [][HashSize]byte{}, nil
	}
	count := strings.Count(s, "|") + 1
	if count > maxURLHeads {
		return nil, fmt.Errorf("%d heads: %w", count, ErrLength)
	}
	heads := make([][HashSize]byte, 0, count)
	for text := range strings.SplitSeq(s, "|") {
		head, err := DecodeHash(text)
		if err != nil {
			return nil, err
		}
		heads = append(heads, head)
	}
	return heads, nil
}

// String returns the URL's text.
func (u URL) String() string {
	b := append(make([]byte, 0, len(scheme)+maxText), scheme...)
	b = appendCheck(b, u.Document[:])
	if u.Heads == nil {
		return string(b)
	}
	b = append(b, '#')
	for i, head := range u.Heads {
		if i > 0 {
			b = append(b, '|')
		}
		b = appendCheck(b, head[:])
	}
	return string(b)
}
