package hub

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/wire"
)

const (
	// maxNotices bounds the error messages that wait for one slow client; further ones are dropped.
	maxNotices = 64
	// maxPresence and maxPresenceBytes bound the ephemeral and remote-heads
	// messages that wait for one slow client; the oldest are dropped.
	maxPresence      = 256
	maxPresenceBytes = 1 << 20
)

// peer is one joined client. Its writer is a goroutine that exists only while
// there is something to write.
type peer struct {
	*connection
	id        string // chosen by the client
	storageID string // "" = none
	caller    bool   // it has no connection, see Hub.caller
	keepState bool   // its sync states are kept across connections
	roles     string // of its session, see joinRoles
	visit     Visit

	// The reader's own.
	links     map[id.DocumentID]*link
	sessionID string // of the ephemeral messages that it sends
	lastCount uint64
	toldLimit time.Time // when it was told last that it sends too many of them

	room chan struct{} // wakes the reader when a notice was taken

	reported   atomic.Int64 // changes refused since its last message came
	stateBytes atomic.Int64 // memory of the links' sync states

	mu            sync.Mutex // guards the following fields
	notices       [][]byte   // handshake, errors, token answers: written first
	dirty         []*link    // documents that may have something to say, each once: written second
	presence      []sharedFrame
	presenceBytes int
	writing       bool                 // a flush is running
	left          bool                 // nothing is written any more
	refused       []*crdt.RefusalError // what a caller is told
	remotes       map[string]struct{}  // storage IDs whose heads it wants to hear of
}

// sharedFrame is a frame that several peers get, each with its own target ID.
type sharedFrame = wire.Shared

func newPeer(c *connection, join wire.Join) *peer {
	return &peer{
		connection: c, id: join.SenderID, storageID: join.Metadata.StorageID,
		keepState: join.Metadata.StorageID != "" && !join.Metadata.Ephemeral,
		roles:     joinRoles(c.currentSession().Roles), visit: nobody{},
		links: make(map[id.DocumentID]*link),
		room:  make(chan struct{}, 1),
	}
}

// device names where the peer's changes come from.
func (p *peer) device() string {
	if p.storageID != "" {
		return p.storageID
	}
	return p.id
}

// notify queues a frame of the hub's own, before all documents. It reports
// false when there is no room and the frame is dropped.
func (p *peer) notify(frame []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left {
		return true // there is nobody to be told
	}
	if len(p.notices) >= maxNotices {
		return false
	}
	p.notices = append(p.notices, frame)
	p.wakeLocked()
	return true
}

// answer is notify for what the client waits for: the reader waits until there
// is room, and the client with it.
func (p *peer) answer(frame []byte) {
	for !p.notify(frame) {
		select {
		case <-p.room:
		case <-p.ended:
			return
		}
	}
}

// mark queues a document to be looked at by the writer.
func (p *peer) mark(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !l.queued && !p.left {
		l.queued = true
		p.dirty = append(p.dirty, l)
		p.wakeLocked()
	}
}

// relay queues a message that may be dropped when the client is too slow.
func (p *peer) relay(f sharedFrame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left {
		return
	}
	size := f.Len(p.id)
	for len(p.presence) > 0 && (len(p.presence) >= maxPresence || p.presenceBytes+size > maxPresenceBytes) {
		p.presenceBytes -= p.presence[0].Len(p.id)
		p.presence[0] = sharedFrame{}
		p.presence = p.presence[1:]
		p.hub.stats.presenceDropped.Add(1)
	}
	p.presence = append(p.presence, f)
	p.presenceBytes += size
	p.wakeLocked()
}

func (p *peer) wakeLocked() {
	if p.writing || p.left {
		return
	}
	p.writing = true
	p.hub.writers.Add(1)
	go p.flush()
}

// outgoing is a frame to be written; its head may be shared with other peers.
type outgoing struct {
	head, tail []byte
	message    []byte // the sync message in it
}

