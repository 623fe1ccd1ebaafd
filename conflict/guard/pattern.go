package guard

import (
	"fmt"
	"slices"
	"strings"

	"concord/crdt"
)

// Pattern names what a rule locks: a JSON Pointer (RFC 6901) in which "*" stands
// for any key of a map or any element of a list. What it names is locked with
// all that it holds.
type Pattern struct {
	text   string
	tokens []string // unescaped
	any    []bool   // by token: it is a "*"
}

const (
	maxPatternTokens = 32
	maxPatternBytes  = 1024
)

// parsePattern reads a pattern. The error is for people.
func parsePattern(s string) (Pattern, error) {
	switch {
	case len(s) > maxPatternBytes:
		return Pattern{}, fmt.Errorf("a path has at most %d bytes", maxPatternBytes)
	case s == "":
		return Pattern{}, nil
	case s[0] != '/':
		return Pattern{}, fmt.Errorf("a path begins with a slash: /%s", strings.TrimLeft(s, "$."))
	case strings.Count(s, "/") > maxPatternTokens:
		return Pattern{}, fmt.Errorf("a path has at most %d steps", maxPatternTokens)
	}
	p := Pattern{text: s}
	for token := range strings.SplitSeq(s[1:], "/") {
		key, ok := unescape(token)
		switch {
		case !ok:
			return Pattern{}, fmt.Errorf("in a path ~ is written as ~0, and / inside a key as ~1")
		case token == "" && s == "/":
			return Pattern{}, fmt.Errorf("the whole document is written as \"\"; / is the field without a name")
		case token == "-":
			return Pattern{}, fmt.Errorf("- names no element that is there; * stands for all")
		}
		p.tokens, p.any = append(p.tokens, key), append(p.any, token == "*")
	}
	return p, nil
}

var unescaper = strings.NewReplacer("~1", "/", "~0", "~")

func unescape(token string) (string, bool) {
	for i := 0; i < len(token); i++ {
		if token[i] == '~' && (i+1 == len(token) || token[i+1] != '0' && token[i+1] != '1') {
			return "", false
		}
	}
	return unescaper.Replace(token), true
}

// String returns the pattern as it stands in the file; the whole document is "".
func (p Pattern) String() string { return p.text }

// covers reports whether everything that other names is locked by p.
func (p Pattern) covers(other Pattern) bool {
	if len(p.tokens) > len(other.tokens) {
		return false
	}
	for i, token := range p.tokens {
		if !p.any[i] && (other.any[i] || other.tokens[i] != token) {
			return false
		}
	}
	return true
}

// step is one step of the way from the root to a place: a key of a map, or an
// element of a list.
type step struct {
	object crdt.OpID
	key    crdt.Key
}

// meet says how a place and a pattern lie to each other.
type meet int

const (
	apart  meet = iota
	inside      // the place is what the pattern names, or in it
	above       // what the pattern names may be in the place
)

// match compares a pattern with the way from the root to a place.
func (p Pattern) match(way []step) meet {
	for i := range min(len(p.tokens), len(way)) {
		if !p.any[i] && (way[i].key.IsElem || way[i].key.Name != p.tokens[i]) {
			return apart
		}
	}
	if len(p.tokens) <= len(way) {
		return inside
	}
	return above
}

// rest returns the pattern below its first n steps.
func (p Pattern) rest(n int) Pattern {
	return Pattern{tokens: p.tokens[n:], any: p.any[n:]}
}

// numeric reports whether the pattern has a step that looks like the position in a list.
func (p Pattern) numeric() bool {
	return slices.ContainsFunc(p.tokens, func(token string) bool {
		return token != "" && strings.Trim(token, "0123456789") == ""
	})
}

// above returns the pattern's first n steps as they are written.
func (p Pattern) above(n int) string {
	rest := p.text
	for range n {
		next := strings.IndexByte(rest[1:], '/')
		if next < 0 {
			return p.text
		}
		rest = rest[1+next:]
	}
	return p.text[:len(p.text)-len(rest)]
}
