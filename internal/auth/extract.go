package auth

import (
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

// Credential is what a request offers. It formats without its secret.
type Credential struct {
	Kind CredentialKind
	// secret is the token or the ticket, unverified.
	secret string
}

// String names the way in, never the secret.
func (c Credential) String() string {
	switch c.Kind {
	case KindHeader:
		return "header"
	case KindSubprotocol:
		return "subprotocol"
	case KindTicket:
		return "ticket"
	}
	return "none"
}

// GoString is String, so that %#v shows no secret.
func (c Credential) GoString() string { return "auth.Credential(" + c.String() + ")" }

// Secret returns the token or the ticket.
func (c Credential) Secret() string { return c.secret }

// Extract finds the one credential of a request. None is [ErrMissing], more
// than one is [ErrAmbiguous], a token in the query is [ErrTokenInURL].
// An Authorization header with another scheme than Bearer, as a proxy in
// front may want it, counts only if there is nothing else.
func Extract(r *http.Request) (Credential, error) {
	return Credential{}, nil
}

var _ = url.ParseQuery
var _ = strings.Cut
