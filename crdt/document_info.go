package crdt

// ReadChangeInfo calls visit with when each change of a chunk of type 0 was made
// and why, in the order of the chunk, without looking at its ops: time is in
// seconds since the Unix epoch by convention, message UTF-8, empty for none and
// valid during the call only. It is for a chunk that ParseDocument has proven:
// only the checksum and the form of what is read are checked. The error is a
// *RefusalError, or what visit returned.
func (c Chunk) ReadChangeInfo(lim Limits, visit func(row int, time int64, message []byte) error) error {
	d, err := c.readDocument(lim, false)
	if err != nil {
		return err
	}
	var r changeReader
	r.init(d)
	for i := range d.NumChanges {
		if err := r.next(); err != nil {
			return err
		}
		if err := visit(i, r.row.time, r.row.message); err != nil {
			return err
		}
	}
	return r.end()
}
