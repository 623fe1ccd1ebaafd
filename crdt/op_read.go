package crdt

import "math"

// rowID is an op id as columns hold it: the actor is an index into the
// change's actor table, in which 0 is the author.
type rowID struct {
	counter uint32 // 0 = no op
	actor   uint32
}

// opRow is one op as columns hold it; slices alias the columns.
type opRow struct {
	action  Action
	obj     rowID
	elem    rowID
	isElem  bool
	insert  bool
	expand  bool
	hasMark bool
	key     []byte
	mark    []byte
	value   Value
	preds   int
}

// opReader reads the ops of a change, or the rows of a document, one by one. It checks the form of every
// column, the range of actor indexes and the shape of ids, keys and values;
// what ops may mean is checked by opChecker.
type opReader struct {
	actors uint64 // size of the actor table

	objActor, objCounter rleReader
	keyActor, keyString  rleReader
	keyCounter           deltaReader
	insert, expand       boolReader
	action, valueMeta    rleReader
	value                []byte
	predCount, predActor rleReader
	predCounter          deltaReader
	markName             rleReader

	related opColumn // colPredCount, or colSuccCount in a document: the first of three columns
}

func (r *opReader) init(raw []byte, set *columnSet, actors int) {
	*r = opReader{related: colPredCount}
	r.initColumns(func(col opColumn) []byte { return set.of(raw, col) }, actors)
}

// initDocument makes r read the rows of a document, with their successors in
// the place of preds.
func (r *opReader) initDocument(rows *rowData, actors int) {
	*r = opReader{related: colSuccCount}
	r.initColumns(func(col opColumn) []byte { return rows[col] }, actors)
}

func (r *opReader) initColumns(of func(opColumn) []byte, actors int) {
	r.actors = uint64(actors)
	r.objActor = newRLEReader(of(colObjActor), kindUleb)
	r.objCounter = newRLEReader(of(colObjCounter), kindUleb)
	r.keyActor = newRLEReader(of(colKeyActor), kindUleb)
	r.keyCounter = newDeltaReader(of(colKeyCounter))
	r.keyString = newRLEReader(of(colKeyString), kindString)
	r.insert = newBoolReader(of(colInsert))
	r.action = newRLEReader(of(colAction), kindUleb)
	r.valueMeta = newRLEReader(of(colValueMeta), kindUleb)
	r.value = of(colValue)
	r.predCount = newRLEReader(of(r.related), kindUleb)
	r.predActor = newRLEReader(of(r.related+1), kindUleb)
	r.predCounter = newDeltaReader(of(r.related + 2))
	r.expand = newBoolReader(of(colExpand))
	r.markName = newRLEReader(of(colMarkName), kindString)
}

// next reads one op. Its preds follow by nextPred, row.preds times, before the
// next call.
func (r *opReader) next(row *opRow) error {
	action, err := required(colAction, &r.action)
	if err != nil {
		return err
	}
	if action > uint64(ActionMark) {
		return refuse(ReasonBadOp, "unknown action %d", action)
	}
	row.action = Action(action)
	if row.insert, err = r.insert.next(); err != nil {
		return columnError(colInsert, err)
	}
	if err := r.readObject(row); err != nil {
		return err
	}
	if err := r.readKey(row); err != nil {
		return err
	}
	if err := r.readValue(row); err != nil {
		return err
	}
	if err := r.readMark(row); err != nil {
		return err
	}
	preds, err := required(r.related, &r.predCount)
	if err != nil {
		return err
	}
	row.preds = int(min(preds, math.MaxInt32))
	return nil
}

// required reads a row that must not be null.
func required(col opColumn, r *rleReader) (uint64, error) {
	ok, err := r.next()
	if err != nil {
		return 0, columnError(col, err)
	}
	if !ok {
		return 0, refuse(ReasonMalformed, "null in the %s column", col)
	}
	return r.num, nil
}

func (r *opReader) readObject(row *opRow) error {
	counterOK, err := r.objCounter.next()
	if err != nil {
		return columnError(colObjCounter, err)
	}
	actorOK, err := r.objActor.next()
	if err != nil {
		return columnError(colObjActor, err)
	}
	row.obj = rowID{}
	if !counterOK && !actorOK {
		return nil
	}
	if counterOK != actorOK || r.objCounter.num == 0 {
		return refuse(ReasonBadOp, "object is neither the root nor an op id")
	}
	if r.objCounter.num > math.MaxUint32 {
		return refuse(ReasonLimit, "object counter is above 2^32-1")
	}
	row.obj, err = r.id(colObjActor, uint32(r.objCounter.num), r.objActor.num)
	return err
}

