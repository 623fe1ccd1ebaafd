package api

import (
	"io"
	"math"
	"net"
	"time"

	"concord/sync/hub"
	"concord/sync/wire"
)

// frameReader gathers one frame, growing with the bytes that have really come.
type frameReader struct {
	socket *socket
	limit  int
	buf    []byte
	giant  []byte // the large buffer of which buf is the beginning
	medium bool   // holds a medium share
	large  bool   // holds a large buffer
}

var errFrameTooLarge = wire.NewCloseError(wire.CloseTooLarge, "the message is too large; send the changes in smaller parts")

// read returns the frame. After an error, what the reader holds of the budget
// has been given back; after success, Frame.Release does that.
func (f *frameReader) read(r io.Reader) (hub.Frame, error) {
	err := f.fill(r)
	f.socket.budget.complete(f)
	if err != nil {
		f.release()
		return hub.Frame{}, err
	}
	frame := hub.Frame{Data: f.buf}
	if f.medium {
		frame.Release = f.release
	}
	return frame, nil
}

// fill reads to the end of the frame.
func (f *frameReader) fill(r io.Reader) error {
	f.buf = make([]byte, 0, 512)
	timeout := f.socket.budget.timeout
	deadline := time.AfterFunc(timeout, func() {
		f.socket.Close(wire.CloseTryLater, "a message took too long to arrive; come back")
	})
	defer deadline.Stop()
	for progress := 0; ; {
		n, err := r.Read(f.buf[len(f.buf):cap(f.buf)])
		f.buf = f.buf[:len(f.buf)+n]
		switch {
		case len(f.buf) > f.limit:
			return errFrameTooLarge
		case err == io.EOF:
			return nil
		case err != nil:
			return f.socket.readError(err)
		}
		f.socket.heard.Store(time.Now().UnixNano())
		if progress += n; progress >= frameProgress {
			progress = 0
			deadline.Reset(timeout)
		}
		if len(f.buf) == cap(f.buf) {
			deadline.Stop() // waiting for room isn't the client's fault
			if !f.grow() {
				return f.socket.readError(net.ErrClosed)
			}
			deadline.Reset(timeout)
		}
	}
}

// grow makes room, waiting for a share of the budget if need be. It returns
// false when the connection ends meanwhile.
func (f *frameReader) grow() bool {
	size := min(2*cap(f.buf), f.limit+1)
	budget := f.socket.budget
	if size > smallFrame && !f.medium {
		if _, f.medium = await(f.socket, budget.medium, false); !f.medium {
			return false
		}
		budget.receive(f)
	}
	if size <= mediumFrame {
		f.buf = append(make([]byte, 0, size), f.buf...)
		return true
	}
	if f.giant, f.large = await(f.socket, budget.large, true); !f.large {
		return false
	}
	budget.receive(f)
	if f.giant == nil {
		f.giant = newGiant(f.limit + 1)
	}
	f.buf = append(f.giant[:0], f.buf...)
	return true
}

// await takes a share, reclaiming one if none comes back. It returns false when
// the connection ends meanwhile.
func await[T any](s *socket, shares <-chan T, large bool) (share T, ok bool) {
	s.heard.Store(math.MaxInt64) // no ping is answered until there is room
	defer func() { s.heard.Store(time.Now().UnixNano()) }()
	look := time.NewTicker(max(s.budget.timeout/30, time.Millisecond))
	defer look.Stop()
	for {
		select {
		case share = <-shares:
			return share, true
		case <-s.ended:
			return share, false
		case <-look.C:
			s.budget.reclaim(large)
		}
	}
}

// release gives back what the frame holds of the budget.
func (f *frameReader) release() {
	if f.large {
		emptyGiant(f.giant)
		f.socket.budget.large <- f.giant
	}
	if f.medium {
		f.socket.budget.medium <- struct{}{}
	}
	f.buf, f.giant, f.large, f.medium = nil, nil, false, false
}
