package crdt

import "slices"

// Keep returns the change for use after the call that it was passed to. raw is
// a copy of Raw, to which the change keeps a reference.
func (c *DocumentChange) Keep(raw []byte) (*Change, error) {
	kept, err := ReadStoredChange(raw, c.Hash)
	if err != nil {
		return nil, err
	}
	kept.OtherOps = slices.Clone(c.OtherOps)
	return kept, nil
}