func (r *opReader) readKey(row *opRow) error {
	nameOK, err := r.keyString.next()
	if err != nil {
		return columnError(colKeyString, err)
	}
	counter, counterOK, err := r.keyCounter.nextCounter()
	if err != nil {
		return columnError(colKeyCounter, err)
	}
	actorOK, err := r.keyActor.next()
	if err != nil {
		return columnError(colKeyActor, err)
	}
	row.elem, row.key, row.isElem = rowID{}, nil, counterOK
	switch {
	case nameOK && !counterOK && !actorOK:
		row.key = r.keyString.str
		return nil
	case !nameOK && counterOK && actorOK && counter > 0:
		row.elem, err = r.id(colKeyActor, counter, r.keyActor.num)
		return err
	case !nameOK && counterOK && !actorOK && counter == 0:
		return nil
	}
	return refuse(ReasonBadOp, "key is neither a string nor an element nor the list head")
}

func (r *opReader) readValue(row *opRow) error {
	meta, err := required(colValueMeta, &r.valueMeta)
	if err != nil {
		return err
	}
	length := meta >> 4
	if length > uint64(len(r.value)) {
		return refuse(ReasonMalformed, "value of %d bytes, column has %d left", length, len(r.value))
	}
	row.value, err = decodeValue(ValueCode(meta&15), r.value[:length:length])
	if err != nil {
		return refuse(ReasonBadValue, "%v", err)
	}
	r.value = r.value[length:]
	return nil
}

func (r *opReader) readMark(row *opRow) (err error) {
	if row.expand, err = r.expand.next(); err != nil {
		return columnError(colExpand, err)
	}
	if row.hasMark, err = r.markName.next(); err != nil {
		return columnError(colMarkName, err)
	}
	row.mark = nil
	if row.hasMark {
		row.mark = r.markName.str
	}
	return nil
}

// nextPred reads one pred of the op read last.
func (r *opReader) nextPred() (rowID, error) {
	actor, err := required(r.related+1, &r.predActor)
	if err != nil {
		return rowID{}, err
	}
	counter, ok, err := r.predCounter.nextCounter()
	if err != nil {
		return rowID{}, columnError(r.related+2, err)
	}
	if !ok || counter == 0 {
		return rowID{}, refuse(ReasonBadPred, "null or 0 in the %s column", r.related+2)
	}
	return r.id(r.related+1, counter, actor)
}

func (r *opReader) id(col opColumn, counter uint32, actor uint64) (rowID, error) {
	if actor >= r.actors {
		return rowID{}, refuse(ReasonBadOp, "%s index %d, there are %d actors", col, actor, r.actors)
	}
	return rowID{counter, uint32(actor)}, nil
}

// end checks that no column holds more rows than were read, and that those
// which may be left out are not stored without need.
func (r *opReader) end() error {
	for _, c := range [...]struct {
		col opColumn
		rle *rleReader
	}{
		{colObjActor, &r.objActor}, {colObjCounter, &r.objCounter},
		{colKeyActor, &r.keyActor}, {colKeyCounter, &r.keyCounter.rle}, {colKeyString, &r.keyString},
		{colAction, &r.action}, {colValueMeta, &r.valueMeta},
		{r.related, &r.predCount}, {r.related + 1, &r.predActor}, {r.related + 2, &r.predCounter.rle},
		{colMarkName, &r.markName},
	} {
		if err := c.rle.end(); err != nil {
			return columnError(c.col, err)
		}
	}
	if err := r.insert.end(); err != nil {
		return columnError(colInsert, err)
	}
	if err := r.expand.end(); err != nil {
		return columnError(colExpand, err)
	}
	if !r.expand.absent && !r.expand.anyTrue {
		return columnError(colExpand, errOnlyFalse)
	}
	if len(r.value) > 0 {
		return refuse(ReasonNotCanonical, "value column: %d bytes left over", len(r.value))
	}
	return nil
}
