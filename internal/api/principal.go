package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"concord/internal/auth"
)

type principalKey struct{}

// authenticated is the middleware of every operation that needs a token.
func (s *Server) authenticated(rest huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(ctx)
		p, kind, err := s.opts.Authenticator.Authenticate(r)
		if err == nil && kind == auth.KindTicket {
			err = errTicketElsewhere
		}
		if err != nil {
			status := http.StatusUnauthorized
			if closeFor(err).Code.Final() {
				ctx.SetHeader("WWW-Authenticate", `Bearer realm="concord"`)
			} else {
				status = http.StatusServiceUnavailable
				ctx.SetHeader("Retry-After", "5")
			}
			_ = huma.WriteErr(rest, ctx, status, auth.PublicMessage(err))
			return
		}
		next(huma.WithValue(ctx, principalKey{}, p))
	}
}

// caller returns the principal of an authenticated operation.
func caller(ctx context.Context) auth.Principal {
	p, _ := ctx.Value(principalKey{}).(auth.Principal)
	return p
}

// operation describes an authenticated operation.
func (s *Server) operation(rest huma.API, id, method, path, summary, description string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Description: description,
		Security:    []map[string][]string{{"bearer": {}}},
		Middlewares: huma.Middlewares{s.authenticated(rest), wholeQuery(rest), s.budgeted},
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}
}

// errTicketElsewhere keeps a ticket, which may be seen in a URL, from being
// traded for further ones.
var errTicketElsewhere = &auth.Error{Kind: auth.ErrTicket,
	Message: "A ticket opens a WebSocket and nothing else. Send the token as an Authorization: Bearer header."}

var errNotAdmin = huma.Error403Forbidden("only an admin of the company may do this; ask for a token with role admin")
