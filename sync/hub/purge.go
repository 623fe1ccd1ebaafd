package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"concord/internal/id"
	"concord/store"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// Purge deletes a document for good and returns when that is durable. Peers that
// have it open are told, and so is whoever opens it later; their connections stay
// open. Changes that are still on their way to the disk are deleted with it, and
// what comes after that is refused with ErrPurged.
//
// The error is ErrNotFound or ErrPurged when there is no such document, or ErrBusy.
func (h *Hub) Purge(ctx context.Context, key store.DocKey, p store.Purge) error {
	done, err := h.attend()
	if err != nil {
		return err
	}
	defer done()
	d := h.enter(key)
	defer d.leave()
	if err := d.closeDown(ctx); err != nil {
		return fmt.Errorf("purge document %s: %w", key.Document, err)
	}
	err = h.purge(key, p)
	d.goneForGood(err)
	return err
}

// closeDown makes a document take nothing any more, and waits until everything
// that it has taken is durable.
func (d *document) closeDown(ctx context.Context) error {
	settled := make(chan error, 1)
	if err := d.lastMessage(settled); err != nil {
		return err
	}
	var err error
	select {
	case err = <-settled:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		d.goneForGood(err)
	}
	return err
}

func (d *document) lastMessage(settled chan<- error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.purging:
		return ErrPurged
	case len(d.pending) == 0 && d.appends > 0:
		return ErrBusy
	}
	d.purging = true
	if len(d.pending) == 0 {
		settled <- nil
		return nil
	}
	d.pending = append(d.pending, &message{document: d, durable: true, settled: func(err error) { settled <- err }})
	return nil
}

// purge deletes a document that takes nothing any more.
func (h *Hub) purge(key store.DocKey, p store.Purge) error {
	_, found, err := h.store.Document(key)
	if errors.Is(err, store.ErrCorrupt) { // can be deleted all the same
		found, err = true, nil
	}
	if err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("purge document %s: %w", key.Document, err)
	}
	done := make(chan error, 1)
	if err := h.store.Purge(h.ctx, key, p, func(err error) { done <- err }); err != nil {
		return err
	}
	return <-done
}

// goneForGood ends a purge: the document goes on, or nothing of it stays in memory.
func (d *document) goneForGood(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.purging = false
	if err == nil {
		d.exists = false
		d.refused = refusals{}
		d.dropLocked()
	}
	for _, l := range d.links {
		if err == nil {
			l.state, l.unsaved, l.since = protocol.New(l.options), false, time.Time{}
			l.peer.weigh(l)
			l.unavailable, l.tell = true, true
			l.peer.notify(l.peer.deleted(d.key.Document))
		}
		l.peer.mark(l)
	}
}

// deleted is what a peer is told about a document that was deleted for good.
func (p *peer) deleted(doc id.DocumentID) []byte {
	return wire.Error{SenderID: p.hub.id, TargetID: p.id,
		Message: "document " + doc.String() + " was deleted; edits to it are no longer taken"}.Append(nil)
}
