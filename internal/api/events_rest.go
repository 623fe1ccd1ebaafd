package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/events"
	"concord/internal/id"
	"concord/presence"
)

// registerEvents adds the calls under /v1/events, and /v1/presence.
func (s *Server) registerEvents(rest huma.API) {
	s.registerPublish(rest)
	s.registerPoll(rest)
	s.registerAck(rest)
	s.registerRead(rest)
	s.registerTyping(rest)
	s.registerEventSchemas(rest)
	s.registerEventReceipts(rest)
	s.registerPresence(rest)
}

// eventOperation describes an operation on events.
func (s *Server) eventOperation(rest huma.API, id, method, path, summary, description string) huma.Operation {
	op := s.operation(rest, id, method, path, summary, description)
	op.Tags = []string{"events"}
	op.Errors = append(op.Errors, http.StatusTooManyRequests)
	op.MaxBodyBytes = maxEventMessage
	if method == http.MethodPost {
		op.DefaultStatus = http.StatusNoContent
	}
	return op
}

// allowed reports whether a call may be made that stands for a message.
func (s *Server) allowed(ctx context.Context) error {
	p := caller(ctx)
	return s.opts.EventLimits.Messages.Allow(p.Company, p.User, 1)
}

// eventRoutes tells the mux of a path that it can't tell from another by itself: an
// event's receipts, of which "schema" isn't the ID.
type eventRoutes struct{ *http.ServeMux }

const receiptsPath = "/v1/events/{id}/receipts"

// HandleFunc adds a handler.
func (m eventRoutes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	method, path, _ := strings.Cut(pattern, " ")
	if path != receiptsPath {
		m.ServeMux.HandleFunc(pattern, handler)
		return
	}
	m.ServeMux.HandleFunc(method+" /v1/events/{id}/{what}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("what") != "receipts" {
			(&problemWriter{w, r}).WriteHeader(http.StatusNotFound)
			return
		}
		handler(w, r)
	})
}

type ackInput struct {
	Body struct {
		Device string `json:"device" minLength:"1" maxLength:"128" doc:"As it was named when the events were heard."`
		Cursor string `json:"cursor" minLength:"1" maxLength:"128" doc:"Of the last event that the device has dealt with."`
	}
}

func (s *Server) registerAck(rest huma.API) {
	op := s.eventOperation(rest, "ack-events", http.MethodPost, "/v1/events/ack", "Acknowledge events",
		"Where the device goes on when it comes back without a cursor of its own. It never goes back, and is safe within a second.")
	huma.Register(rest, op, func(ctx context.Context, in *ackInput) (*struct{}, error) {
		err := s.allowed(ctx)
		if err == nil {
			err = s.opts.Events.Ack(ctx, listenerOf(caller(ctx), in.Body.Device), in.Body.Cursor)
		}
		return nil, s.eventProblem("acknowledge events", err)
	})
}

type readInput struct {
	Body struct {
		IDs []string `json:"ids" minItems:"1" maxItems:"1000" doc:"IDs of events that the user has read."`
	}
}

func (s *Server) registerRead(rest huma.API) {
	op := s.eventOperation(rest, "read-events", http.MethodPost, "/v1/events/read", "Tell that events were read",
		"On whichever device: all devices of the user are told by notification:read, and the publisher if it asked for receipts.")
	huma.Register(rest, op, func(ctx context.Context, in *readInput) (*struct{}, error) {
		err := s.allowed(ctx)
		if err == nil {
			err = s.opts.Events.Seen(ctx, listenerOf(caller(ctx), ""), in.Body.IDs)
		}
		return nil, s.eventProblem("note what was read", err)
	})
}

type typingInput struct {
	Body struct {
		Document string `json:"document" maxLength:"128" doc:"Document ID or automerge: URL."`
		Field    string `json:"field" minLength:"1" maxLength:"256" doc:"Of the caller's own choosing: a path, say." example:"/customer"`
		Active   bool   `json:"active" doc:"false: the user has stopped."`
		Device   string `json:"device,omitempty" maxLength:"128"`
	}
}

func (s *Server) registerTyping(rest huma.API) {
	op := s.eventOperation(rest, "tell-typing", http.MethodPost, "/v1/events/typing", "Tell that the user types",
		"Those in the document's room hear user:typing. It ends by itself after 5 seconds unless it is told again.")
	huma.Register(rest, op, func(ctx context.Context, in *typingInput) (*struct{}, error) {
		p := caller(ctx)
		doc, err := documentIn(p, in.Body.Document)
		if err == nil {
			err = s.opts.EventLimits.Typing.Allow(p.Company, p.User, 1)
		}
		if err == nil {
			visit, leave := s.visitors.enter(p.Company, p.User, in.Body.Device)
			defer leave()
			err = visit.Typing(doc, in.Body.Field, in.Body.Active)
		}
		return nil, s.eventProblem("tell typing", err)
	})
}

type eventReceiptsInput struct {
	ID string `path:"id" minLength:"26" maxLength:"26" doc:"ID of an event that was published with receipts." example:"01KA9Z3X5T8M2Q4R6V7W8Y9ZAB"`
}

type eventReceiptsOutput struct{ Body events.EventReceipts }

