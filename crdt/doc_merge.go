package crdt

import "fmt"

// Fork returns an independent copy of the document and its queue, without an
// actor: two documents must never make changes with the same one.
func (d *Doc) Fork() (*Doc, error) {
	fork, err := Load(d.Save(), unlimited)
	if err != nil {
		return nil, fmt.Errorf("fork: %w", err)
	}
	return fork, nil
}

// Merge applies the changes of another document that this one lacks. See Apply
// for the error.
func (d *Doc) Merge(other *Doc) error {
	var lacking []*Change
	for _, c := range other.Changes(d.Heads()) {
		if !d.Has(c.Hash) {
			lacking = append(lacking, c)
		}
	}
	return d.Apply(lacking...)
}
