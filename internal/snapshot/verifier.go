package snapshot

import (
	"errors"
	"fmt"

	"concord/crdt"
	"concord/store"
)

// Verifier reads the snapshot and the changes of one document as a server would. It is the store.DocumentVerifier.
type Verifier struct{ graph *crdt.Graph }

// NewVerifier returns the verifier of one document.
func NewVerifier() *Verifier { return &Verifier{crdt.NewGraph()} }

// maxStored is above every limit that a server may have been run with.
const maxStored = 1 << 30

var storedLimits = crdt.Limits{Ops: maxStored, Deps: maxStored, ChunkBytes: maxStored, Rows: maxStored}

// Start takes a document's snapshot and proves that its chunk holds the changes of its graph.
func (v *Verifier) Start(snap store.Snapshot) error {
	graph, err := crdt.RestoreGraph(snap.Graph)
	if err != nil {
		return err
	}
	if n := uint64(graph.Len()); n != snap.Changes {
		return fmt.Errorf("its graph has %d changes", n)
	}
	v.graph = graph
	return prove(snap.Chunk, graph)
}

// prove decodes a document chunk and compares the hash of every change, in order, with those of the graph.
func prove(chunk []byte, graph *crdt.Graph) error {
	c, rest, err := crdt.NextChunk(chunk)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes follow the document", len(rest))
	}
	next := 0
	doc, err := c.ParseDocument(storedLimits, func(d crdt.DocumentChange) error {
		if next == graph.Len() {
			return errors.New("the document has more changes than the graph")
		}
		if want := graph.HashAt(next); d.Hash != want {
			return fmt.Errorf("change %d is %s in the document, %s in the graph", next, d.Hash, want)
		}
		next++
		return nil
	})
	if err != nil {
		return err
	}
	if doc.NumChanges != graph.Len() {
		return fmt.Errorf("the document has %d changes, the graph %d", doc.NumChanges, graph.Len())
	}
	return nil
}

// Add passes a stored change through the parser and the gate.
func (v *Verifier) Add(hash store.Hash, chunk []byte) error {
	change, err := crdt.ParseChange(chunk, storedLimits)
	if err != nil {
		return err
	}
	if change.Hash != crdt.Hash(hash) {
		return fmt.Errorf("the change's hash is %s", change.Hash)
	}
	if _, err := v.graph.Append(change.Header()); err != nil {
		return err
	}
	v.graph.Publish(v.graph.Staged())
	return nil
}

// Heads returns the heads that the changes make.
func (v *Verifier) Heads() []store.Hash {
	heads := v.graph.Heads()
	out := make([]store.Hash, len(heads))
	for i, h := range heads {
		out[i] = store.Hash(h)
	}
	return out
}
