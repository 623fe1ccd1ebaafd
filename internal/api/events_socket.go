package api

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/coder/websocket"

	"concord/events"
	"concord/internal/auth"
	"concord/internal/id"
	"concord/internal/limit"
	"concord/presence"
	"concord/sync/wire"
)

// serveEventSocket lets a client hear events over a WebSocket, and speak, until one
// of both ends it.
func (s *Server) serveEventSocket(socket *socket, p auth.Principal) {
	socket.keepAlive(s.opts.PingInterval, s.opts.PingTimeout)
	ctx, seat, err := s.audience.enter(context.Background(), viaSocket, p)
	if err != nil {
		s.closeSocket(socket, err)
		return
	}
	defer seat.leave()
	s.log.Info("connected for events", "company", p.Company, "user", p.User)
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(closed)
		s.closeSocket(socket, context.Cause(ctx))
	})
	e := &eventSocket{server: s, socket: socket, seat: seat, viewed: make(map[id.DocumentID]bool)}
	e.run(ctx)
	<-closed
	s.log.Info("disconnected from events", "company", p.Company, "user", p.User, "cause", endOf(context.Cause(ctx)))
}

// closeSocket ends a connection with what the client is to be told, if anything.
func (s *Server) closeSocket(socket *socket, cause error) {
	why := wire.NewCloseError(wire.CloseTryLater, "the connection failed; come back later")
	if errors.As(cause, &why) {
		s.audience.closed(why.Code)
	}
	socket.Close(why.Code, why.Reason)
}

// eventSocket is an event connection. Its reader answers what the client says, its
// writer takes events from the log when the client can take them: nothing queues.
type eventSocket struct {
	server *Server
	socket *socket
	seat   *seat
	device string
	feed   *events.Feed
	visit  *presence.Connection
	viewed map[id.DocumentID]bool

	messages, typing *limit.Connection
}

func (e *eventSocket) listener() events.Listener { return listenerOf(e.seat.current(), e.device) }

var (
	errFault   = wire.NewCloseError(wire.CloseTryLater, "the server failed on a message; its log says why")
	errSlow    = wire.NewCloseError(wire.CloseTryLater, "the client didn't take a message in time; come back later")
	errReading = wire.NewCloseError(wire.CloseTryLater, "the server couldn't read events; come back later")
	errNoHello = wire.NewCloseError(wire.CloseHandshake, "no hello came in time; it has to be the first message")
)

// part runs a part of the connection, and ends the whole with its error. A fault of
// ours in one client's message must not end everybody's node.
func (e *eventSocket) part(run func() error) {
	defer func() {
		if r := recover(); r != nil {
			p := e.seat.current()
			e.server.log.Error("panic", "company", p.Company, "user", p.User, "panic", r, "stack", string(debug.Stack()))
			e.seat.end(errFault)
		}
	}()
	e.seat.cancel(run())
}

// run serves the connection until ctx ends, and ends it.
func (e *eventSocket) run(ctx context.Context) {
	limits, p := e.server.opts.EventLimits, e.seat.current()
	e.messages, e.typing = limits.Messages.Connect(p.Company, p.User), limits.Typing.Connect(p.Company, p.User)
	defer e.messages.Close()
	defer e.typing.Close()
	var writer sync.WaitGroup
	defer writer.Wait()
	e.part(func() error {
		joined, err := e.join(ctx)
		if err != nil {
			return err
		}
		defer e.feed.Close()
		defer e.visit.Close()
		if err := e.write(encodeMessage(e.server.hello(e.listener(), joined))); err != nil {
			return err
		}
		writer.Go(func() { e.part(func() error { return e.tell(ctx, joined.Cursor) }) })
		return e.listen(ctx)
	})
}

