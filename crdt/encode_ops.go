package crdt

// opWriter writes ops into columns.
type opWriter struct {
	author ActorID
	index  map[ActorID]uint64 // of the other actors

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
	w.index = make(map[ActorID]uint64, len(others))
	for i, a := range others {
		w.index[a] = uint64(i) + 1
	}
	w.keyString.kind, w.markName.kind = kindString, kindString
	w.keyCounter.rle.kind, w.predCounter.rle.kind = kindSleb, kindSleb
}

func (w *opWriter) actor(a ActorID) uint64 {
	if a == w.author {
		return 0
	}
	return w.index[a]
}

func (w *opWriter) append(op *Op) {
	w.action.appendUint(uint64(op.Action))
	w.insert.append(op.Insert)
	w.appendObject(op.Obj)
	w.appendKey(op.Key)
	start := len(w.value)
	w.value = op.Value.appendPayload(w.value)
	w.valueMeta.appendUint(uint64(len(w.value)-start)<<4 | uint64(op.Value.code))
	w.predCount.appendUint(uint64(len(op.Preds)))
	for _, pred := range op.Preds {
		w.predActor.appendUint(w.actor(pred.Actor))
		w.predCounter.append(int64(pred.Counter))
	}
	w.expand.append(op.Expand)
	if op.HasMarkName {
		w.markName.appendString(op.MarkName)
	} else {
		w.markName.appendNull()
	}
}

func (w *opWriter) appendObject(obj OpID) {
	if obj.IsZero() {
		w.objActor.appendNull()
		w.objCounter.appendNull()
		return
	}
	w.objActor.appendUint(w.actor(obj.Actor))
	w.objCounter.appendUint(uint64(obj.Counter))
}

func (w *opWriter) appendKey(key Key) {
	if !key.IsElem {
		w.keyActor.appendNull()
		w.keyCounter.rle.appendNull()
		w.keyString.appendString(key.Name)
		return
	}
	w.keyString.appendNull()
	w.keyCounter.append(int64(key.Elem.Counter))
	if key.Elem.IsZero() {
		w.keyActor.appendNull()
	} else {
		w.keyActor.appendUint(w.actor(key.Elem.Actor))
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