func (s *Server) registerEventReceipts(rest huma.API) {
	op := s.eventOperation(rest, "get-event-receipts", http.MethodGet, receiptsPath, "See who got an event",
		"For its publisher, services and admins: to which devices it was delivered, which have acknowledged it, and who has read it. "+
			"Changes are told in the publisher's room by notification:receipt.")
	op.Errors = append(op.Errors, http.StatusNotFound)
	huma.Register(rest, op, func(ctx context.Context, in *eventReceiptsInput) (*eventReceiptsOutput, error) {
		p := caller(ctx)
		by := p.User
		if p.IsAdmin() || p.IsService() {
			by = ""
		}
		r, err := s.opts.Events.Receipts(p.Company, in.ID, by)
		if errors.Is(err, events.ErrNoReceipts) {
			return nil, huma.Error404NotFound("there are no receipts of such an event")
		}
		if err != nil {
			return nil, s.eventProblem("read receipts", err)
		}
		return &eventReceiptsOutput{r}, nil
	})
}

type typeView struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	Durable bool   `json:"durable" doc:"Kept for those who are offline; else only told to those who listen."`
	Server  bool   `json:"server" doc:"Only the server makes such events."`
}

type typesOutput struct {
	Body struct {
		Types []typeView `json:"types" doc:"Sorted by name."`
	}
}

type schemaInput struct {
	Type string `path:"type" maxLength:"128" example:"invoice:paid"`
}

const schemaType = "application/schema+json"

func (s *Server) registerEventSchemas(rest huma.API) {
	op := s.eventOperation(rest, "list-event-types", http.MethodGet, "/v1/events/schema", "List the types of events",
		"Those that every server knows, and those of this one's rules file.")
	huma.Register(rest, op, func(context.Context, *struct{}) (*typesOutput, error) {
		out := &typesOutput{}
		for _, t := range s.opts.Catalogue.Types() {
			out.Body.Types = append(out.Body.Types, typeView{t.Name, t.Summary, t.Durable, t.Server})
		}
		return out, nil
	})
	op = s.eventOperation(rest, "get-event-schema", http.MethodGet, "/v1/events/schema/{type}", "Get the schema of a type of events",
		"JSON Schema (2020-12) of the data.")
	op.Errors = append(op.Errors, http.StatusNotFound)
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
		schemaType: {Schema: rest.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[map[string]any](), true, "")},
	}}}
	huma.Register(rest, op, func(_ context.Context, in *schemaInput) (*jsonOutput, error) {
		t, ok := s.opts.Catalogue.Lookup(in.Type)
		if !ok {
			return nil, huma.Error404NotFound("there is no such type of events; GET /v1/events/schema lists them")
		}
		out := newJSON(t.Schema)
		if out.ContentType = schemaType; t.Schema == nil {
			out.Body = []byte(`{"type":"object"}`)
		}
		return out, nil
	})
}

type presenceInput struct {
	User     string `query:"user" maxLength:"256" doc:"Only this one, who may be offline."`
	Document string `query:"document" maxLength:"128" doc:"Only who has this document open, or types in it."`
}

type presentView struct {
	User     string              `json:"user"`
	Online   bool                `json:"online"`
	LastSeen time.Time           `json:"lastSeen" doc:"Of somebody who is online: when the server heard of them last."`
	Devices  []presentDeviceView `json:"devices" doc:"At most 64, the latest first."`
	Typing   []placeView         `json:"typing"`
}

type presentDeviceView struct {
	Device    string    `json:"device" doc:"Empty for one that didn't give a name."`
	Since     time.Time `json:"since"`
	Documents []string  `json:"documents" doc:"That it has open."`
}

type placeView struct {
	Document string    `json:"document"`
	Field    string    `json:"field"`
	Until    time.Time `json:"until" doc:"When it ends unless it goes on."`
}

type presenceOutput struct {
	Body struct {
		Users []presentView `json:"users" doc:"Sorted by name."`
	}
}

func (s *Server) registerPresence(rest huma.API) {
	op := s.eventOperation(rest, "list-presence", http.MethodGet, "/v1/presence", "See who is online",
		"On which devices, with which documents, and who types where. Somebody is offline 10 seconds after their last connection has ended.")
	op.Tags = []string{"presence"}
	huma.Register(rest, op, func(ctx context.Context, in *presenceInput) (*presenceOutput, error) {
		p := caller(ctx)
		f := presence.Filter{User: in.User, MayOpen: listenerOf(p, "").MayOpen}
		out := &presenceOutput{}
		out.Body.Users = []presentView{}
		if in.Document != "" {
			doc, err := id.Parse(strings.TrimPrefix(in.Document, "automerge:"))
			if err != nil {
				return nil, huma.Error422UnprocessableEntity("document is no document ID: " + err.Error())
			}
			f.Document = doc
		}
		for _, u := range s.opts.Presence.List(p.Company, f) {
			out.Body.Users = append(out.Body.Users, presentOf(u))
		}
		return out, nil
	})
}

func presentOf(u presence.User) presentView {
	v := presentView{User: u.User, Online: u.Online, LastSeen: u.LastSeen.UTC(), Devices: make([]presentDeviceView, len(u.Devices)), Typing: make([]placeView, len(u.Typing))}
	for i, d := range u.Devices {
		v.Devices[i] = presentDeviceView{d.Device, d.Since.UTC(), texts(d.Documents)}
	}
	for i, t := range u.Typing {
		v.Typing[i] = placeView{t.Document.String(), t.Field, t.Until.UTC()}
	}
	return v
}
