package api

import (
	"io"
	"math"
	"net"
	"sync"
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

	// frameTimeout is how long the next frameProgress bytes of a frame may take to arrive.
	frameTimeout  = 30 * time.Second
	frameProgress = 16 << 10
)

// frameBudget bounds the memory of frames that are being received or handled,
// over all connections. A connection that sends half a frame and then nothing
// holds its share until the timeout. One that is slow holds it as long as it
// takes, unless others wait: then the one that is at it for the longest has to
// come back, if that is longer than the timeout.
type frameBudget struct {
	timeout time.Duration

	medium chan struct{} // one token for each frame above smallFrame
	// large holds the buffers for frames above mediumFrame, used again and
	// again so that refused giants leave no garbage; nil = not made yet. A
	// buffer is as long as the longest frame allowed, and one byte more.
	large chan []byte

	mu        sync.Mutex // guards the following fields
	receiving map[*frameReader]receiving
}

// receiving is a frame that holds a share and isn't complete.
type receiving struct {
	since time.Time
	large bool
}

func newFrameBudget() *frameBudget {
	b := &frameBudget{timeout: frameTimeout, receiving: make(map[*frameReader]receiving), medium: make(chan struct{}, mediumFrames), large: make(chan []byte, largeFrames)}
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
	giant  []byte // the large buffer of which buf is the beginning
	medium bool
	large  bool
}

var errFrameTooLarge = wire.NewCloseError(wire.CloseTooLarge, "the message is too large; send the changes in smaller parts")

func (f *frameReader) read(r io.Reader) (hub.Frame, error) {
	f.buf = make([]byte, 0, 512)
	var deadline *time.Timer
	defer f.socket.budget.complete(f)
	for progress := 0; ; {
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
		f.socket.heard.Store(time.Now().UnixNano())
		if deadline == nil {
			deadline = time.AfterFunc(f.socket.budget.timeout, func() {
				f.socket.Close(wire.CloseTryLater, "a message took too long to arrive; come back")
			})
			defer deadline.Stop()
		}
		if progress += n; progress >= frameProgress {
			progress = 0
			deadline.Reset(f.socket.budget.timeout)
		}
		if len(f.buf) == cap(f.buf) {
			deadline.Stop() // waiting for room isn't the client's fault
			if !f.grow() {
				return hub.Frame{}, net.ErrClosed
			}
			deadline.Reset(f.socket.budget.timeout)
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
		if f.medium = f.await(budget.medium, nil); !f.medium {
			return false
		}
		budget.receive(f)
	}
	if size <= mediumFrame {
		f.buf = append(make([]byte, 0, size), f.buf...)
		return true
	}
	if f.large = f.await(nil, func(b []byte) { f.giant = b }); !f.large {
		return false
	}
	budget.receive(f)
	if f.giant == nil {
		f.giant = newGiant(f.limit + 1)
	}
	f.buf = append(f.giant[:0], f.buf...)
	return true
}

// await waits for a share: a token put into medium or, when that is nil, a
// large buffer for take. It returns false when the connection ends meanwhile.
func (f *frameReader) await(medium chan<- struct{}, take func([]byte)) bool {
	budget := f.socket.budget
	var large <-chan []byte
	if medium == nil {
		large = budget.large
	}
	f.socket.heard.Store(math.MaxInt64) // no ping is answered until there is room
	defer func() { f.socket.heard.Store(time.Now().UnixNano()) }()
	look := time.NewTicker(max(budget.timeout/30, time.Millisecond))
	defer look.Stop()
	for {
		select {
		case medium <- struct{}{}:
			return true
		case b := <-large:
			take(b)
			return true
		case <-f.socket.ended:
			return false
		case <-look.C:
			budget.reclaim(large != nil)
		}
	}
}

// receive notes that an incomplete frame holds a share.
func (b *frameBudget) receive(f *frameReader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.receiving[f]
	if !ok {
		r.since = time.Now()
	}
	r.large = f.large
	b.receiving[f] = r
}

// complete notes that a frame has been received, or won't be.
func (b *frameBudget) complete(f *frameReader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.receiving, f)
}

// reclaim ends the connection that has been at a frame for the longest, if it
// has had its time.
func (b *frameBudget) reclaim(large bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var oldest *frameReader
	for f, r := range b.receiving {
		if (r.large || !large) && time.Since(r.since) > b.timeout && (oldest == nil || r.since.Before(b.receiving[oldest].since)) {
			oldest = f
		}
	}
	if oldest != nil {
		delete(b.receiving, oldest)
		// The close handshake waits for the client.
		go oldest.socket.Close(wire.CloseTryLater, "a message took too long to arrive while others waited; come back")
	}
}

func (f *frameReader) release() {
	if f.large {
		emptyGiant(f.giant)
		f.socket.budget.large <- f.giant
	}
	if f.medium {
		<-f.socket.budget.medium
	}
	f.buf, f.giant, f.large, f.medium = nil, nil, false, false
}
