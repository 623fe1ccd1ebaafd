package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/auth"
)

type revocation struct {
	Kind  string     `json:"kind" enum:"user,token"`
	ID    string     `json:"id"`
	At    time.Time  `json:"at"`
	Until *time.Time `json:"until,omitempty" doc:"When it is forgotten, because what it ends has expired."`
	By    string     `json:"by"`
}

type revokeInput struct {
	Body struct {
		Kind  string    `json:"kind" enum:"user,token" doc:"user: every token of the user that was issued up to now. token: the one with this jti."`
		ID    string    `json:"id" minLength:"1" maxLength:"256" doc:"The token's sub, or its jti."`
		Until time.Time `json:"until,omitempty" doc:"The token's exp, if known; the revocation is kept for ever without it."`
	}
}

type revocationOutput struct{ Body revocation }

type revocationsOutput struct {
	Body struct {
		Revocations []revocation `json:"revocations"`
	}
}

func (s *Server) registerRevocations(rest huma.API) {
	op := s.operation(rest, "revoke", http.MethodPost, "/v1/revocations", "Revoke a user or a token",
		"Open connections end within seconds; the revocation survives restarts.")
	huma.Register(rest, op, func(ctx context.Context, in *revokeInput) (*revocationOutput, error) {
		p := caller(ctx)
		if !p.IsAdmin() {
			return nil, errNotAdmin
		}
		var r auth.Revocation
		var err error
		ctx = context.WithoutCancel(ctx) // it is in force from here on, so it has to be saved too
		if in.Body.Kind == string(auth.RevokeKindUser) {
			r, err = s.opts.Revocations.RevokeUser(ctx, p.Company, in.Body.ID, p.User)
		} else {
			r, err = s.opts.Revocations.RevokeToken(ctx, p.Company, in.Body.ID, in.Body.Until, p.User)
		}
		if errors.Is(err, auth.ErrBadRevocation) {
			return nil, huma.Error422UnprocessableEntity(auth.PublicMessage(err))
		}
		if err != nil {
			return nil, s.internal("save the revocation", err)
		}
		return &revocationOutput{shown(r)}, nil
	})

	op = s.operation(rest, "list-revocations", http.MethodGet, "/v1/revocations", "List revocations in force", "")
	huma.Register(rest, op, func(ctx context.Context, _ *struct{}) (*revocationsOutput, error) {
		p := caller(ctx)
		if !p.IsAdmin() {
			return nil, errNotAdmin
		}
		out := &revocationsOutput{}
		out.Body.Revocations = []revocation{}
		for _, r := range s.opts.Revocations.List(p.Company) {
			out.Body.Revocations = append(out.Body.Revocations, shown(r))
		}
		return out, nil
	})
}

func shown(r auth.Revocation) revocation {
	v := revocation{Kind: string(r.Kind), ID: r.ID, At: r.At, By: r.By}
	if !r.Until.IsZero() {
		v.Until = &r.Until
	}
	return v
}
