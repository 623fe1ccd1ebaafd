package hub

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/protocol"
)

// SyncAnswer is what one sync message brought.
type SyncAnswer struct {
	Message []byte // nil when there is nothing to say
	Refused []*crdt.RefusalError
}

// Sync takes one sync message of a device that has no connection, and returns the
// answer when the message's changes are durable. What the server knows of the
// device's copy is kept under storageID, "" for none, as for its connections. It
// waits for the user's rate as connections do. text is the caller's again after
// the return.
//
// The error is ErrNotFound, ErrPurged or ErrMalformed. A document that doesn't
// exist is asked for when the device has it.
func (h *Hub) Sync(ctx context.Context, s Session, storageID string, doc id.DocumentID, text []byte) (SyncAnswer, error) {
	done, err := h.attend()
	if err != nil {
		return SyncAnswer{}, err
	}
	defer done()
	limiter, release := h.limiter(s)
	defer release()
	if err := limiter.Wait(ctx); err != nil {
		return SyncAnswer{}, err
	}
	if s.MayOpen != nil && !s.MayOpen(doc) {
		return SyncAnswer{}, ErrNotFound
	}
	text = bytes.Clone(text) // what is staged goes on when ctx ends
	m, err := protocol.Decode(text, h.opts.Messages)
	if err != nil {
		return SyncAnswer{}, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	p := h.caller(s, "", storageID)
	defer p.leave()
	l, err := p.open(doc)
	if err != nil {
		return SyncAnswer{}, err
	}
	if err := p.say(ctx, &message{link: l, sync: m, frame: Frame{Data: text}}, s.ReadOnly); err != nil {
		return SyncAnswer{}, err
	}
	answer := SyncAnswer{Refused: p.refusals()}
	exists, agreed := l.document.agrees(m)
	if !exists && (s.ReadOnly || len(m.Heads) == 0) {
		return answer, ErrNotFound
	}
	if !agreed {
		out, err := l.document.generate(l)
		if err != nil {
			return SyncAnswer{}, err
		}
		answer.Message = out.message
	}
	return answer, nil
}

// agrees reports whether the document exists, and whether the sender of a message
// has it just so and knows that the server has, too.
func (d *document) agrees(m *protocol.Message) (exists, agreed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.exists || d.graph == nil {
		return d.exists, false
	}
	heads := d.graph.Heads()
	equal := func(hs []crdt.Hash) bool { return slices.Equal(sortedHeads(hs), heads) }
	agreed = len(m.Changes) == 0 && len(m.Need) == 0 && equal(m.Heads) &&
		len(m.Have) > 0 && !slices.ContainsFunc(m.Have, func(h protocol.Have) bool { return !equal(h.LastSync) })
	return true, agreed
}
