package crdt

// opWriter writes ops into columns.
type opWriter struct {
	author ActorID
	index  map[ActorID]uint32 // of the other actors

	objActor, objCounter rleWriter
	keyActor, keyString  rleWriter
	keyCounter           deltaWriter
	insert, expand       boolWriter
	action, valueMeta    rleWriter
	value                []byte
	predCount, predActor rleWriter
	predCounter          deltaWriter
	markName             rleWriter
}

func (w *opWriter) init(author ActorID, others []ActorID) {
	w.author = author
	clear(w.index)
	if w.index == nil && len(others) > 0 {
		w.index = make(map[ActorID]uint32, len(others))
	}
	for i, a := range others {
		w.index[a] = uint32(i) + 1
	}
	w.reset()
}

// reset empties the columns and keeps their memory.
func (w *opWriter) reset() {
	for _, c := range [...]*rleWriter{
		&w.objActor, &w.objCounter, &w.keyActor, &w.action, &w.valueMeta, &w.predCount, &w.predActor,
	} {
		c.reset(kindUleb)
	}
	w.keyString.reset(kindString)
	w.markName.reset(kindString)
	w.keyCounter.reset()
	w.predCounter.reset()
	w.insert.reset()
	w.expand.reset()
	w.value = w.value[:0]
}

func (w *opWriter) append(op *Op) {
	w.appendRow(&opRow{
		action: op.Action, insert: op.Insert, expand: op.Expand, hasMark: op.HasMarkName,
		obj: w.id(op.Obj), isElem: op.Key.IsElem, elem: w.id(op.Key.Elem),
		key: []byte(op.Key.Name), mark: []byte(op.MarkName), preds: len(op.Preds),
	})
	w.appendValue(op.Value)
	for _, pred := range op.Preds {
		w.appendPred(w.id(pred))
	}
}

func (w *opWriter) id(id OpID) rowID {
	if id.IsZero() || id.Actor == w.author {
		return rowID{counter: id.Counter}
	}
	return rowID{id.Counter, w.index[id.Actor]}
}

// appendRow appends everything of a row but its value and its preds. It keeps
// the row's slices until finish.
func (w *opWriter) appendRow(row *opRow) {
	w.action.appendUint(uint64(row.action))
	w.insert.append(row.insert)
	w.appendObject(row.obj)
	w.appendKey(row)
	w.predCount.appendUint(uint64(row.preds))
	w.expand.append(row.expand)
	if row.hasMark {
		w.markName.appendRow(0, row.mark)
	} else {
		w.markName.appendNull()
	}
}

func (w *opWriter) appendValue(v Value) {
	start := len(w.value)
	w.value = v.appendPayload(w.value)
	w.valueMeta.appendUint(uint64(len(w.value)-start)<<4 | uint64(v.code))
}

// appendPayload appends a value in its encoded form.
func (w *opWriter) appendPayload(code ValueCode, payload []byte) {
	w.value = append(w.value, payload...)
	w.valueMeta.appendUint(uint64(len(payload))<<4 | uint64(code))
}

func (w *opWriter) appendPred(pred rowID) {
	w.predActor.appendUint(uint64(pred.actor))
	w.predCounter.append(int64(pred.counter))
}

func (w *opWriter) appendObject(obj rowID) {
	if obj.counter == 0 {
		w.objActor.appendNull()
		w.objCounter.appendNull()
		return
	}
	w.objActor.appendUint(uint64(obj.actor))
	w.objCounter.appendUint(uint64(obj.counter))
}

func (w *opWriter) appendKey(row *opRow) {
	if !row.isElem {
		w.keyActor.appendNull()
		w.keyCounter.rle.appendNull()
		w.keyString.appendRow(0, row.key)
		return
	}
	w.keyString.appendNull()
	w.keyCounter.append(int64(row.elem.counter))
	if row.elem.counter == 0 {
		w.keyActor.appendNull()
	} else {
		w.keyActor.appendUint(uint64(row.elem.actor))
	}
}

// appendColumns appends the metadata and contents of all columns that aren't empty.
func (w *opWriter) appendColumns(b []byte) []byte {
	cols := w.finish()
	count := 0
	for _, data := range cols {
		if len(data) > 0 {
			count++
		}
	}
	b = appendUleb(b, uint64(count))
	for i, data := range cols {
		if len(data) > 0 {
			b = appendUleb(b, uint64(opColumns[i].spec))
			b = appendUleb(b, uint64(len(data)))
		}
	}
	for _, data := range cols {
		b = append(b, data...)
	}
	return b
}

func (w *opWriter) finish() [numOpColumns][]byte {
	cols := [numOpColumns][]byte{
		colObjActor:    w.objActor.finish(),
		colObjCounter:  w.objCounter.finish(),
		colKeyActor:    w.keyActor.finish(),
		colKeyCounter:  w.keyCounter.rle.finish(),
		colKeyString:   w.keyString.finish(),
		colInsert:      w.insert.finish(),
		colAction:      w.action.finish(),
		colValueMeta:   w.valueMeta.finish(),
		colValue:       w.value,
		colPredCount:   w.predCount.finish(),
		colPredActor:   w.predActor.finish(),
		colPredCounter: w.predCounter.rle.finish(),
		colMarkName:    w.markName.finish(),
	}
	if w.expand.anyTrue {
		cols[colExpand] = w.expand.finish()
	}
	return cols
}
