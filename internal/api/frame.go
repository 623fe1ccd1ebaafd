package api

import (
	"io"
	"net"
	"time"

	"concord/sync/hub"
	"concord/sync/wire"
)

const (
	// smallFrame is the size up to which a frame needs no share of the memory budget.
	smallFrame = 16 << 10
	// mediumFrame is the size up to which a share of mediumFrame bytes is enough.
	mediumFrame = 1 << 20

	mediumFrames = 32
	largeFrames  = 2

	// frameTimeout is how long a frame of more than one read may take to arrive.
	frameTimeout = 30 * time.Second
)

// frameBudget bounds the memory of frames that are being received or handled,
// over all connections: a connection that sends half a frame and then nothing
// holds its share until frameTimeout at most.
type frameBudget struct {
	medium chan struct{} // one token for each frame above smallFrame
	// large holds the buffers for frames above mediumFrame, used again and
	// again so that refused giants leave no garbage; nil = not made yet.
	large chan []byte
}

func newFrameBudget() *frameBudget {
	b := &frameBudget{medium: make(chan struct{}, mediumFrames), large: make(chan []byte, largeFrames)}
	for range largeFrames {
		b.large <- nil
	}
	return b
}

// frameReader gathers one frame, growing with the bytes that have really come.
type frameReader struct {
	socket *socket
	limit  int
	buf    []byte
	medium bool
	large  bool
}

var errFrameTooLarge = wire.NewCloseError(wire.CloseTooLarge, "the message is too large; send the changes in smaller parts")

func (f *frameReader) read(r io.Reader) (hub.Frame, error) {
	f.buf = make([]byte, 0, 512)
	var deadline *time.Timer
	for {
		n, err := r.Read(f.buf[len(f.buf):cap(f.buf)])
		f.buf = f.buf[:len(f.buf)+n]
		if len(f.buf) > f.limit {
			return hub.Frame{}, errFrameTooLarge
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return hub.Frame{}, readError(err)
		}
		if deadline == nil {
			deadline = time.AfterFunc(frameTimeout, func() {
				f.socket.Close(wire.CloseTryLater, "a message took too long to arrive; come back")
			})
			defer deadline.Stop()
		}
		if len(f.buf) == cap(f.buf) && !f.grow() {
			return hub.Frame{}, net.ErrClosed
		}
	}
	frame := hub.Frame{Data: f.buf}
	if f.medium {
		frame.Release = f.release
	}
	return frame, nil
}

// grow makes room, waiting for a share of the budget if need be. It returns
// false when the connection ends meanwhile.
func (f *frameReader) grow() bool {
	size := min(2*cap(f.buf), f.limit+1)
	budget := f.socket.budget
	if size > smallFrame && !f.medium {
		select {
		case budget.medium <- struct{}{}:
			f.medium = true
		case <-f.socket.ended:
			return false
		}
	}
	var grown []byte
	if size > mediumFrame {
		select {
		case grown = <-budget.large:
			f.large = true
		case <-f.socket.ended:
			return false
		}
		size = f.limit + 1 // once and for all
	}
	if cap(grown) < size {
		grown = make([]byte, 0, size)
	}
	f.buf = append(grown[:0], f.buf...)
	return true
}

func (f *frameReader) release() {
	if f.large {
		f.socket.budget.large <- f.buf[:0]
	}
	if f.medium {
		<-f.socket.budget.medium
	}
	f.buf, f.large, f.medium = nil, false, false
}
