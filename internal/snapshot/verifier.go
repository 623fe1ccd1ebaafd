// Package snapshot replaces the first changes of stored documents with document chunks, and proves that such a chunk
// holds exactly the changes that it stands for.
package snapshot

import (
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

var storedLimits = crdt.Limits{Ops: maxStored, Deps: maxStored, ChunkBytes: maxStored}

// Start takes a document's snapshot.
func (v *Verifier) Start(snap store.Snapshot) error {
	graph, err := crdt.RestoreGraph(snap.Graph)
	if err != nil {
		return err
	}
	if n := uint64(graph.Len()); n != snap.Changes {
		return fmt.Errorf("its graph has %d changes", n)
	}
	v.graph = graph
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
