package crdt

// rowReader reads the rows of a document one by one and checks everything about
// them that needs no more than the rows before: form, order, and the rules for
// single ops.
type rowReader struct {
	ops       opReader
	idActor   rleReader
	idCounter deltaReader
	left      int // rows
	order     rowOrder
	raw       opRow
	row       docRow // of the last call of next
	valueSize int    // bytes of its value
}

func (r *rowReader) init(d *DocumentChunk) {
	r.ops.initDocument(&d.rows, len(d.Actors))
	r.idActor = newRLEReader(d.rows[colIDActor], kindUleb)
	r.idCounter = newDeltaReader(d.rows[colIDCounter])
	r.left = d.NumRows
}

// next reads one row into r.row, whose slices are valid until the next call and
// alias the columns. It returns false after the last row.
func (r *rowReader) next() (bool, error) {
	if r.left == 0 {
		return false, r.end()
	}
	r.left--
	id, err := r.readID()
	if err != nil {
		return false, err
	}
	raw := &r.raw
	values := len(r.ops.value)
	if err := r.ops.next(raw); err != nil {
		return false, err
	}
	r.valueSize = values - len(r.ops.value)
	if raw.action == ActionDelete {
		return false, refuse(ReasonBadDocument, "row of a deletion")
	}
	if err := checkContent(raw); err != nil {
		return false, err
	}
	row := &r.row
	row.id, row.obj, row.elem = id, documentID(raw.obj), documentID(raw.elem)
	row.key, row.isElem, row.insert, row.expand, row.hasMark = raw.key, raw.isElem, raw.insert, raw.expand, raw.hasMark
	row.action, row.value, row.mark = raw.action, raw.value, raw.mark
	if err := r.order.check(row); err != nil {
		return false, err
	}
	return true, r.readSuccs(raw.preds)
}

func documentID(id rowID) lamport { return newLamport(id.counter, id.actor) }

func (r *rowReader) readID() (lamport, error) {
	actor, err := required(colIDActor, &r.idActor)
	if err != nil {
		return 0, err
	}
	counter, ok, err := r.idCounter.nextCounter()
	if err != nil {
		return 0, columnError(colIDCounter, err)
	}
	if !ok || counter == 0 {
		return 0, refuse(ReasonMalformed, "null or 0 in the %s column", colIDCounter)
	}
	id, err := r.ops.id(colIDActor, counter, actor)
	return documentID(id), err
}

// readSuccs reads as many successors as the row has, which openDocument has
// found to be within limits. That they are of newer changes shows when these
// are rebuilt.
func (r *rowReader) readSuccs(count int) error {
	r.row.succs = r.row.succs[:0]
	last := r.row.id
	for range count {
		id, err := r.ops.nextPred()
		if err != nil {
			return err
		}
		succ := documentID(id)
		if succ <= last {
			return refuse(ReasonBadPred, "successors of op %d aren't newer and in ascending order", r.row.id.counter())
		}
		r.row.succs = append(r.row.succs, succ)
		last = succ
	}
	return nil
}

func (r *rowReader) end() error {
	if err := r.idActor.end(); err != nil {
		return columnError(colIDActor, err)
	}
	if err := r.idCounter.rle.end(); err != nil {
		return columnError(colIDCounter, err)
	}
	return r.ops.end()
}
