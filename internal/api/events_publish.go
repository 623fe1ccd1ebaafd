package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"concord/events"
	"concord/internal/id"
)

type publicationView struct {
	Type     string          `json:"type" minLength:"1" maxLength:"128" example:"invoice:paid" doc:"GET /v1/events/schema lists them."`
	Room     string          `json:"room" minLength:"1" maxLength:"300" doc:"user:NAME, company:NAME or document:ID." example:"company:acme"`
	Data     json.RawMessage `json:"data,omitempty" doc:"As the type's schema wants it; at most 64 KiB."`
	Receipts bool            `json:"receipts,omitempty" doc:"Keeps account of who got it, see its receipts."`
	Document string          `json:"document,omitempty" maxLength:"128" doc:"What it is about; the event goes when that is deleted. Of a document's room it is the document unless given."`
}

type publishInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"A call that is repeated with it within a day is answered as the first was, and tells nothing." example:"invoice-2026-0815-paid"`
	Body struct {
		Events []publicationView `json:"events" minItems:"1" maxItems:"1000"`
	}
}

type publishedView struct {
	ID     string `json:"id"`
	Cursor string `json:"cursor,omitempty" doc:"Where it stands in the log; missing for one that isn't kept."`
}

type publishOutput struct {
	Body struct {
		Events []publishedView `json:"events" doc:"In the order of the call."`
	}
}

func (s *Server) registerPublish(rest huma.API) {
	op := s.eventOperation(rest, "publish-events", http.MethodPost, "/v1/events", "Publish events",
		"All of them or none; they are on the disk when the call is answered. For services and admins.")
	op.DefaultStatus = http.StatusOK
	op.MaxBodyBytes = int64(s.opts.MaxMessage)
	op.BodyReadTimeout = bodyTimeout
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge)
	huma.Register(rest, op, func(ctx context.Context, in *publishInput) (*publishOutput, error) {
		p := caller(ctx)
		if !p.IsAdmin() && !p.IsService() {
			return nil, huma.Error403Forbidden("only services and admins publish events; ask for a token with role service")
		}
		list, err := publications(in)
		if err == nil {
			err = s.opts.EventLimits.Publishes.Allow(p.Company, p.User, len(list))
		}
		if err != nil {
			return nil, s.eventProblem("publish events", err)
		}
		for i, e := range list {
			if e.Document != (id.DocumentID{}) && !p.MayOpen(e.Document.String()) {
				return nil, huma.Error403Forbidden(fmt.Sprintf("events[%d]: the token doesn't open document %s", i, e.Document))
			}
		}
		done, err := s.opts.Events.Publish(ctx, p.Company, p.User, in.Key, list)
		if err != nil {
			return nil, s.publishProblem(err)
		}
		out := &publishOutput{}
		out.Body.Events = make([]publishedView, len(done))
		for i, e := range done {
			out.Body.Events[i] = publishedView(e)
		}
		return out, nil
	})
}

// publications reads the events of a call.
func publications(in *publishInput) ([]events.Publication, error) {
	list := make([]events.Publication, len(in.Body.Events))
	for i, e := range in.Body.Events {
		list[i] = events.Publication{Type: e.Type, Room: e.Room, Data: e.Data, Receipts: e.Receipts}
		text := e.Document
		if room, ok := strings.CutPrefix(e.Room, events.KindDocument+":"); ok && text == "" {
			text = room
		}
		if text == "" {
			continue
		}
		doc, err := id.Parse(strings.TrimPrefix(text, "automerge:"))
		if err != nil {
			return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("events[%d]: %.64q is no document ID: %v", i, text, err))
		}
		list[i].Document = doc
	}
	return list, nil
}

// publishProblem says why events weren't published.
func (s *Server) publishProblem(err error) error {
	switch {
	case errors.Is(err, events.ErrUnknownType), errors.Is(err, events.ErrServerType):
		return huma.Error422UnprocessableEntity(err.Error())
	case errors.Is(err, events.ErrNoDocument):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, events.ErrKeyReused):
		return huma.Error409Conflict(err.Error())
	}
	return s.eventProblem("publish events", err)
}