func (o outgoing) size() int { return len(o.head) + len(o.tail) }

// addressed returns a shared frame for one peer.
func addressed(f sharedFrame, target string) outgoing {
	head, tail := f.Split(target)
	return outgoing{head: head, tail: tail}
}

// writeRate is how many bytes a client has to take in Options.WriteTimeout.
const writeRate = 64 << 10

// write sends a frame, with more time for a bigger one.
func (p *peer) write(o outgoing) error {
	timeout := p.hub.opts.WriteTimeout * time.Duration(1+o.size()/writeRate)
	ctx, cancel := context.WithTimeout(p.hub.ctx, timeout)
	defer cancel()
	if err := p.socket.Write(ctx, o.head, o.tail); err != nil {
		return err
	}
	p.hub.stats.framesOut.Add(1)
	p.hub.stats.bytesOut.Add(uint64(o.size()))
	return nil
}

// flush writes until nothing is left to write.
func (p *peer) flush() {
	defer p.hub.writers.Add(-1)
	for {
		frame, more, err := p.nextFrame()
		if err != nil {
			p.hub.log.Error("generate sync message", "user", p.currentSession().User, "error", err)
			p.leaveWriter()
			p.close(wire.CloseTryLater, "the server couldn't read the document; come back later")
			return
		}
		if !more {
			return
		}
		if err := p.write(frame); err != nil {
			p.leaveWriter()
			p.close(wire.CloseTryLater, "the client didn't take a message in time; come back later")
			return
		}
	}
}

// nextFrame takes the next frame from the outbox; more is false when the
// writer may end.
func (p *peer) nextFrame() (frame outgoing, more bool, err error) {
	for {
		p.mu.Lock()
		var l *link
		switch {
		case p.left:
			p.writing = false
			p.mu.Unlock()
			return outgoing{}, false, nil
		case len(p.notices) > 0:
			frame.head, p.notices = p.notices[0], p.notices[1:]
			select {
			case p.room <- struct{}{}:
			default:
			}
		case len(p.dirty) > 0:
			l, p.dirty = p.dirty[0], p.dirty[1:]
			l.queued = false
		case len(p.presence) > 0:
			f := p.presence[0]
			p.presence = p.presence[1:]
			p.presenceBytes -= f.Len(p.id)
			frame = addressed(f, p.id)
		default:
			// Nothing is kept for a writer that has nothing to do.
			p.notices, p.dirty, p.presence, p.writing = nil, nil, nil, false
			p.mu.Unlock()
			return outgoing{}, false, nil
		}
		p.mu.Unlock()
		if l != nil {
			frame, err = l.document.generate(l)
			switch {
			case errors.Is(err, store.ErrCorrupt):
				frame, err = outgoing{head: p.damaged(l.document.key.Document, err)}, nil
			case errors.Is(err, ErrPurged): // since it was looked up: the purge tells the peer
				frame, err = outgoing{}, nil
			}
			if err != nil {
				return outgoing{}, false, err
			}
		}
		if frame.head != nil {
			return frame, true, nil
		}
	}
}

// damaged logs that a document can't be read and returns what the client is
// told: for this document the server is of no use, for all others it is.
func (p *peer) damaged(doc id.DocumentID, err error) []byte {
	p.hub.log.Error("document can't be read; stop the server and run concord check", "document", doc.String(), "error", err)
	return wire.DocUnavailable{SenderID: p.hub.id, TargetID: p.id, Document: doc}.Append(nil)
}

// leaveWriter makes the outbox refuse everything, after a failure.
func (p *peer) leaveWriter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = true
	p.notices, p.dirty, p.presence = nil, nil, nil
}

// leave ends the peer, but not its connection.
func (p *peer) leave() {
	p.mu.Lock()
	p.left = true
	p.mu.Unlock()
	p.visit.Close()
	p.hub.unregister(p)
	for _, l := range p.links {
		l.document.detach(l)
	}
	p.links = nil
}
