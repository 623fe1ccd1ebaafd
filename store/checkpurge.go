package store

// deleting tells whether the document that a key begins with was purged and isn't wiped, so that records of it may be
// left.
func (k *recordChecker) deleting(key []byte) bool {
	bk := k.tx.Bucket([]byte(wipesBucket.name))
	return bk != nil && len(key) >= documentKeySize && bk.Get(key[:documentKeySize]) != nil
}
