package crdt

// ParseOpSet is ParseDocument that builds the content of the document as well.
func (c Chunk) ParseOpSet(lim Limits, visit func(DocumentChange) error) (*OpSet, *DocumentChunk, error) {
	d, err := c.openDocument(lim)
	if err != nil {
		return nil, nil, err
	}
	s, err := d.parseOpSet(visit)
	if err != nil {
		return nil, nil, err
	}
	return s, d, nil
}

func (d *DocumentChunk) parseOpSet(visit func(DocumentChange) error) (*OpSet, error) {
	proven := false
	return loadOpSet(d.Actors, func(yield func(*docRow) error) error {
		if proven {
			return d.eachRow(yield)
		}
		// The rows are read to their end even if the op set can't be built in one
		// go, since the proof needs them all.
		var stopped error
		err := d.rebuild(func(r *docRow) error {
			if stopped == nil {
				stopped = yield(r)
			}
			return nil
		}, visit)
		if proven = err == nil; proven {
			err = stopped
		}
		return err
	})
}

// ReadOpSet builds the content of a document from a chunk that ParseDocument
// has proven before, without doing so again: changes are not rebuilt and
// their hashes not compared. Form, order and references are checked.
func (c Chunk) ReadOpSet(lim Limits) (*OpSet, error) {
	d, err := c.openDocument(lim)
	if err != nil {
		return nil, err
	}
	return loadOpSet(d.Actors, d.eachRow)
}

func (d *DocumentChunk) eachRow(yield func(*docRow) error) error {
	var r rowReader
	r.init(d)
	for {
		ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		if err := yield(&r.row); err != nil {
			return err
		}
	}
}
