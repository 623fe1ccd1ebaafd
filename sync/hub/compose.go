package hub

import (
	"crypto/rand"
	"fmt"
	"runtime/debug"

	"concord/crdt"
)

// server is the user in whose name guards are answered.
const server = "concord"

// compose lets write make a change of the server's own; nil if it writes nothing
// and empty isn't set.
func (s *staging) compose(message string, empty bool, write func(*crdt.Tx) error) (c *crdt.Change, err error) {
	d := s.document
	if err := d.room(crdt.Hash{}); err != nil {
		return nil, err
	}
	if d.actor == "" {
		if d.actor, err = crdt.NewActor(rand.Reader); err != nil {
			return nil, err
		}
	}
	meta := crdt.ChangeMeta{Deps: d.graph.StagedHeads(), Actor: d.actor, Time: s.received.Unix(), Message: message}
	meta.Seq, meta.StartOp = d.graph.Next(d.actor)
	if write != nil {
		err = d.shielded(func() error {
			c, err = d.ops.Compose(meta, write)
			return err
		})
	}
	if err == nil && c == nil && empty {
		c, err = crdt.EncodeChange(meta, nil)
	}
	if err == nil && c != nil {
		err = d.hub.fits(c)
	}
	return c, err
}

// fits refuses a change that no peer could be told of.
func (h *Hub) fits(c *crdt.Change) error {
	switch ops := h.opts.Changes.Ops; {
	case len(c.Bytes()) > h.changeBytes():
		return &crdt.RefusalError{Hash: c.Hash, Reason: crdt.ReasonLimit,
			Detail: fmt.Sprintf("the change has %d bytes, at most %d are allowed", len(c.Bytes()), h.changeBytes())}
	case ops > 0 && c.NumOps > ops:
		return &crdt.RefusalError{Hash: c.Hash, Reason: crdt.ReasonLimit,
			Detail: fmt.Sprintf("the change has %d operations, at most %d are allowed", c.NumOps, ops)}
	}
	return nil
}

// shielded calls others' code that may be wrong, but changes nothing.
func (d *document) shielded(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			d.hub.log.Error("panic", "document", d.key.Document.String(), "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return fn()
}
