package crdt

import "fmt"

// Diff returns the edits that lie between two states of the document, see
// Between. It fails for unknown heads.
func (d *Doc) Diff(from, to []Hash) (*Diff, error) {
	before, err := d.At(from)
	if err != nil {
		return nil, fmt.Errorf("diff from: %w", err)
	}
	after, err := d.At(to)
	if err != nil {
		return nil, fmt.Errorf("diff to: %w", err)
	}
	return Between(before, after), nil
}
