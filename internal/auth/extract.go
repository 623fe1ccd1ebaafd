package auth

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Subprotocol is the WebSocket subprotocol that the server answers when it
// was offered, whether or not a token was offered beside it.
const Subprotocol = "concord.v1"

// subprotocolBearer precedes a token in the list of offered subprotocols.
const subprotocolBearer = "bearer."

// maxQuery bounds the query string that is searched for a ticket, in bytes.
const maxQuery = 16 << 10

const tokenInURL = "A token must not be put into a URL, where logs and browser histories keep it. " +
	"Get a ticket from POST /v1/tickets and connect with ?ticket= instead."

const noCredentials = "Sign in: send the token as an Authorization: Bearer header, as the WebSocket subprotocols " +
	"concord.v1, bearer.<token>, or trade it for a ticket at POST /v1/tickets and connect with ?ticket=."

// CredentialKind says how a credential reached the server.
type CredentialKind uint8

// The three ways in.
const (
	KindHeader      CredentialKind = iota + 1 // Authorization: Bearer
	KindSubprotocol                           // Sec-WebSocket-Protocol: concord.v1, bearer.<token>
	KindTicket                                // ?ticket=
)

// String names the way in.
func (k CredentialKind) String() string {
	switch k {
	case KindHeader:
		return "header"
	case KindSubprotocol:
		return "subprotocol"
	case KindTicket:
		return "ticket"
	}
	return "none"
}

// Credential is what a request offers, unverified. It formats without its secret.
type Credential struct {
	Kind   CredentialKind
	secret string
}

// Format writes the kind for every verb, so that no log shows the secret.
func (c Credential) Format(s fmt.State, _ rune) { fmt.Fprint(s, c.Kind.String()) }

// Extract finds the one credential of a request. None is [ErrMissing], more
// than one is [ErrAmbiguous], a token in the query is [ErrTokenInURL].
// An Authorization header with another scheme than Bearer, as a proxy in
// front may want it, is passed over if there is something else.
func Extract(r *http.Request) (Credential, error) {
	ticket, tickets, err := fromQuery(r.URL)
	if err != nil {
		return Credential{}, err
	}
	bearer, bearers, others := fromHeader(r.Header.Values("Authorization"))
	proto, protos, named := fromSubprotocols(r.Header.Values("Sec-WebSocket-Protocol"))
	switch n := tickets + bearers + protos; {
	case n > 1:
		return Credential{}, refuse(ErrAmbiguous, "The request carries more than one credential. Send one: "+
			"the Authorization header, the WebSocket subprotocol or a ticket.")
	case n == 0 && others > 0:
		return Credential{}, refuse(ErrMalformed, "The Authorization header must have the form: Bearer <token>.")
	case n == 0:
		return Credential{}, refuse(ErrMissing, noCredentials)
	case bearers == 1:
		return credential(KindHeader, bearer)
	case tickets == 1:
		return credential(KindTicket, ticket)
	case !named:
		return Credential{}, refuse(ErrMalformed, "A token as subprotocol must be offered together with "+
			Subprotocol+", which the server answers.")
	}
	return credential(KindSubprotocol, proto)
}

func credential(kind CredentialKind, secret string) (Credential, error) {
	if secret == "" {
		return Credential{}, refuse(ErrMissing, noCredentials)
	}
	return Credential{Kind: kind, secret: secret}, nil
}

// fromQuery returns the ticket and how many there are.
func fromQuery(u *url.URL) (ticket string, n int, err error) {
	if len(u.RawQuery) > maxQuery {
		return "", 0, refuse(ErrTooLarge, fmt.Sprintf("The query is longer than %d bytes. Shorten it.", maxQuery))
	}
	if u.RawQuery == "" {
		return "", 0, nil
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", 0, refuse(ErrMalformed, "The query can't be read. Write it as name=value pairs joined by &, percent-encoded.")
	}
	for name, values := range query {
		for _, value := range values {
			if value != "" && tokenParameter(name) || looksLikeJWT(value) || looksLikeJWT(name) {
				return "", 0, refuse(ErrTokenInURL, tokenInURL)
			}
		}
	}
	tickets := query["ticket"]
	if len(tickets) == 0 {
		return "", 0, nil
	}
	return tickets[0], len(tickets), nil
}

// tokenParameter reports whether clients use the parameter for tokens.
func tokenParameter(name string) bool {
	switch strings.ToLower(name) {
	case "token", "access_token", "id_token", "jwt", "bearer":
		return true
	}
	return false
}

// fromHeader returns the token, the number of Bearer values and the number of
// values with another scheme.
func fromHeader(values []string) (token string, bearers, others int) {
	for _, v := range values {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
		if strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(rest)
			bearers++
			continue
		}
		others++
	}
	return token, bearers, others
}

// fromSubprotocols returns the token, the number of tokens, and whether
// [Subprotocol] is offered.
func fromSubprotocols(values []string) (token string, n int, named bool) {
	for _, v := range values {
		for p := range strings.SplitSeq(v, ",") {
			p = strings.TrimSpace(p)
			if t, ok := strings.CutPrefix(p, subprotocolBearer); ok {
				token = t
				n++
			}
			named = named || p == Subprotocol
		}
	}
	return token, n, named
}
