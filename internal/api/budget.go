package api

import (
	"sync"
	"time"

	"concord/sync/wire"
)

const (
	// smallFrame is the size up to which a frame needs no share of the memory budget.
	smallFrame = 16 << 10
	// mediumFrame is the size up to which a medium share is enough.
	mediumFrame = 1 << 20

	mediumFrames = 32
	largeFrames  = 2

	// frameTimeout is how long the next frameProgress bytes of a frame may take to arrive.
	frameTimeout  = 30 * time.Second
	frameProgress = 16 << 10
)

// frameBudget bounds the memory of frames that are being received or handled,
// over all connections. A connection that sends half a frame and then nothing
// holds its shares until the timeout. One that is slow holds them as long as it
// takes, unless others wait: then the one that is at it for the longest has to
// come back, if that is longer than the timeout.
type frameBudget struct {
	timeout time.Duration

	// A share is an item taken from a channel and put back after use.

	medium chan struct{} // for a frame above smallFrame
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
	b := &frameBudget{
		timeout:   frameTimeout,
		medium:    make(chan struct{}, mediumFrames),
		large:     make(chan []byte, largeFrames),
		receiving: make(map[*frameReader]receiving),
	}
	for range mediumFrames {
		b.medium <- struct{}{}
	}
	for range largeFrames {
		b.large <- nil
	}
	return b
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
// has had its time. large limits the choice to frames that hold a large buffer.
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
