package hub

import (
	"context"
	"fmt"
	"slices"

	"concord/crdt"
	"concord/store"
)

// Author says for whom the server edits.
type Author struct {
	User, Device string
	Roles        []string // what guards know of the user
}

// Edit is a change that the server itself makes.
type Edit struct {
	By      Author
	Message string
	// Create lets the document be a new one, which comes into being even if Write
	// writes nothing.
	Create bool
	// Empty makes a change even if Write writes nothing.
	Empty bool
	// Heads refuses the edit with ErrHeads unless they are the document's heads, in
	// any order. nil = whatever they are.
	Heads []crdt.Hash
	// Trusted spares the edit the guards.
	Trusted bool
	// Records and Audit are committed with the change, and also when nothing is
	// written.
	Records []store.Record
	Audit   []store.AuditEntry
	// Write writes the change over the present content, which r shows: changes on
	// their way to the disk included. It is called with the document's lock held, so
	// it must be quick and must not call the hub. nil writes nothing. Its error
	// refuses the edit and is returned as it is.
	Write func(tx *crdt.Tx, r Reading) error
	// Last returns records that are committed with everything else. It is called
	// with the document's lock held when all is staged, under Write's conditions;
	// its error gives up what is staged of the document. nil = there are none.
	Last func(e Ended) ([]store.Record, error)
}

// Edited is what became of an Edit.
type Edited struct {
	Heads  []crdt.Hash  // of the document after it
	Change *crdt.Change // nil: nothing was written
}

// Edit changes a document and returns when that is durable. Peers get it like any
// change. When ctx ends before, the edit may have been made all the same.
//
// The error is ErrNotFound, ErrPurged, ErrHeads, store.ErrExists (see
// store.Record.Absent), Write's own, or says which limit the change would break.
func (h *Hub) Edit(ctx context.Context, key store.DocKey, e Edit) (edited Edited, err error) {
	done, err := h.attend()
	if err != nil {
		return Edited{}, err
	}
	defer done()
	settled := make(chan error, 1)
	err = h.visit(ctx, key, func(d *document) (err error) {
		defer d.guard(&err)
		edited, err = d.edit(&e, func(err error) { settled <- err })
		return err
	})
	if err != nil {
		return Edited{}, err
	}
	select {
	case err = <-settled:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return Edited{}, fmt.Errorf("edit document %s: %w", key.Document, err)
	}
	return edited, nil
}

// edit stages an edit and has it committed.
func (d *document) edit(e *Edit, settled func(error)) (edited Edited, err error) {
	heads := d.graph.StagedHeads()
	if len(heads) == 0 && !e.Create {
		return edited, ErrNotFound
	}
	if e.Heads != nil && !slices.Equal(heads, sortedHeads(e.Heads)) {
		return edited, ErrHeads
	}
	if e.Last != nil && d.unfit != nil {
		return edited, fmt.Errorf("read document %s: %w", d.key.Document, d.unfit)
	}
	if err := d.absent(e.Records); err != nil {
		return edited, err
	}
	kind, ref := d.kind, d.ref
	d.takeKind(e.Records)
	s := d.begin(!e.Trusted)
	s.last = e.Last
	var change *crdt.Change
	if empty := e.Empty || len(heads) == 0; e.Write != nil || empty {
		change, err = s.compose(e.Message, empty, d.writer(e, heads))
	}
	if err == nil && change != nil {
		err = s.admit(e.By.sender(), change)
	}
	if err != nil {
		d.kind, d.ref = kind, ref
		if len(s.runs) > 0 { // a watcher's
			d.abandonLocked(err)
		}
		return edited, err
	}
	s.records, s.audit = slices.Clone(e.Records), slices.Clone(e.Audit)
	in := &message{document: d, settled: settled}
	d.pending = append(d.pending, in)
	if err := s.submit(in); err != nil {
		return edited, err
	}
	return Edited{Heads: d.graph.StagedHeads(), Change: change}, nil
}

// writer returns what writes an edit; nil if nothing does.
func (d *document) writer(e *Edit, heads []crdt.Hash) func(*crdt.Tx) error {
	if e.Write == nil || d.unfit != nil {
		return nil
	}
	r := Reading{Graph: d.graph, Content: d.ops, Heads: heads, View: d.ops.View()}
	return func(tx *crdt.Tx) error { return e.Write(tx, r) }
}

func sortedHeads(heads []crdt.Hash) []crdt.Hash {
	heads = slices.Clone(heads)
	crdt.SortHashes(heads)
	return slices.Compact(heads)
}

// absent looks for records that mustn't be there yet: so that as a rule nothing
// is staged for a write that the store will refuse.
func (d *document) absent(records []store.Record) error {
	for _, r := range records {
		if !r.Absent {
			continue
		}
		_, found, err := d.hub.store.Get(d.key.Company, r.Table, r.Key)
		if err != nil {
			return err
		}
		if found {
			return store.ErrExists
		}
	}
	return nil
}

// takeKind notes the type that a document gets by a write.
func (d *document) takeKind(records []store.Record) {
	for _, r := range records {
		if r.Table == store.TableDocumentTypes && string(r.Key) == string(d.key.Document[:]) {
			d.kind, d.ref = kindOf(r.Value)
		}
	}
}
