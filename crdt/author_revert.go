package crdt

import "errors"

// Revert makes what a JSON Pointer names equal to what it is in another view of
// the document, with the least edits.
func (tx *Tx) Revert(pointer string, to View) error {
	return errors.New("revert: not there yet")
}
