package hub

import (
	"context"
	"fmt"

	"concord/crdt"
	"concord/store"
)

// Reading is a document's state. It is valid during the function that it is given to.
type Reading struct {
	Graph   *crdt.Graph
	Content *crdt.OpSet
	Heads   []crdt.Hash
	View    crdt.View // at Heads
}

// At returns the content at earlier heads. It fails for unknown ones.
func (r Reading) At(heads []crdt.Hash) (crdt.View, error) {
	clock, err := r.Graph.Clock(heads)
	if err != nil {
		return crdt.View{}, err
	}
	return r.Content.At(clock), nil
}

// Read gives fn what is durable of a document. Nothing else is done with the
// document meanwhile, so that fn must be quick: take what is needed and encode it
// afterwards. It must not call the hub, and what it wants of Content it gets
// through View and At, for Content has what is still on its way to the disk, too.
// fn's error is returned as it is.
func (h *Hub) Read(ctx context.Context, key store.DocKey, fn func(Reading) error) error {
	done, err := h.attend()
	if err != nil {
		return err
	}
	defer done()
	return h.visit(ctx, key, func(d *document) error {
		if d.unfit != nil {
			return fmt.Errorf("read document %s: %w", key.Document, d.unfit)
		}
		if d.graph.Len() == 0 {
			return ErrNotFound
		}
		r, err := d.reading()
		if err != nil {
			return err
		}
		return d.shielded(func() error { return fn(r) })
	})
}

// reading returns the published part of a document.
func (d *document) reading() (Reading, error) {
	r := Reading{Graph: d.graph, Content: d.ops, Heads: d.graph.Heads(), View: d.ops.View()}
	if d.graph.Staged() == d.graph.Len() {
		return r, nil
	}
	var err error
	r.View, err = r.At(r.Heads)
	return r, err
}

// visit calls fn with a document and its lock, when its op set is in memory.
func (h *Hub) visit(ctx context.Context, key store.DocKey, fn func(*document) error) error {
	d := h.enter(key)
	defer d.leave()
	if err := d.lockContent(ctx); err != nil {
		return err
	}
	defer d.mu.Unlock()
	return fn(d)
}

// enter returns a document that stays in the hub until leave was called.
func (h *Hub) enter(key store.DocKey) *document {
	for {
		d := h.acquire(key)
		d.mu.Lock()
		ok := !d.removed
		if ok {
			d.pins++
		}
		d.mu.Unlock()
		if ok {
			return d
		}
	}
}

func (d *document) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pins--
	d.tidyLocked()
}

// attend counts a call, for Drain and Close to wait for.
func (h *Hub) attend() (done func(), err error) {
	h.readers.Add(1)
	if h.draining.Load() {
		h.readers.Add(-1)
		return nil, ErrClosing
	}
	return func() { h.readers.Add(-1) }, nil
}
