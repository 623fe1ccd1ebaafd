package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"concord/conflict"
	"concord/conflict/guard"
)

type resolveInput struct {
	ConflictInput
	DeviceInput
	Body struct {
		Keep  string          `json:"keep,omitempty" maxLength:"256" doc:"The op of the value to keep; a deletion can be kept, too. Of a lost edit: edits brings the object back with them, removal leaves it removed."`
		Value json.RawMessage `json:"value,omitempty" doc:"Another value, as JSON. Either keep or value is needed."`
	}
}

type proposalInput struct {
	ConflictInput
	DeviceInput
}

type assignInput struct {
	ConflictInput
	DeviceInput
	Body struct {
		User string `json:"user" maxLength:"256" doc:"Who is to look at it; empty for nobody." example:"carol"`
	}
}

type commentInput struct {
	ConflictInput
	DeviceInput
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"4096" example:"Asked the customer: 1,200 is right."`
	}
}

func (s *Server) registerConflictDecisions(rest huma.API) {
	decision := func(name, path, summary, description string) huma.Operation {
		op := s.operation(rest, name, http.MethodPost, "/v1/conflicts/{id}/"+path, summary, description)
		op.Errors = append(op.Errors, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge)
		return op
	}
	huma.Register(rest, decision("resolve-conflict", "resolve", "Decide a conflict",
		"The server writes a change, in the caller's name, that keeps one of the values or sets another; every client gets it."),
		func(ctx context.Context, in *resolveInput) (*conflictOutput, error) {
			return s.decide(ctx, in.ID, in.Device, "resolve the conflict", func(company string, x conflict.ID, by conflict.By) (conflict.Conflict, error) {
				return s.opts.Resolver.Resolve(ctx, company, x, conflict.Choice{Keep: in.Body.Keep, Value: in.Body.Value}, by)
			})
		})
	huma.Register(rest, decision("assign-conflict", "assign", "Say who is to look at a conflict", ""),
		func(ctx context.Context, in *assignInput) (*conflictOutput, error) {
			return s.decide(ctx, in.ID, in.Device, "assign the conflict", func(company string, x conflict.ID, by conflict.By) (conflict.Conflict, error) {
				return s.opts.Resolver.Assign(ctx, company, x, in.Body.User, by)
			})
		})
	s.registerProposalDecisions(rest, decision)
	huma.Register(rest, decision("comment-conflict", "comments", "Comment on a conflict", ""),
		func(ctx context.Context, in *commentInput) (*conflictOutput, error) {
			return s.decide(ctx, in.ID, in.Device, "keep the comment", func(company string, x conflict.ID, by conflict.By) (conflict.Conflict, error) {
				return s.opts.Resolver.Comment(ctx, company, x, in.Body.Text, by)
			})
		})
}

func (s *Server) registerProposalDecisions(rest huma.API, decision func(name, path, summary, description string) huma.Operation) {
	who := "For those whom the rule excepts, and for admins. "
	huma.Register(rest, decision("accept-proposal", "accept", "Accept an edit that a rule undid",
		who+"The server writes a change, in the caller's name, that makes the place what it was with the edit."),
		func(ctx context.Context, in *proposalInput) (*conflictOutput, error) {
			return s.decideProposal(ctx, in, "accept the proposal", s.opts.Proposals.Accept)
		})
	huma.Register(rest, decision("dismiss-proposal", "dismiss", "Dismiss an edit that a rule undid", who+"Its author may do that, too."),
		func(ctx context.Context, in *proposalInput) (*conflictOutput, error) {
			return s.decideProposal(ctx, in, "dismiss the proposal", s.opts.Proposals.Dismiss)
		})
}

func (s *Server) decideProposal(ctx context.Context, in *proposalInput, doing string,
	do func(ctx context.Context, company string, x conflict.ID, by guard.By) (conflict.Conflict, error),
) (*conflictOutput, error) {
	return s.decide(ctx, in.ID, in.Device, doing, func(company string, x conflict.ID, by conflict.By) (conflict.Conflict, error) {
		return do(ctx, company, x, guard.By{User: by.User, Device: by.Device, Roles: by.Roles, MayOpen: by.MayOpen})
	})
}

// decide does something about a conflict for a caller who may.
func (s *Server) decide(ctx context.Context, text, device, doing string, do func(company string, x conflict.ID, by conflict.By) (conflict.Conflict, error)) (*conflictOutput, error) {
	x, err := conflict.ParseID(text)
	if err != nil {
		return nil, errNoConflict
	}
	p := caller(ctx)
	if !p.CanWrite() {
		return nil, errReadOnly
	}
	c, err := do(p.Company, x, conflict.By{User: p.User, Device: device, Roles: p.AllRoles(), MayOpen: mayOpen(p)})
	if err != nil {
		return nil, s.conflictError(doing, err)
	}
	return &conflictOutput{conflictOf(c.Record, &c)}, nil
}

var errReadOnly = huma.Error403Forbidden("a viewer may read but change nothing; ask for a token with role editor")
