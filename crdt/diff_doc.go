package crdt

// Diff returns the edits that lead from one state of the document to another,
// each given by heads; see Between. It fails for unknown heads.
func (d *Doc) Diff(before, after []Hash) (*Diff, error) {
	from, err := d.At(before)
	if err != nil {
		return nil, err
	}
	to, err := d.At(after)
	if err != nil {
		return nil, err
	}
	return Between(from, to), nil
}
