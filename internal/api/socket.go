package api

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"

	"concord/sync/hub"
	"concord/sync/wire"
)

const (
	// smallFrame is the size up to which a frame needs no share of the memory budget.
	smallFrame = 16 << 10
	// mediumFrame is the size up to which a share of mediumFrame bytes is enough.
	mediumFrame = 1 << 20
	// frameTimeout is how long a frame of more than one read may take to arrive.
	frameTimeout = 30 * time.Second
)

// frameBudget bounds the memory of frames that are being received or handled,
// over all connections: a connection that sends half a frame and then nothing
// holds its share until frameTimeout at most.
type frameBudget struct {
	medium chan struct{} // one token for each frame above smallFrame
	large  chan struct{} // one more for each above mediumFrame
}

func newFrameBudget() *frameBudget {
	return &frameBudget{medium: make(chan struct{}, 32), large: make(chan struct{}, 2)}
}

// socket adapts a WebSocket to the hub.
type socket struct {
	conn   *websocket.Conn
	budget *frameBudget

	closing sync.Once
	ended   chan struct{} // closed when closing begins
	ping    *time.Timer
}

func newSocket(conn *websocket.Conn, budget *frameBudget) *socket {
	conn.SetReadLimit(-1) // Read counts itself, to answer with the right close code
	return &socket{conn: conn, budget: budget, ended: make(chan struct{})}
}

// keepAlive pings at an interval and closes the connection when no answer comes in time.
func (s *socket) keepAlive(interval, timeout time.Duration) {
	s.ping = time.AfterFunc(interval, func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := s.conn.Ping(ctx); err != nil {
			s.Close(wire.CloseTryLater, "no answer to a ping in time; come back")
			return
		}
		select {
		case <-s.ended:
		default:
			s.ping.Reset(interval)
		}
	})
}

// Read returns the next binary frame.
func (s *socket) Read(_ context.Context, limit int) (hub.Frame, error) {
	// The connection is ended by Close, not by a context: that would cost an
	// allocation for each read.
	kind, r, err := s.conn.Reader(context.Background())
	if err != nil {
		return hub.Frame{}, readError(err)
	}
	if kind != websocket.MessageBinary {
		return hub.Frame{}, wire.NewCloseError(wire.CloseMalformed, "a text frame came where only binary frames are understood")
	}
	f := frameReader{socket: s, limit: limit}
	frame, err := f.read(r)
	if err != nil {
		f.release()
		return hub.Frame{}, err
	}
	return frame, nil
}

// frameReader gathers one frame, growing with the bytes that have really come.
type frameReader struct {
	socket *socket
	limit  int
	buf    []byte
	medium bool
	large  bool
}

func (f *frameReader) read(r io.Reader) (hub.Frame, error) {
	f.buf = make([]byte, 0, 512)
	var deadline *time.Timer
	for {
		n, err := r.Read(f.buf[len(f.buf):cap(f.buf)])
		f.buf = f.buf[:len(f.buf)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return hub.Frame{}, readError(err)
		}
		if len(f.buf) > f.limit {
			return hub.Frame{}, wire.NewCloseError(wire.CloseTooLarge, "the message is too large")
		}
		if deadline == nil {
			deadline = time.AfterFunc(frameTimeout, func() {
				f.socket.Close(wire.CloseTryLater, "a message took too long to arrive; come back")
			})
			defer deadline.Stop()
		}
		if len(f.buf) == cap(f.buf) {
			if err := f.grow(); err != nil {
				return hub.Frame{}, err
			}
		}
	}
	if len(f.buf) > f.limit {
		return hub.Frame{}, wire.NewCloseError(wire.CloseTooLarge, "the message is too large")
	}
	frame := hub.Frame{Data: f.buf}
	if f.medium {
		frame.Release = f.release
	}
	return frame, nil
}

func (f *frameReader) grow() error {
	size := 2 * cap(f.buf)
	if size > smallFrame && !f.medium {
		if !f.take(f.socket.budget.medium) {
			return net.ErrClosed
		}
		f.medium = true
	}
	if size > mediumFrame && !f.large {
		if !f.take(f.socket.budget.large) {
			return net.ErrClosed
		}
		f.large = true
	}
	grown := make([]byte, len(f.buf), min(size, f.limit+1))
	copy(grown, f.buf)
	f.buf = grown
	return nil
}

// take waits for a share of a budget, as long as the connection lives.
func (f *frameReader) take(tokens chan struct{}) bool {
	select {
	case tokens <- struct{}{}:
		return true
	case <-f.socket.ended:
		return false
	}
}

func (f *frameReader) release() {
	if f.large {
		<-f.socket.budget.large
	}
	if f.medium {
		<-f.socket.budget.medium
	}
	f.large, f.medium = false, false
}

// readError tells a broken protocol from a connection that has ended.
func readError(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		websocket.CloseStatus(err) != -1 || isNetError(err) {
		return err
	}
	return wire.NewCloseError(wire.CloseMalformed, "the WebSocket protocol was broken: "+err.Error())
}

func isNetError(err error) bool {
	var ne net.Error
	return errors.As(err, &ne)
}

// Write sends one binary frame.
func (s *socket) Write(ctx context.Context, frame []byte) error {
	return s.conn.Write(ctx, websocket.MessageBinary, frame)
}

// Close tells the client why and ends the connection.
func (s *socket) Close(code wire.CloseCode, reason string) {
	s.closing.Do(func() {
		close(s.ended)
		if s.ping != nil {
			s.ping.Stop()
		}
		_ = s.conn.Close(websocket.StatusCode(code), wire.NewCloseError(code, reason).Reason)
	})
}
