package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"concord/conflict"
)

type resolveInput struct {
	ConflictInput
	Body struct {
		Keep  string          `json:"keep,omitempty" maxLength:"256" doc:"The op of the value to keep; a deletion can be kept, too. Of a lost edit: edits brings the object back with them, removal leaves it removed."`
		Value json.RawMessage `json:"value,omitempty" doc:"Another value, as JSON. Either keep or value is needed."`
	}
}

type assignInput struct {
	ConflictInput
	Body struct {
		User string `json:"user" maxLength:"256" doc:"Who is to look at it; empty for nobody." example:"carol"`
	}
}

type commentInput struct {
	ConflictInput
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"4096" example:"Asked the customer: 1,200 is right."`
	}
}

func (s *Server) registerConflictDecisions(rest huma.API) {
	decision := func(name, path, summary, description string) huma.Operation {
		op := s.operation(rest, name, http.MethodPost, "/v1/conflicts/{id}/"+path, summary, description)
		op.Errors = append(op.Errors, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity)
		return op
	}
	huma.Register(rest, decision("resolve-conflict", "resolve", "Decide a conflict",
		"The server writes a change, in the caller's name, that keeps one of the values or sets another; every client gets it."),
		func(ctx context.Context, in *resolveInput) (*conflictOutput, error) {
			return s.decide(ctx, in.ID, "resolve the conflict", func(company string, x conflict.ID, by conflict.By) (conflict.Conflict, error) {
				return s.opts.Resolver.Resolve(ctx, company, x, conflict.Choice{Keep: in.Body.Keep, Value: in.Body.Value}, by)
			})
		})
	huma.Register(rest, decision("assign-conflict", "assign", "Say who is to look at a conflict", ""),
		func(ctx context.Context, in *assignInput) (*conflictOutput, error) {
			return s.decide(ctx, in.ID, "assign the conflict", func(company string, x conflict.ID, by conflict.By) (conflict.Conflict, error) {
				return s.opts.Resolver.Assign(ctx, company, x, in.Body.User, by)
			})
		})
	huma.Register(rest, decision("comment-conflict", "comments", "Comment on a conflict", ""),
		func(ctx context.Context, in *commentInput) (*conflictOutput, error) {
			return s.decide(ctx, in.ID, "keep the comment", func(company string, x conflict.ID, by conflict.By) (conflict.Conflict, error) {
				return s.opts.Resolver.Comment(ctx, company, x, in.Body.Text, by)
			})
		})
}

// decide does something about a conflict for a caller who may.
func (s *Server) decide(ctx context.Context, text, doing string, do func(company string, x conflict.ID, by conflict.By) (conflict.Conflict, error)) (*conflictOutput, error) {
	x, err := conflict.ParseID(text)
	if err != nil {
		return nil, errNoConflict
	}
	p := caller(ctx)
	if !p.CanWrite() {
		return nil, errReadOnly
	}
	c, err := do(p.Company, x, conflict.By{User: p.User, MayOpen: mayOpen(p)})
	if err != nil {
		return nil, s.conflictError(doing, err)
	}
	return &conflictOutput{conflictOf(c.Record, &c)}, nil
}

var errReadOnly = huma.Error403Forbidden("a viewer may read but change nothing; ask for a token with role editor")
