package auth

import "net/http"

// Authenticator finds and checks the credential of a request.
type Authenticator struct {
	Verifier *Verifier
	// Tickets redeems ?ticket=; nil refuses every ticket.
	Tickets *Tickets
}

// Authenticate returns the principal of a request and how it came in. A
// ticket is used up by it. Errors are [*Error].
func (a Authenticator) Authenticate(r *http.Request) (Principal, CredentialKind, error) {
	c, err := Extract(r)
	if err != nil {
		return Principal{}, 0, err
	}
	if c.Kind != KindTicket {
		p, err := a.Verifier.Verify(r.Context(), c.secret)
		return p, c.Kind, err
	}
	if a.Tickets == nil {
		return Principal{}, c.Kind, refuse(ErrTicket, badTicket)
	}
	p, err := a.Tickets.Redeem(c.secret)
	return p, c.Kind, err
}
