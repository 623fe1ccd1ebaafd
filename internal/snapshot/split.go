package snapshot

import (
	"concord/crdt"
	"concord/store"
)

// Split calls fn for the changes of a snapshot, in the order of its graph. The
// bytes are valid only during the call.
func Split(snap store.Snapshot, fn func(chunk []byte) error) error {
	c, _, err := crdt.NextChunk(snap.Chunk)
	if err != nil {
		return err
	}
	_, err = c.ParseDocument(storedLimits, func(d crdt.DocumentChange) error { return fn(d.Raw) })
	return err
}

// Dependencies returns the hashes that a stored change depends on.
func Dependencies(chunk []byte) ([]store.Hash, error) {
	h, err := crdt.ParseStoredChange(chunk, crdt.Hash{})
	if err != nil {
		return nil, err
	}
	deps := make([]store.Hash, len(h.Deps))
	for i, d := range h.Deps {
		deps[i] = store.Hash(d)
	}
	return deps, nil
}
