package hub

import (
	"context"
	"errors"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/wire"
)

// ReasonRefusedDependency is the reason for a change that waits, for ever, for
// one that the gate has refused.
const ReasonRefusedDependency crdt.Reason = "refused-dependency"

// maxRefused is how many refused hashes a document in memory remembers.
const maxRefused = 1024

// maxReported is how many refused changes of one message are logged, listed and
// told; the others are counted. A device with a copied actor ID may have a long
// history; millions of broken chunks are an attack on the log and the disk.
const maxReported = 1000

// refusals remembers the hashes of refused changes, so that what depends on
// them can be told why it waits.
type refusals struct {
	hashes map[crdt.Hash]struct{}
}

func (r *refusals) add(h crdt.Hash) {
	if r.hashes == nil {
		r.hashes = make(map[crdt.Hash]struct{})
	}
	if len(r.hashes) < maxRefused {
		r.hashes[h] = struct{}{}
	}
}

func (r *refusals) has(h crdt.Hash) bool {
	_, ok := r.hashes[h]
	return ok
}

// refuse counts, logs and lists a change that the gate didn't take, and tells
// its sender. It returns the change's hash, zero when it has none.
func (p *peer) refuse(doc id.DocumentID, err error) crdt.Hash {
	var r *crdt.RefusalError
	if !errors.As(err, &r) {
		r = &crdt.RefusalError{Reason: crdt.ReasonMalformed, Detail: err.Error()}
	}
	h, s := p.hub, p.currentSession()
	h.stats.refuse(r.Reason)
	if n := p.reported.Add(1); n > maxReported {
		if n == maxReported+1 {
			h.log.Warn("more changes refused", "company", s.Company, "document", doc.String(), "user", s.User, "device", p.device())
		}
		return r.Hash
	}
	h.log.Warn("change refused", "company", s.Company, "document", doc.String(), "hash", r.Hash.String(),
		"user", s.User, "device", p.device(), "reason", string(r.Reason), "detail", r.Detail)
	now := h.opts.Now()
	// A rejection that can't be written is still in the log above.
	_ = h.store.PutRejection(context.WithoutCancel(h.ctx), store.Rejection{
		Company: s.Company, Document: doc, Hash: store.Hash(r.Hash), User: s.User, Device: p.device(),
		Reason: string(r.Reason), Detail: r.Detail, First: now, Last: now, Count: 1,
	}, func(error) {})
	if p.caller {
		p.mu.Lock()
		p.refused = append(p.refused, r)
		p.mu.Unlock()
	}
	p.notify(wire.Error{SenderID: h.id, TargetID: p.id, Message: describe(doc, "change refused: %v", r)}.Append(nil))
	return r.Hash
}
