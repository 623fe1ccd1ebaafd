package store

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// cutting appends to a document the changes that were received until a time.
type cutting struct {
	*unstaging
	doc     DocKey
	runs    []Run         // of all changes
	next    uint64        // index of the change that comes next, in the backup
	left    map[Hash]bool // out, with what depends on them
	heads   map[Hash]bool
	kept    uint64
	pending Append
	size    int
}

// until restores the one document up to RestoreOptions.Until.
func (u *unstaging) until() error {
	c := &cutting{
		unstaging: u, doc: DocKey{u.o.Company, *u.o.Document},
		left: make(map[Hash]bool), heads: make(map[Hash]bool),
	}
	err := u.reader.attributions(c.doc, 0, math.MaxUint64, func(r Run) error {
		c.runs = append(c.runs, r)
		return nil
	})
	if err != nil {
		return err
	}
	key, _, err := u.reader.documentKey(c.doc)
	if err != nil {
		return err
	}
	st, err := u.state(key)
	if err != nil {
		return err
	}
	if st.snap.changes > 0 {
		snap, _, err := u.reader.readSnapshot(c.doc, snapshotRead{graph: true, chunk: true})
		if err != nil {
			return err
		}
		if err := u.o.Split(snap, c.add); err != nil {
			return fmt.Errorf("split the snapshot of document %s: %w", c.doc.Document, err)
		}
		if c.next != snap.Changes {
			return fmt.Errorf("snapshot of document %s has %d changes, not %d: %w", c.doc.Document, c.next, snap.Changes, ErrBackup)
		}
	}
	err = u.reader.changes(c.doc, c.next, math.MaxUint64, func(_ uint64, change Change) error { return c.add(change.Bytes) })
	if err != nil {
		return err
	}
	if err := c.flush(); err != nil {
		return err
	}
	if c.kept == 0 {
		return fmt.Errorf("document %s had no changes by then: %w", c.doc.Document, ErrNotFound)
	}
	return nil
}

// add takes the next change, or leaves it out.
func (c *cutting) add(chunk []byte) error {
	hash, ok := chunkHash(chunk)
	if !ok || len(c.runs) == 0 {
		return fmt.Errorf("change %d of document %s is malformed: %w", c.next, c.doc.Document, ErrBackup)
	}
	run := c.runs[0]
	if c.next++; c.next == run.First+run.Count {
		c.runs = c.runs[1:]
	}
	deps, err := c.o.Dependencies(chunk)
	if err != nil {
		return fmt.Errorf("change %d of document %s: %w: %w", c.next-1, c.doc.Document, err, ErrBackup)
	}
	if run.Received.After(c.o.Until) || slices.ContainsFunc(deps, func(h Hash) bool { return c.left[h] }) {
		c.left[hash] = true
		return nil
	}
	if c.pending.By != run.Attribution || c.size > stepSize {
		if err := c.flush(); err != nil {
			return err
		}
	}
	for _, h := range deps {
		delete(c.heads, h)
	}
	c.heads[hash] = true
	c.pending.By = run.Attribution
	c.pending.Changes = append(c.pending.Changes, Change{hash, slices.Clone(chunk)})
	c.size += len(chunk)
	return nil
}

// flush appends what was gathered.
func (c *cutting) flush() error {
	a := c.pending
	if len(a.Changes) == 0 {
		return nil
	}
	a.Doc, a.First, a.Heads = c.doc, c.kept, slices.Collect(maps.Keys(c.heads))
	if err := a.validate(); err != nil {
		return err
	}
	if err := c.putUnits([]unit{a.unit()}); err != nil {
		return err
	}
	c.kept += uint64(len(a.Changes))
	err := c.wrote(c.size)
	c.pending, c.size = Append{}, 0
	return err
}
