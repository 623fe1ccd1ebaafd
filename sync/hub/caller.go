package hub

import (
	"context"
	"io"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/wire"
)

// caller returns a peer that lives as long as a call. What it sends is taken as
// other peers' messages are; nothing is written to it, and what is refused is kept
// for the answer to the call.
func (h *Hub) caller(s Session, device, storageID string) *peer {
	s.Expires = time.Time{}
	return &peer{
		connection: newConnection(h, nowhere{}, s, func() {}), id: device, storageID: storageID, keepState: storageID != "",
		caller: true, left: true, roles: joinRoles(s.Roles), visit: nobody{}, links: make(map[id.DocumentID]*link),
	}
}

// nowhere is the Conn of callers.
type nowhere struct{}

func (nowhere) Read(int) (Frame, error)                     { return Frame{}, io.EOF }
func (nowhere) Write(context.Context, []byte, []byte) error { return nil }
func (nowhere) Close(wire.CloseCode, string)                {}

// say takes a message of a caller, and returns when everything in it is durable.
func (p *peer) say(ctx context.Context, in *message, readOnly bool) error {
	h := p.hub
	in.document = in.link.document
	in.weight = min(int64(len(in.frame.Data)), h.opts.StagedBytes)
	settled := make(chan error, 1)
	in.settled = func(err error) { settled <- err }
	if err := h.staged.Acquire(ctx, in.weight); err != nil {
		return err
	}
	var r reading
	if !readOnly {
		var err error
		if r, err = in.parse(ctx); err != nil {
			in.done()
			return err
		}
	}
	if err := in.document.receive(ctx, in, &r); err != nil {
		return err
	}
	select {
	case err := <-settled:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refusals returns what was refused of what a caller has said.
func (p *peer) refusals() []*crdt.RefusalError {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}
