package hub

import (
	"bytes"
	"context"
	"fmt"

	"concord/store"
)

// Export returns what is durable of a document as a file that Automerge loads: its
// snapshot, if there is one, and the changes after it.
func (h *Hub) Export(ctx context.Context, key store.DocKey) (file []byte, err error) {
	done, err := h.attend()
	if err != nil {
		return nil, err
	}
	defer done()
	info, found, err := h.store.Document(key)
	if err == nil && !found {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("export document %s: %w", key.Document, err)
	}
	err = unreplaced(func() error {
		from := uint64(0)
		file = nil
		if err := h.store.ViewChunk(key, func(s store.Snapshot) error {
			file, from = bytes.Clone(s.Chunk), s.Changes
			return nil
		}); err != nil {
			return err
		}
		for from < info.Changes && ctx.Err() == nil {
			to := min(info.Changes, from+tailSpan)
			if err := h.store.Changes(key, from, to, func(_ uint64, c store.Change) error {
				file = append(file, c.Bytes...)
				return nil
			}); err != nil {
				return err
			}
			from = to
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("export document %s: %w", key.Document, err)
	}
	return file, nil
}
