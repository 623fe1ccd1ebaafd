package crdt

// changeReader reads the change columns of a document row by row and checks
// what needs no more than the rows before.
type changeReader struct {
	actors, deps int // size of the actor table; most dependencies of one change

	actor, message, depCount, extraMeta rleReader
	seq, maxOp, time, dep               deltaReader
	extra                               []byte
	read                                int // rows
	row                                 changeRow
}

func (r *changeReader) init(d *DocumentChunk) {
	*r = changeReader{
		actors: len(d.Actors), deps: d.limits.Deps,
		actor:     newRLEReader(d.changes[colChangeActor], kindUleb),
		seq:       newDeltaReader(d.changes[colChangeSeq]),
		maxOp:     newDeltaReader(d.changes[colChangeMaxOp]),
		time:      newDeltaReader(d.changes[colChangeTime]),
		message:   newRLEReader(d.changes[colChangeMessage], kindString),
		depCount:  newRLEReader(d.changes[colChangeDepCount], kindUleb),
		dep:       newDeltaReader(d.changes[colChangeDeps]),
		extraMeta: newRLEReader(d.changes[colChangeExtraMeta], kindUleb),
		extra:     d.changes[colChangeExtra],
	}
}

// next reads one row into r.row, whose slices are valid until the next call.
func (r *changeReader) next() (err error) {
	row := &r.row
	actor, err := r.number(colChangeActor, &r.actor)
	if err != nil {
		return err
	}
	if actor >= uint64(r.actors) {
		return refuse(ReasonMalformed, "actor index %d, there are %d actors", actor, r.actors)
	}
	row.actor = uint32(actor)
	if row.seq, err = r.counter(colChangeSeq, &r.seq); err != nil {
		return err
	}
	if row.maxOp, err = r.counter(colChangeMaxOp, &r.maxOp); err != nil {
		return err
	}
	if err := r.readText(); err != nil {
		return err
	}
	if err := r.readDeps(); err != nil {
		return err
	}
	r.read++
	return r.readExtra()
}

func (r *changeReader) number(col changeColumn, column *rleReader) (uint64, error) {
	ok, err := column.next()
	if err != nil {
		return 0, columnError(col, err)
	}
	if !ok {
		return 0, refuse(ReasonMalformed, "null in the %s column of the changes", col)
	}
	return column.num, nil
}

func (r *changeReader) counter(col changeColumn, column *deltaReader) (uint32, error) {
	n, ok, err := column.nextCounter()
	if err != nil {
		return 0, columnError(col, err)
	}
	if !ok {
		return 0, refuse(ReasonMalformed, "null in the %s column of the changes", col)
	}
	return n, nil
}

// readText reads time and message. Without a time column all times are 0.
func (r *changeReader) readText() error {
	t, ok, err := r.time.next()
	if err != nil {
		return columnError(colChangeTime, err)
	}
	if !ok && !r.time.rle.absent {
		return refuse(ReasonMalformed, "null in the %s column of the changes", colChangeTime)
	}
	if err := checkTime(t); err != nil {
		return err
	}
	ok, err = r.message.next()
	if err != nil {
		return columnError(colChangeMessage, err)
	}
	r.row.time, r.row.message = t, nil
	if ok {
		r.row.message = r.message.str
	}
	return nil
}

func (r *changeReader) readDeps() error {
	count, err := r.number(colChangeDepCount, &r.depCount)
	if err != nil {
		return err
	}
	if count > uint64(r.deps) {
		return refuse(ReasonLimit, "%d dependencies, allowed are %d", count, r.deps)
	}
	r.row.deps = r.row.deps[:0]
	for range count {
		dep, err := r.counter(colChangeDeps, &r.dep)
		if err != nil {
			return err
		}
		if uint64(dep) >= uint64(r.read) {
			return refuse(ReasonBadDocument, "change %d depends on change %d, which doesn't stand before it", r.read, dep)
		}
		r.row.deps = append(r.row.deps, dep)
	}
	return nil
}

func (r *changeReader) readExtra() error {
	meta, err := r.number(colChangeExtraMeta, &r.extraMeta)
	if err != nil {
		return err
	}
	length := meta >> 4
	if ValueCode(meta&15) != ValueBytes {
		return refuse(ReasonMalformed, "extra bytes of a change have type %d", meta&15)
	}
	if length > uint64(len(r.extra)) {
		return columnError(colChangeExtra, errColumnShort)
	}
	r.row.extra, r.extra = r.extra[:length:length], r.extra[length:]
	return nil
}

// end checks that no column holds more rows than were read.
func (r *changeReader) end() error {
	for _, c := range [...]struct {
		col changeColumn
		rle *rleReader
	}{
		{colChangeActor, &r.actor}, {colChangeSeq, &r.seq.rle}, {colChangeMaxOp, &r.maxOp.rle}, {colChangeTime, &r.time.rle},
		{colChangeMessage, &r.message}, {colChangeDepCount, &r.depCount}, {colChangeDeps, &r.dep.rle}, {colChangeExtraMeta, &r.extraMeta},
	} {
		if err := c.rle.end(); err != nil {
			return columnError(c.col, err)
		}
	}
	if len(r.extra) > 0 {
		return columnError(colChangeExtra, errColumnLong)
	}
	return nil
}