// join reads the client's hello, and begins to hear events for it.
func (e *eventSocket) join(ctx context.Context) (events.Joined, error) {
	s := e.server
	handshake := time.AfterFunc(s.opts.HandshakeTimeout, func() { e.seat.end(errNoHello) })
	defer handshake.Stop()
	m, err := e.read()
	if err != nil {
		return events.Joined{}, e.fatal(err)
	}
	hello, ok := m.(*helloMessage)
	if !ok {
		return events.Joined{}, wire.NewCloseError(wire.CloseMalformed, "the first message has to be a hello")
	}
	e.device = hello.Device
	feed, joined, err := s.opts.Events.Join(ctx, e.listener(), events.Start{Cursor: hello.Cursor, Rooms: hello.Rooms, Filter: hello.Types})
	if err != nil {
		return events.Joined{}, e.fatal(err)
	}
	p := e.seat.current()
	e.feed, e.visit = feed, s.opts.Presence.Connect(p.Company, p.User, e.device)
	e.socket.OnPulse(e.visit.Beat)
	return joined, nil
}

// fatal returns how what is wrong with a hello ends the connection.
func (e *eventSocket) fatal(err error) error {
	var own *messageError
	if !errors.As(err, &own) && !errors.Is(err, events.ErrCursor) && !errors.Is(err, events.ErrInvalid) {
		var why *wire.CloseError
		if !errors.As(err, &why) && !ending(err) {
			e.server.log.Error("begin to tell events", "error", err)
			err = errReading
		}
		return err
	}
	return wire.NewCloseError(wire.CloseMalformed, err.Error())
}

// read returns the next message.
func (e *eventSocket) read() (any, error) {
	frame, err := e.socket.read(websocket.MessageText, maxEventMessage)
	if err != nil {
		return nil, err
	}
	m, err := decodeMessage(frame.Data)
	if frame.Release != nil {
		frame.Release()
	}
	return m, err
}

// write sends a message.
func (e *eventSocket) write(b []byte) error {
	// The end of the connection must not tear a message apart: after it comes the reason.
	ctx, cancel := context.WithTimeout(context.Background(), e.server.opts.WriteTimeout)
	defer cancel()
	err := e.socket.conn.Write(ctx, websocket.MessageText, b)
	if err != nil && ctx.Err() != nil {
		return errSlow
	}
	return err
}

// tell writes events until the connection ends.
func (e *eventSocket) tell(ctx context.Context, cursor string) error {
	t := teller{at: cursor}
	for {
		batch, err := e.feed.Next(ctx, batchItems)
		if err != nil {
			return e.server.endOfFeed(ctx, err)
		}
		if err := t.tell(batch, func(m message) error { return e.write(m.body) }); err != nil {
			return err
		}
	}
}

// endOfFeed returns why a feed that failed ends its connection.
func (s *Server) endOfFeed(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case ending(err):
		return errRestarting
	}
	s.log.Error("read events", "error", err)
	return errReading
}

// listen answers what the client says, until the connection ends.
func (e *eventSocket) listen(ctx context.Context) error {
	for {
		m, err := e.read()
		var own *messageError
		if err != nil && !errors.As(err, &own) {
			return err
		}
		e.visit.Beat()
		// What can't be read counts, too.
		if full := e.messages.Allow(1); full != nil {
			err = full
		}
		if err == nil {
			err = e.handle(ctx, m)
		}
		var why *wire.CloseError
		if errors.As(err, &why) || ctx.Err() != nil {
			return err
		}
		if err == nil {
			continue
		}
		if err := e.refuse(ctx, m, err); err != nil {
			return err
		}
	}
}

// maxPause is how long at most the next message of a client is left unread that
// sends too many.
const maxPause = time.Second

// refuse tells the client what became of its message.
func (e *eventSocket) refuse(ctx context.Context, m any, err error) error {
	if err := e.write(encodeMessage(e.server.failure("handle a message", messageID(m), err))); err != nil {
		return err
	}
	if limited := (*limit.Error)(nil); errors.As(err, &limited) {
		select {
		case <-time.After(min(limited.RetryAfter, maxPause)):
		case <-ctx.Done():
		}
	}
	return nil
}
