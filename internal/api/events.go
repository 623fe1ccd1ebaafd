package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/events"
	"concord/internal/auth"
	"concord/internal/id"
	"concord/internal/limit"
	"concord/presence"
	"concord/store"
	"concord/sync/wire"
)

// EventLimits bound what clients do with events; nil = nothing is bounded.
type EventLimits struct {
	Messages  *limit.Limits // on event connections, and the calls that stand for them
	Publishes *limit.Limits // events
	Typing    *limit.Limits
}

func (l EventLimits) withDefaults() EventLimits {
	def := func(p **limit.Limits, what string) {
		if *p == nil {
			*p = limit.New(what, limit.Rates{})
		}
	}
	def(&l.Messages, "messages")
	def(&l.Publishes, "published events")
	def(&l.Typing, "typing messages")
	return l
}

// batchItems is how many events are taken from the log at a time for one client.
const batchItems = 100

// serveEvents lets a client hear events: over a WebSocket, or as a stream of
// server-sent events.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		s.accept(w, r, s.serveEventSocket)
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		s.serveStream(w, r)
	default:
		writeProblem(w, http.StatusNotAcceptable, "open a WebSocket here, or ask for text/event-stream in the Accept header; /v1/events/poll answers plain calls")
	}
}

// writeProblem writes an error as the REST endpoints do.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	b, _ := json.Marshal(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}) // strings always can
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// listenerOf returns a principal's device as a listener.
func listenerOf(p auth.Principal, device string) events.Listener {
	l := events.Listener{Company: p.Company, User: p.User, Device: device}
	if p.Docs != nil {
		l.MayOpen = func(doc id.DocumentID) bool { return p.MayOpen(doc.String()) }
	}
	return l
}

// hello is the first message of the server's.
func (s *Server) hello(who events.Listener, joined events.Joined) helloAnswer {
	a := helloAnswer{
		Type: "hello", User: who.User, Company: who.Company, Device: who.Device, Cursor: joined.Cursor, Recovered: joined.Recovered,
		Rooms: joined.Rooms, Refused: joined.Refused, Presence: s.opts.Presence.Online(who.Company), Time: time.Now().UTC().Truncate(time.Millisecond),
		Limits: eventLimits{maxEventMessage, events.MaxData, events.MaxRooms, maxViewed, maxReadIDs},
	}
	if a.Refused == nil {
		a.Refused = []events.RoomError{}
	}
	return a
}

// failure tells a client what became of its message. Whatever isn't its fault is
// logged.
func (s *Server) failure(doing, mid string, err error) errorAnswer {
	a := errorAnswer{Type: "error", ID: mid, Message: err.Error()}
	var own *messageError
	var limited *limit.Error
	switch {
	case errors.As(err, &own):
		a.Code = own.code
		if own.id != "" {
			a.ID = own.id
		}
	case errors.As(err, &limited):
		a.Code, a.Limit, a.RetryAfter = codeRateLimited, limited.Limit, limited.RetryAfter.Seconds()
	case errors.Is(err, events.ErrTooLarge):
		a.Code = codeTooLarge
	case errors.Is(err, events.ErrCursor), errors.Is(err, events.ErrInvalid), errors.Is(err, presence.ErrInvalid):
		a.Code = codeMalformed
	case errors.Is(err, presence.ErrBusy):
		a.Code = codeRateLimited
	default:
		if !ending(err) {
			s.log.Error(doing, "error", err)
		}
		a.Code, a.Message = codeUnavailable, "the server couldn't do it; try again in a moment"
	}
	return a
}

// ending reports whether something failed because the call or the server ends.
func ending(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, events.ErrClosed) ||
		errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrFailed)
}

// eventProblem is failure for calls.
func (s *Server) eventProblem(doing string, err error) error {
	var status huma.StatusError
	var why *wire.CloseError
	switch {
	case err == nil || errors.As(err, &status):
		return err
	case errors.As(err, &why):
		return huma.ErrorWithHeaders(huma.NewError(statusOf(why), why.Reason), http.Header{"Retry-After": {"5"}})
	}
	a := s.failure(doing, "", err)
	switch a.Code {
	case codeForbidden:
		return huma.Error403Forbidden(a.Message)
	case codeTooLarge:
		return huma.NewError(http.StatusRequestEntityTooLarge, a.Message)
	case codeRateLimited:
		return huma.ErrorWithHeaders(huma.Error429TooManyRequests(a.Message), http.Header{"Retry-After": {retryAfter(err)}})
	case codeUnavailable:
		return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(a.Message), http.Header{"Retry-After": {"5"}})
	}
	return huma.Error422UnprocessableEntity(a.Message)
}

// retryAfter returns the seconds to wait after an error.
func retryAfter(err error) string {
	var limited *limit.Error
	if errors.As(err, &limited) {
		return strconv.Itoa(limited.Seconds())
	}
	return "5"
}

// statusOf returns what the end of a connection is as the answer of a call.
func statusOf(why *wire.CloseError) int {
	switch why.Code {
	case wire.CloseUnauthenticated:
		return http.StatusUnauthorized
	case wire.CloseTooMany:
		return http.StatusTooManyRequests
	}
	return http.StatusServiceUnavailable
}
