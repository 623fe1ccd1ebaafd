package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Pattern is a path in a rule: a JSON Pointer (RFC 6901) in which "*" stands for
// any key of a map or any element of a list. It is immutable.
type Pattern struct {
	text   string
	tokens []string // unescaped
	any    []bool   // by token: it is a "*"
}

// Limits of a pattern.
const (
	MaxSteps        = 32
	maxPatternBytes = 1024
)

// ParsePattern reads a pattern, "" being the whole document. The error is for people.
func ParsePattern(s string) (Pattern, error) {
	switch {
	case len(s) > maxPatternBytes:
		return Pattern{}, fmt.Errorf("a path has at most %d bytes", maxPatternBytes)
	case s == "":
		return Pattern{}, nil
	case s[0] != '/':
		return Pattern{}, fmt.Errorf("a path begins with a slash: /%s", strings.TrimLeft(s, "$."))
	case strings.Count(s, "/") > MaxSteps:
		return Pattern{}, fmt.Errorf("a path has at most %d steps", MaxSteps)
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

// Covers reports whether everything that other names is in something that p names.
func (p Pattern) Covers(other Pattern) bool {
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

// Len returns how many steps the pattern has.
func (p Pattern) Len() int { return len(p.tokens) }

// Step returns the key that step i names, unescaped, and whether it is "*", any key.
func (p Pattern) Step(i int) (key string, any bool) { return p.tokens[i], p.any[i] }

// Rest returns the pattern below its first n steps.
func (p Pattern) Rest(n int) Pattern {
	return Pattern{tokens: p.tokens[n:], any: p.any[n:]}
}

// Numeric reports whether the pattern has a step that looks like the position in a list.
func (p Pattern) Numeric() bool {
	return slices.ContainsFunc(p.tokens, func(token string) bool {
		return token != "" && strings.Trim(token, "0123456789") == ""
	})
}

// Above returns the pattern's first n steps as they are written.
func (p Pattern) Above(n int) string {
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
