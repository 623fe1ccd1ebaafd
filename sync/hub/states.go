package hub

import (
	"context"

	"concord/store"
)

// saveLocked queues the sync states that have changed since they were saved.
// They needn't be durable at once: an older state costs a few more bytes when
// the device comes back, never a change.
func (d *document) saveLocked(links []*link) {
	var states []store.SyncState
	for _, l := range links {
		if l.unsaved {
			l.unsaved = false
			key := l.syncKey(l.peer.currentSession().User)
			saved := savedState{key.User, key.StorageID, l.since, l.state.Save()}
			states = append(states, store.SyncState{SyncKey: key, State: saved.encode()})
		}
	}
	if len(states) == 0 {
		return
	}
	h := d.hub
	h.saving.Add(1)
	if err := h.store.PutSyncStates(context.WithoutCancel(h.ctx), states, func(error) { h.saving.Add(-1) }); err != nil {
		h.saving.Add(-1)
		h.log.Warn("sync states not saved", "document", d.key.Document.String(), "error", err)
	}
}

// statesSaved waits for the sync states that are on their way to the disk.
func (h *Hub) statesSaved(ctx context.Context) error {
	if h.saving.Load() == 0 {
		return nil
	}
	saved := make(chan error, 1)
	if err := h.store.PutSyncStates(ctx, nil, func(err error) { saved <- err }); err != nil {
		return err
	}
	select {
	case err := <-saved:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// contentIdle is how many Options.SaveInterval an unused op set stays.
const contentIdle = 30

// relaxLocked frees what only a document in use needs, and the op set when it is
// out of use since long. The graph stays, for the document cache to decide.
func (d *document) relaxLocked(contentSince int64) {
	if d.busy() {
		return
	}
	d.work = nil
	if d.ops != nil && d.lastUsed.Load() <= contentSince {
		d.snapshotIfDue(true)
		d.dropContent()
	}
	if d.blank() {
		d.dropLocked() // a document that nobody has created
	}
	d.account()
}

// blank reports whether there is nothing in a document that is in memory.
func (d *document) blank() bool {
	return d.graph != nil && !d.exists && d.graph.Staged() == 0 && d.orphanCount() == 0
}

func (d *document) orphanCount() int {
	if d.orphans == nil {
		return 0
	}
	return d.orphans.Len()
}
