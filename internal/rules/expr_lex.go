package rules

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEnd    tokenKind = iota
	tokenPath             // text is a JSON Pointer
	tokenWord             // text is a keyword or a value without quotes
	tokenQuoted           // text is what stands between the quotes
	tokenSign             // text is ( ) [ ] , or a comparison
)

type token struct {
	kind tokenKind
	text string
	at   int // bytes before it
}

func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "the end"
	case tokenQuoted:
		return `"` + t.text + `"`
	}
	return t.text
}

// ExprError is a mistake in an expression; its text is for people.
type ExprError struct {
	At   int // bytes before it
	Text string
}

func (e *ExprError) Error() string { return e.Text }

func mistake(at int, format string, args ...any) *ExprError {
	return &ExprError{at, fmt.Sprintf(format, args...)}
}

// delimits reports whether a character ends a word or path.
func delimits(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("()[],=<>!\"'`&|", r)
}

func keyword(s string) bool {
	switch s {
	case "and", "or", "not", "in", "exists", "true", "false", "null":
		return true
	}
	return false
}

// lex returns the token that begins at or after a byte, and where it ends.
func lex(s string, at int) (token, int, *ExprError) {
	rest := strings.TrimLeftFunc(s[at:], unicode.IsSpace)
	at = len(s) - len(rest)
	if rest == "" {
		return token{tokenEnd, "", at}, at, nil
	}
	switch c := rest[0]; c {
	case '(', ')', '[', ']', ',':
		return token{tokenSign, rest[:1], at}, at + 1, nil
	case '=', '!', '<', '>':
		return lexComparison(rest, at)
	case '"', '\'', '`':
		end := strings.IndexByte(rest[1:], c)
		if end < 0 {
			return token{}, 0, mistake(at, "the %c isn't closed", c)
		}
		t := token{tokenQuoted, rest[1 : 1+end], at}
		if c == '`' {
			t.kind = tokenPath
		}
		return t, at + end + 2, nil
	}
	end := strings.IndexFunc(rest, delimits)
	switch end {
	case -1:
		end = len(rest)
	case 0:
		r, _ := utf8.DecodeRuneInString(rest)
		hint := ""
		switch {
		case strings.HasPrefix(rest, "&"):
			hint = "; write and"
		case strings.HasPrefix(rest, "|"):
			hint = "; write or"
		}
		return token{}, 0, mistake(at, "%q has no meaning here%s", r, hint)
	}
	if rest[0] == '/' {
		return token{tokenPath, rest[:end], at}, at + end, nil
	}
	return token{tokenWord, rest[:end], at}, at + end, nil
}

func lexComparison(rest string, at int) (token, int, *ExprError) {
	n := 1
	if len(rest) > 1 && rest[1] == '=' {
		n = 2
	}
	switch rest[:n] {
	case "=":
		return token{}, 0, mistake(at, "write == to compare")
	case "!":
		return token{}, 0, mistake(at, "write not, or != to compare")
	}
	return token{tokenSign, rest[:n], at}, at + n, nil
}
