package crdt

import (
	"errors"
	"fmt"
	"slices"
)

// ErrIncomplete is returned by Load for changes whose dependencies are missing.
var ErrIncomplete = errors.New("changes depend on others that are missing")

// Load reads what Save and SaveSince wrote, here or in another implementation:
// any concatenation of document and change chunks. Every hash is verified.
// Changes without their dependencies are queued if the first chunk is a
// document, as Save writes them, and make Load fail otherwise. The error says
// which chunk can't be accepted; it wraps a *RefusalError or is ErrIncomplete.
func Load(b []byte, lim Limits) (*Doc, error) {
	d := New()
	rest := b
	first, after, err := NextChunk(b)
	isDocument := len(b) > 0 && err == nil && first.Type == ChunkDocument
	if isDocument {
		if err := WalkChunks(b, func(Chunk) error { return nil }); err != nil {
			return nil, fmt.Errorf("load: %w", err)
		}
		if err := d.loadDocument(first, lim); err != nil {
			return nil, fmt.Errorf("load: chunk 0 at byte 0: %w", err)
		}
		rest = after
	}
	if err := d.LoadIncremental(rest, lim); err != nil {
		return nil, err
	}
	if !isDocument && d.Queued() > 0 {
		return nil, fmt.Errorf("load: %d %w", d.Queued(), ErrIncomplete)
	}
	return d, nil
}

// loadDocument fills an empty document.
func (d *Doc) loadDocument(c Chunk, lim Limits) error {
	doc, err := c.openDocument(lim)
	if err != nil {
		return err
	}
	d.graph.reserve(doc.NumChanges)
	d.meta.times = make([]int64, 0, doc.NumChanges)
	ops, err := doc.parseOpSet(func(c DocumentChange) error {
		i, err := d.graph.appendRow(c)
		if err != nil {
			return err
		}
		d.meta.add(d.graph, i, c.Deps, c.Time, c.Message, c.Extra)
		return nil
	})
	if err != nil {
		return err
	}
	d.graph.Publish(d.graph.Staged())
	d.ops = ops
	return nil
}

// LoadIncremental adds the changes of any concatenation of document and change
// chunks. When a chunk can't be parsed, nothing is applied, and the error says
// which one it is. Changes that parse are then applied as by Apply.
func (d *Doc) LoadIncremental(b []byte, lim Limits) error {
	var changes []*Change
	keep := func(raw []byte) error {
		c, err := ParseChange(slices.Clone(raw), lim)
		if err == nil {
			changes = append(changes, c)
		}
		return err
	}
	err := WalkChunks(b, func(c Chunk) error {
		switch c.Type {
		case ChunkDocument:
			_, err := c.ParseDocument(lim, func(c DocumentChange) error {
				if d.Has(c.Hash) {
					return nil
				}
				return keep(c.Raw)
			})
			return err
		case ChunkCompressed:
			change, err := c.ParseChange(lim)
			if err == nil {
				changes = append(changes, change)
			}
			return err
		}
		return keep(c.Raw)
	})
	if err == nil {
		err = d.Apply(changes...)
	}
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}
