package auth

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"concord/internal/id"
)

// maxNumericDate is the last second of the year 9999.
const maxNumericDate = 253402300799

func badClaim(name, want string) *Error {
	return refuse(ErrClaims, fmt.Sprintf("The token's claim %q %s. Have the token issued with it, or sign in again.", name, want))
}

// principal reads the claims of a token whose signature is good.
func (v *Verifier) principal(o object, now time.Time) (Principal, error) {
	var p Principal
	if err := v.checkAudience(o); err != nil {
		return Principal{}, err
	}
	if err := v.readTimes(o, now, &p); err != nil {
		return Principal{}, err
	}
	if err := readIdentity(o, &p); err != nil {
		return Principal{}, err
	}
	return p, nil
}

// checkAudience demands the configured audience. The issuer is checked with
// the choice of the key, since each key belongs to one.
func (v *Verifier) checkAudience(o object) error {
	raw, present := o["aud"]
	if !present && v.o.Audience == "" {
		return nil
	}
	var aud []string
	ok := true
	if present && len(raw) > 0 && raw[0] == '[' {
		aud, ok = o.texts("aud")
	} else if present {
		var one string
		one, ok = o.text("aud")
		aud = []string{one}
	}
	if !ok {
		return badClaim("aud", "must be a string or an array of strings")
	}
	if v.o.Audience != "" && !slices.Contains(aud, v.o.Audience) {
		return refuse(ErrIssuer, "The token is meant for another audience (aud). Use a token that was issued for this server.")
	}
	return nil
}

// readTimes reads exp, nbf and iat (RFC 7519 §4.1.4–6).
func (v *Verifier) readTimes(o object, now time.Time, p *Principal) error {
	exp, present, ok := numericDate(o, "exp")
	if !present || !ok || exp.Unix() < 1 {
		return badClaim("exp", "must be a time in seconds since 1970, greater than 0 and before the year 10000")
	}
	nbf, _, ok := numericDate(o, "nbf")
	if !ok {
		return badClaim("nbf", "must be a time in seconds since 1970 and before the year 10000")
	}
	iat, _, ok := numericDate(o, "iat")
	if !ok {
		return badClaim("iat", "must be a time in seconds since 1970 and before the year 10000")
	}
	p.Expires, p.Deadline, p.IssuedAt = exp, exp.Add(v.o.Leeway), iat
	switch {
	case !now.Before(p.Deadline):
		return refuse(ErrExpired, "The token has expired. Sign in again.")
	case nbf.After(now.Add(v.o.Leeway)):
		return refuse(ErrNotYetValid, "The token isn't valid yet (nbf). Check the clocks of this server and of the token's issuer.")
	case iat.After(now.Add(v.o.Leeway)):
		return refuse(ErrNotYetValid, "The token was issued in the future (iat). Check the clocks of this server and of the token's issuer.")
	}
	return nil
}

// numericDate reads a number of seconds, which may have a fraction. An absent
// claim is ok and the zero time; null, strings, negative numbers, numbers out
// of a float64's range and times after the year 9999 are not ok.
func numericDate(o object, name string) (t time.Time, present, ok bool) {
	raw, present := o[name]
	if !present {
		return time.Time{}, false, true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > maxNumericDate {
		return time.Time{}, true, false
	}
	seconds, fraction := math.Modf(f)
	return time.Unix(int64(seconds), int64(fraction*1e9)), true, true
}

// readIdentity reads who the token stands for. Claims that aren't known are ignored.
func readIdentity(o object, p *Principal) error {
	var ok bool
	if p.User, ok = o.text("sub"); !ok || !validText(p.User) {
		return badClaim("sub", "must be the user, 1 to 256 bytes without control characters")
	}
	if p.Company, ok = o.text("company"); !ok || !validText(p.Company) {
		return badClaim("company", "must be the company, 1 to 256 bytes without control characters")
	}
	role, ok := o.text("role")
	if p.Role = Role(role); !ok || !p.Role.Valid() {
		return badClaim("role", "must be viewer, editor, admin or service")
	}
	if p.Name, ok = o.text("name"); !ok || p.Name != "" && !validText(p.Name) {
		return badClaim("name", "must be absent or at most 256 bytes without control characters")
	}
	if p.TokenID, ok = o.text("jti"); !ok || p.TokenID != "" && !validText(p.TokenID) {
		return badClaim("jti", "must be absent or a string of at most 256 bytes without control characters")
	}
	if p.Roles, ok = o.texts("roles"); !ok || !validRoles(p.Roles) {
		return badClaim("roles", "must be absent or an array of at most 16 names of at most 64 bytes without control characters")
	}
	return readDocs(o, p)
}

const (
	maxRoles     = 16
	maxRoleBytes = 64
)

func validRoles(roles []string) bool {
	return len(roles) <= maxRoles && !slices.ContainsFunc(roles, func(r string) bool { return len(r) > maxRoleBytes || !validText(r) })
}

// readDocs reads the narrowing to documents. null is refused: it could be
// meant as all documents or as none.
func readDocs(o object, p *Principal) error {
	docs, ok := o.texts("docs")
	for i, d := range docs {
		ok = ok && validText(d)
		docs[i] = documentText(d)
	}
	if !ok {
		return badClaim("docs", "must be absent or an array of document IDs")
	}
	slices.Sort(docs)
	p.Docs = slices.Compact(docs)
	return nil
}

// documentText returns a document's ID in the form that is used on the wire, for
// issuers that write automerge URLs or UUIDs. What is neither matches no document.
func documentText(s string) string {
	if u, err := id.ParseURL(s); err == nil {
		return u.Document.String()
	}
	if d, err := id.Parse(s); err == nil {
		return d.String()
	}
	return s
}

// unverifiedIssuer reads `iss` to choose the key; whether it is true shows
// with the signature.
func unverifiedIssuer(o object) (string, error) {
	iss, ok := o.text("iss")
	if !ok || iss != "" && !validText(iss) {
		return "", badClaim("iss", "must be absent or a string of at most 256 bytes without control characters")
	}
	return iss, nil
}
