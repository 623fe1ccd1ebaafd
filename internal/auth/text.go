package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the length of a user, company, name, issuer or ID in bytes.
const maxText = 256

// validText reports whether s is 1 to 256 bytes of UTF-8 without control
// characters, line separators or the replacement character, which stands
// where a decoder met broken text and would make two names one.
func validText(s string) bool {
	if s == "" || len(s) > maxText || !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
	}) < 0
}

// looksLikeJWT reports whether s could be a token in a compact form: three or
// more parts, the first of which is base64url of a brace and then a quote or
// white space.
func looksLikeJWT(s string) bool {
	return (strings.HasPrefix(s, "ey") || strings.HasPrefix(s, "ew")) && strings.Count(s, ".") >= 2
}

// tokenAlphabet reports whether s is base64url characters and dots only. The
// standard decoder skips line breaks, so one token would have many spellings.
func tokenAlphabet(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// validKeyID reports whether s can be a key ID: 1 to 256 printable ASCII
// characters that can't be taken for a path or an address. Key IDs are only
// ever compared, so this keeps mistakes and probes out of the key lookup.
func validKeyID(s string) bool {
	if s == "" || len(s) > maxText {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`\"'%<>`, c) >= 0 {
			return false
		}
	}
	return !strings.Contains(s, "..") && !strings.Contains(s, "./") && !strings.Contains(s, "://")
}
