package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/events"
	"concord/sync/wire"
)

// streamQuery are the parameters of a stream, as checkQuery wants them.
var streamQuery = &huma.Operation{Parameters: []*huma.Param{
	{Name: "device", In: "query"}, {Name: "cursor", In: "query"}, {Name: "rooms", In: "query"}, {Name: "types", In: "query"}, {Name: "ticket", In: "query"},
}}

// splitList reads a list with commas; nil if there is nothing in it.
func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// startOf returns where a stream or a poll is to begin.
func startOf(q url.Values) events.Start {
	return events.Start{Cursor: q.Get("cursor"), Rooms: splitList(q.Get("rooms")), Filter: splitList(q.Get("types"))}
}

// serveStream lets a client hear events as server-sent events, until one of both
// ends that.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	if wrong := checkQuery(streamQuery, r.URL.RawQuery); wrong != "" {
		writeProblem(w, http.StatusUnprocessableEntity, wrong)
		return
	}
	release, free := s.opts.Connections.Acquire(s.opts.Proxies.ClientIP(r))
	if !free {
		s.refuseStream(w, errTooMany)
		return
	}
	defer release()
	p, _, err := s.opts.Authenticator.Authenticate(r)
	if err != nil {
		s.refuseStream(w, closeFor(err))
		return
	}
	ctx, seat, err := s.audience.enter(r.Context(), viaStream, p)
	if err != nil {
		s.refuseStream(w, err)
		return
	}
	defer seat.leave()
	q := r.URL.Query()
	start := startOf(q)
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		start.Cursor = last
	}
	who := listenerOf(p, q.Get("device"))
	feed, joined, err := s.opts.Events.Join(ctx, who, start)
	if err != nil {
		s.refuseStream(w, err)
		return
	}
	defer feed.Close()
	visit := s.opts.Presence.Connect(p.Company, p.User, who.Device)
	defer visit.Close()
	s.log.Info("connected for events", "company", p.Company, "user", p.User)
	st := stream{server: s, w: w, flush: http.NewResponseController(w).Flush, beat: visit.Beat}
	err = st.run(ctx, feed, s.hello(who, joined))
	st.end(err)
	s.log.Info("disconnected from events", "company", p.Company, "user", p.User, "cause", endOf(err))
}

var errTooMany = wire.NewCloseError(wire.CloseTooMany, "too many connections from this address; close some first")

// refuseStream answers instead of a stream.
func (s *Server) refuseStream(w http.ResponseWriter, err error) {
	status, text := http.StatusUnprocessableEntity, err.Error()
	var why *wire.CloseError
	if !errors.As(err, &why) && !errors.Is(err, events.ErrCursor) && !errors.Is(err, events.ErrInvalid) {
		if !ending(err) {
			s.log.Error("begin to tell events", "error", err)
		}
		why = errReading
	}
	if why != nil {
		status, text = statusOf(why), why.Reason
		s.refusals.WithLabelValues(closeLabel(why.Code)).Inc()
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="concord"`)
	} else if status != http.StatusUnprocessableEntity {
		w.Header().Set("Retry-After", "5")
	}
	writeProblem(w, status, text)
}

// stream is an answer of server-sent events.
type stream struct {
	server *Server
	w      http.ResponseWriter
	flush  func() error
	beat   func()
	buf    []byte
}

// run writes events until ctx ends. The error is why the stream ends.
func (st *stream) run(ctx context.Context, feed *events.Feed, hello helloAnswer) error {
	h := st.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	st.put(message{hello.Type, hello.Cursor, encodeMessage(hello)})
	t := teller{at: hello.Cursor}
	for {
		if err := st.send(); err != nil {
			return err
		}
		st.beat()
		wait, cancel := context.WithTimeout(ctx, st.server.opts.PingInterval)
		batch, err := feed.Next(wait, batchItems)
		quiet := err != nil && ctx.Err() == nil && wait.Err() != nil
		cancel()
		switch {
		case quiet:
			st.buf = append(st.buf, ": still here\n\n"...)
		case err != nil:
			return st.server.endOfFeed(ctx, err)
		default:
			_ = t.tell(batch, func(m message) error { st.put(m); return nil })
		}
	}
}

// put adds a message to what is to be sent.
func (st *stream) put(m message) {
	if m.cursor != "" {
		st.buf = append(append(append(st.buf, "id: "...), m.cursor...), '\n')
	}
	st.buf = append(append(append(st.buf, "event: "...), m.kind...), "\ndata: "...)
	st.buf = append(append(st.buf, m.body...), "\n\n"...)
}

// send writes what was put.
func (st *stream) send() error {
	_, err := st.w.Write(st.buf)
	if st.buf = st.buf[:0]; cap(st.buf) > keptBuffer {
		st.buf = nil
	}
	if err != nil {
		return err
	}
	return st.flush()
}

// keptBuffer is the size up to which a stream keeps its buffer.
const keptBuffer = 64 << 10

// end tells the client why the stream ends, and after how many milliseconds it may
// come back: not all at once.
func (st *stream) end(err error) {
	var why *wire.CloseError
	if !errors.As(err, &why) {
		return // the client went away
	}
	st.server.audience.closed(why.Code)
	if !why.Code.Final() {
		st.buf = fmt.Appendf(st.buf, "retry: %d\n", (time.Second + rand.N(4*time.Second)).Milliseconds())
	}
	st.put(message{kind: "close", body: encodeMessage(closeAnswer{"close", why.Code, why.Reason})})
	_ = st.send()
}
