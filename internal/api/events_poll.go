package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"concord/events"
	"concord/sync/wire"
)

type pollInput struct {
	Device string `query:"device" maxLength:"128" doc:"The device's own name for itself, which stays the same. Without one nothing is known of what it has got." example:"till-3"`
	Cursor string `query:"cursor" maxLength:"128" doc:"Of the answer before. Without one: what the device has acknowledged, or else from now on."`
	Rooms  string `query:"rooms" maxLength:"65536" doc:"Rooms besides the user's and the company's, with commas between them." example:"document:4NMNnkMhL8jXrdJ9jamS58PAVdXu"`
	Types  string `query:"types" maxLength:"16384" doc:"Types that are wanted, with commas between them; invoice:* stands for all that begin so. All unless given." example:"invoice:*,stock:updated"`
	Wait   int    `query:"wait" minimum:"0" maximum:"60" default:"25" doc:"Seconds to wait for something to happen."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most events in the answer."`
}

type pollView struct {
	Cursor   string           `json:"cursor" doc:"For the next call: everything up to here has been told."`
	Messages []map[string]any `json:"messages" doc:"The same that are sent over the other transports: a hello, then events and what else there is to tell. /asyncapi.yaml describes them."`
}

// quickPoll is for how long a poll that doesn't wait looks at what there is.
const quickPoll = 50 * time.Millisecond

func (s *Server) registerPoll(rest huma.API) {
	op := s.operation(rest, "poll-events", http.MethodGet, "/v1/events/poll", "Wait for events",
		"For clients to which neither WebSockets nor streams get through. Call it again with the cursor of the answer.")
	op.Tags = []string{"events"}
	op.Errors = append(op.Errors, http.StatusTooManyRequests)
	op.Middlewares = append(op.Middlewares, s.perAddress(rest))
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
		"application/json": {Schema: rest.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[pollView](), true, "")},
	}}}
	huma.Register(rest, op, func(ctx context.Context, in *pollInput) (*jsonOutput, error) {
		b, err := s.poll(ctx, in)
		if err != nil {
			return nil, s.eventProblem("read events", err)
		}
		out := newJSON(b)
		out.CacheControl = "no-store"
		return out, nil
	})
}

// perAddress is the middleware that counts a call as a connection of its address.
func (s *Server) perAddress(rest huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(ctx)
		release, free := s.opts.Connections.Acquire(s.opts.Proxies.ClientIP(r))
		if !free {
			ctx.SetHeader("Retry-After", "5")
			_ = huma.WriteErr(rest, ctx, http.StatusTooManyRequests, errTooMany.Reason)
			return
		}
		defer release()
		next(ctx)
	}
}

// poll returns the answer to a poll, once there is something to tell or the time is over.
func (s *Server) poll(ctx context.Context, in *pollInput) ([]byte, error) {
	p := caller(ctx)
	if err := s.opts.EventLimits.Messages.Allow(p.Company, p.User, 1); err != nil {
		return nil, err
	}
	ctx, seat, err := s.audience.enter(ctx, viaPoll, p)
	if err != nil {
		return nil, err
	}
	defer seat.leave()
	who := listenerOf(p, in.Device)
	feed, joined, err := s.opts.Events.Join(ctx, who, events.Start{Cursor: in.Cursor, Rooms: splitList(in.Rooms), Filter: splitList(in.Types)})
	if err != nil {
		return nil, err
	}
	defer feed.Close()
	_, leave := s.visitors.enter(p.Company, p.User, who.Device)
	defer leave()
	wait, cancel := context.WithTimeout(ctx, max(time.Duration(in.Wait)*time.Second, quickPoll))
	defer cancel()
	batch, err := feed.Next(wait, in.Limit)
	var why *wire.CloseError
	switch {
	case err == nil:
	case errors.As(context.Cause(ctx), &why):
		return nil, why
	case wait.Err() != nil:
		batch.Cursor = feed.Cursor()
	default:
		return nil, err
	}
	if len(batch.Items) == 0 && !batch.Gap {
		joined.Cursor = batch.Cursor // nothing before it is for the device
		return pollAnswer(batch.Cursor, [][]byte{encodeMessage(s.hello(who, joined))}), nil
	}
	messages := [][]byte{encodeMessage(s.hello(who, joined))}
	t := teller{at: joined.Cursor}
	_ = t.tell(batch, func(m message) error {
		messages = append(messages, bytes.Clone(m.body))
		return nil
	})
	return pollAnswer(batch.Cursor, messages), nil
}

// pollAnswer encodes a pollView.
func pollAnswer(cursor string, messages [][]byte) []byte {
	text, _ := json.Marshal(cursor) // a string always can
	b := append(append([]byte(`{"cursor":`), text...), `,"messages":[`...)
	b = append(b, bytes.Join(messages, []byte(","))...)
	return append(b, "]}"...)
}
