package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"concord/crdt"
	"concord/store"
)

// storedLimits let everything through that a node with other options has taken.
var storedLimits = crdt.Limits{ChunkBytes: 1 << 30, Ops: 1 << 30, Deps: 1 << 30, Rows: 1 << 30}

const (
	// buildBytes is how much memory op sets may take that are being built at a
	// time, by their estimated size. A bigger one is built alone.
	buildBytes = 256 << 20
	// opBytes is what an op may take in an op set.
	opBytes = 100
)

// openContent brings the op set into memory and keeps it there until pins is
// counted down again. Whoever waits for it goes when ctx ends. It is called without the document's lock, and builds
// without it, so that the document's other peers are served meanwhile. Nothing
// can be staged in that time, for that takes the op set.
func (d *document) openContent(ctx context.Context) error {
	for {
		state, n, err := d.claimContent()
		switch {
		case err != nil:
			return err
		case state == contentReady:
			return nil
		case state == contentComing:
			select {
			case <-n.done:
			case <-ctx.Done():
				return ctx.Err()
			}
		default:
			c, err := d.buildContent(ctx, n.changes, n.size)
			if ready, err := d.setContent(c, n, err); ready || err != nil {
				return err
			}
		}
	}
}

// lockContent takes the document's lock when the op set is in memory. What is
// given up in between is read again.
func (d *document) lockContent(ctx context.Context) error {
	for {
		if err := d.openContent(ctx); err != nil {
			return err
		}
		d.mu.Lock()
		d.pins--
		ok, err := d.hasContent()
		if ok {
			return nil
		}
		d.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// hasContent reports whether the document can take changes.
func (d *document) hasContent() (ok bool, err error) {
	defer d.guard(&err)
	err = d.load()
	return err == nil && (d.ops != nil || d.unfit != nil), err
}

type contentState int

const (
	contentReady  contentState = iota // and pinned
	contentComing                     // somebody else builds it
	contentOurs                       // to build
)

// content is an op set with what watches it.
type content struct {
	ops     *crdt.OpSet
	watcher Watcher
}

// building is the building of an op set.
type building struct {
	done    chan struct{}
	changes uint64
	size    int64 // of the op set, estimated
}

// claimContent looks whether the op set is there, or who builds it.
func (d *document) claimContent() (_ contentState, _ *building, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.guard(&err)
	if err := d.load(); err != nil {
		return 0, nil, err
	}
	if d.graph.Staged() == 0 && d.ops == nil {
		if d.watcher, err = d.watch(); err != nil {
			return 0, nil, err
		}
		d.ops = crdt.NewOpSet()
	}
	switch {
	case d.ops != nil || d.unfit != nil:
		d.pins++
		return contentReady, nil, nil
	case d.building != nil:
		return contentComing, d.building, nil
	}
	d.building = &building{
		done: make(chan struct{}), changes: uint64(d.graph.Staged()),
		size: min(buildBytes, 1<<20+opBytes*int64(d.graph.MaxOp())),
	}
	return contentOurs, d.building, nil
}

// setContent takes what was built and pins it; ready is false when the document
// has other changes by now.
func (d *document) setContent(c content, b *building, buildErr error) (ready bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.guard(&err)
	d.building = nil
	close(b.done)
	if err := d.load(); err != nil {
		return false, err
	}
	if refusal := new(crdt.RefusalError); errors.As(buildErr, &refusal) {
		d.hub.log.Error("document takes no changes, because one that it holds can't be applied",
			"company", d.key.Company, "document", d.key.Document.String(), "error", buildErr)
		d.unfit, buildErr = refusal, nil
	}
	if buildErr != nil {
		return false, fmt.Errorf("read content of document %s: %w", d.key.Document, buildErr)
	}
	if uint64(d.graph.Staged()) != b.changes {
		return false, nil
	}
	d.pins++
	d.ops, d.watcher = c.ops, c.watcher
	d.heatLocked() // so that it is freed again
	d.account()
	return true, nil
}

// buildContent reads the first n changes of the document, all that it has.
func (d *document) buildContent(ctx context.Context, n uint64, size int64) (c content, err error) {
	h := d.hub
	if err := h.building.Acquire(ctx, size); err != nil {
		return content{}, err
	}
	defer h.building.Release(size)
	defer func() {
		if r := recover(); r != nil {
			h.log.Error("panic", "document", d.key.Document.String(), "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	err = unreplaced(func() error {
		c.ops, err = d.readContent(n)
		return err
	})
	h.stats.contents.Add(1)
	if err == nil {
		c.watcher, err = d.watch()
	}
	return c, err
}

// watch returns the watcher of the op set, nil if there's no ledger.
func (d *document) watch() (Watcher, error) {
	if d.hub.opts.Ledger == nil {
		return nil, nil
	}
	w, err := d.hub.opts.Ledger.Watch(d.key, &changeSource{document: d})
	if err != nil {
		return nil, fmt.Errorf("watch document %s: %w", d.key.Document, err)
	}
	return w, nil
}

// tailSpan is how many changes are read in one transaction of the store.
const tailSpan = 1024

func (d *document) readContent(n uint64) (*crdt.OpSet, error) {
	ops, covered := crdt.NewOpSet(), uint64(0)
	chunk, err := d.snapshotChunk(&covered)
	if err == nil && chunk != nil {
		ops, err = readSnapshot(chunk)
	}
	if err != nil {
		return nil, err
	}
	for from := covered; from < n; from += tailSpan {
		err := d.hub.store.Changes(d.key, from, min(n, from+tailSpan), func(i uint64, stored store.Change) error {
			c, err := crdt.ReadStoredChange(stored.Bytes, crdt.Hash(stored.Hash))
			if err != nil {
				return fmt.Errorf("change %d: %w: %w", i, store.ErrCorrupt, err)
			}
			return ops.Apply(c, nil)
		})
		if err != nil {
			return nil, err
		}
	}
	return ops, nil
}

// snapshotChunk returns a copy of the snapshot's chunk, nil when there is none.
func (d *document) snapshotChunk(covered *uint64) (chunk []byte, err error) {
	err = d.hub.store.ViewChunk(d.key, func(s store.Snapshot) error {
		chunk, *covered = bytes.Clone(s.Chunk), s.Changes
		return nil
	})
	return chunk, err
}

func readSnapshot(b []byte) (*crdt.OpSet, error) {
	chunk, _, err := crdt.NextChunk(b)
	if err == nil {
		var ops *crdt.OpSet
		if ops, err = chunk.ReadOpSet(storedLimits); err == nil {
			return ops, nil
		}
	}
	return nil, fmt.Errorf("snapshot: %w: %v", store.ErrCorrupt, err)
}
