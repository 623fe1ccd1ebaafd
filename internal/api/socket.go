package api

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"concord/sync/hub"
	"concord/sync/wire"
)

// socket adapts a WebSocket to the hub.
type socket struct {
	conn   *websocket.Conn
	budget *frameBudget

	closing sync.Once
	why     *wire.CloseError // of the first Close; to be read after ended
	ended   chan struct{}    // closed when closing begins
	ping    *time.Timer
	pulse   atomic.Pointer[func()]
	heard   atomic.Int64 // when bytes of a message came last, in nanoseconds since 1970
}

func newSocket(conn *websocket.Conn, budget *frameBudget) *socket {
	conn.SetReadLimit(-1) // Read counts itself, to answer with the right close code
	return &socket{conn: conn, budget: budget, ended: make(chan struct{})}
}

// keepAlive pings at an interval and closes the connection when no answer comes in time.
func (s *socket) keepAlive(interval, timeout time.Duration) {
	s.ping = time.AfterFunc(math.MaxInt64, func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		// A client that is at a long message answers after it.
		if err := s.conn.Ping(ctx); err != nil && time.Since(time.Unix(0, s.heard.Load())) > timeout {
			s.Close(wire.CloseTryLater, "no answer to a ping in time; come back")
			return
		}
		if pulse := s.pulse.Load(); pulse != nil {
			(*pulse)()
		}
		select {
		case <-s.ended:
		default:
			s.ping.Reset(interval)
		}
	})
	s.ping.Reset(interval)
}

// OnPulse has fn called after each ping that the client has answered, or was too
// busy sending to answer.
func (s *socket) OnPulse(fn func()) { s.pulse.Store(&fn) }

// Read returns the next binary frame.
func (s *socket) Read(limit int) (hub.Frame, error) {
	return s.read(websocket.MessageBinary, limit)
}

// read returns the next frame, which has to be of a kind.
func (s *socket) read(want websocket.MessageType, limit int) (hub.Frame, error) {
	// The connection is ended by Close, not by a context: that would cost an
	// allocation for each read.
	kind, r, err := s.conn.Reader(context.Background())
	if err != nil {
		return hub.Frame{}, s.readError(err)
	}
	switch {
	case kind == want:
	case want == websocket.MessageBinary:
		return hub.Frame{}, wire.NewCloseError(wire.CloseMalformed, "a text frame came where only binary frames are understood")
	default:
		return hub.Frame{}, wire.NewCloseError(wire.CloseMalformed, "a binary frame came where only text frames are understood")
	}
	f := frameReader{socket: s, limit: limit}
	return f.read(r)
}

// readError tells a broken protocol from a connection that has ended, and what
// ended it when that was Close.
func (s *socket) readError(err error) error {
	select {
	case <-s.ended:
		return s.why
	default:
	}
	var ne net.Error
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		websocket.CloseStatus(err) != -1 || errors.As(err, &ne) {
		return err
	}
	return wire.NewCloseError(wire.CloseMalformed, "the WebSocket protocol was broken: "+err.Error())
}

// copyBelow is the size up to which a frame's parts are put together rather than
// sent as fragments.
const copyBelow = 64 << 10

// Write sends one binary frame in two parts.
func (s *socket) Write(ctx context.Context, head, tail []byte) error {
	if len(tail) == 0 {
		return s.conn.Write(ctx, websocket.MessageBinary, head)
	}
	if len(head) < copyBelow {
		return s.conn.Write(ctx, websocket.MessageBinary, slices.Concat(head, tail))
	}
	w, err := s.conn.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	if _, err := w.Write(tail); err != nil {
		return err
	}
	return w.Close()
}

// Close tells the client why and ends the connection. It waits for the close
// handshake, for which a client that doesn't answer has a few seconds.
func (s *socket) Close(code wire.CloseCode, reason string) {
	s.closing.Do(func() {
		s.why = wire.NewCloseError(code, reason)
		close(s.ended)
		if s.ping != nil {
			s.ping.Stop()
		}
		_ = s.conn.Close(websocket.StatusCode(code), s.why.Reason)
	})
}
