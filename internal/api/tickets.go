package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/auth"
)

type ticketOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Ticket  string    `json:"ticket" doc:"Append it to the WebSocket's URL as ?ticket=…; it works once."`
		Expires time.Time `json:"expires" doc:"Until when it can be used."`
	}
}

func (s *Server) registerTickets(rest huma.API) {
	op := s.operation(rest, "create-ticket", http.MethodPost, "/v1/tickets", "Get a one-time ticket for a WebSocket",
		"For clients that can send nothing but a URL, such as the stock automerge-repo adapter.")
	huma.Register(rest, op, func(ctx context.Context, _ *struct{}) (*ticketOutput, error) {
		ticket, expires, err := s.opts.Authenticator.Tickets.Issue(caller(ctx))
		if err != nil {
			return nil, huma.Error503ServiceUnavailable(auth.PublicMessage(err))
		}
		out := &ticketOutput{CacheControl: "no-store"}
		out.Body.Ticket, out.Body.Expires = ticket, expires
		return out, nil
	})
}
