package hub

import (
	"errors"
	"fmt"
	"strings"

	"concord/crdt"
	"concord/store"
)

// load brings the graph into memory.
func (d *document) load() error {
	d.lastUsed.Store(d.hub.opts.Now().UnixNano())
	if d.purging {
		return fmt.Errorf("read document %s: %w", d.key.Document, ErrPurged)
	}
	if d.graph != nil {
		return nil
	}
	if d.appends > 0 {
		return fmt.Errorf("read document %s: %w", d.key.Document, ErrBusy)
	}
	info, found, err := d.hub.store.Document(d.key)
	if err != nil {
		return fmt.Errorf("read document %s: %w", d.key.Document, err)
	}
	graph := crdt.NewGraph()
	if found {
		if graph, err = d.readGraph(info.Changes); err != nil {
			return fmt.Errorf("load document %s: %w", d.key.Document, err)
		}
		d.hub.stats.loads.Add(1)
	}
	kind, ref, err := d.readKind()
	if err != nil {
		return fmt.Errorf("load document %s: %w", d.key.Document, err)
	}
	d.graph, d.exists, d.kind, d.ref = graph, graph.Len() > 0, kind, ref
	d.note(info)
	d.account()
	d.snapshotIfDue(false) // a wish from before a restart is forgotten
	return nil
}

// readKind returns the document's type and its name among those of the type, both
// empty if it has none.
func (d *document) readKind() (kind, ref string, err error) {
	if o := d.hub.opts; o.Ledger == nil && o.Guards == nil && o.Deriver == nil {
		return "", "", nil
	}
	value, _, err := d.hub.store.Get(d.key.Company, store.TableDocumentTypes, d.key.Document[:])
	kind, ref = kindOf(value)
	return kind, ref, err
}

// kindOf returns what a record of store.TableDocumentTypes says: type, 0x00, reference.
func kindOf(value []byte) (kind, ref string) {
	kind, ref, _ = strings.Cut(string(value), "\x00")
	return kind, ref
}

func (d *document) note(info store.Info) {
	info.Heads = nil // the graph knows them
	d.stored = info
}

// maxReplaced is how often a document is read again because a new snapshot has
// replaced meanwhile what was to be read.
const maxReplaced = 10

// unreplaced calls read until no snapshot comes in between.
func unreplaced(read func() error) (err error) {
	for range maxReplaced {
		if err = read(); !errors.Is(err, store.ErrInSnapshot) {
			return err
		}
	}
	return err
}

// readGraph reads the graph of the first n changes: the older ones from the
// record beside the snapshot.
func (d *document) readGraph(n uint64) (graph *crdt.Graph, err error) {
	err = unreplaced(func() error {
		graph = crdt.NewGraph()
		err := d.hub.store.ViewGraph(d.key, func(s store.Snapshot) (err error) {
			if graph, err = crdt.RestoreGraph(s.Graph); err == nil && uint64(graph.Len()) != s.Changes {
				err = fmt.Errorf("%d changes, the snapshot has %d", graph.Len(), s.Changes)
			}
			if err != nil {
				err = fmt.Errorf("graph of the snapshot: %w: %w", store.ErrCorrupt, err)
			}
			return err
		})
		if err != nil {
			return err
		}
		return d.hub.store.Changes(d.key, uint64(graph.Len()), n, func(i uint64, c store.Change) error {
			h, err := crdt.ParseStoredChange(c.Bytes, crdt.Hash(c.Hash))
			if err == nil {
				err = graph.Restore(h)
			}
			if err != nil {
				return fmt.Errorf("change %d: %w: %w", i, store.ErrCorrupt, err)
			}
			return nil
		})
	})
	if err == nil && uint64(graph.Len()) != n {
		err = fmt.Errorf("%d changes of %d: %w", graph.Len(), n, store.ErrCorrupt)
	}
	return graph, err
}

// snapshotIfDue asks for a snapshot of the document if it is worth one. cold =
// nobody is editing it.
func (d *document) snapshotIfDue(cold bool) {
	pool := d.hub.opts.Snapshots
	if pool == nil || d.graph == nil || !pool.Due(d.stored, cold) {
		return
	}
	// A snapshot may have been written since.
	info, _, err := d.hub.store.Document(d.key)
	if err != nil {
		return // whoever needs the document meets the error, too
	}
	if d.note(info); pool.Due(info, cold) {
		pool.Want(d.key, cold)
	}
}
