package auth

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is the length of a user, company, role, name, issuer or ID in bytes.
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

// looksLikeJWT reports whether s could be a token in the compact form: three
// parts, the first of which is base64url of text that begins with `{"`.
func looksLikeJWT(s string) bool {
	return strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") >= 2
}
