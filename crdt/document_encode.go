package crdt

import "slices"

// changeEncoder writes the chunks of rebuilt changes. Its memory is reused.
type changeEncoder struct {
	b       *rebuilder
	w       opWriter
	single  singleColumns
	local   []uint32 // actor index in the change, of those that it names
	named   []uint32 // number of the last change that names the actor
	highest []uint32 // counter among the ops of the actor that the change refers to
	number  uint32
	others  []uint32
	buf     []byte
}

func (e *changeEncoder) init(b *rebuilder) {
	e.b = b
	n := len(b.doc.Actors)
	e.local, e.named, e.highest = make([]uint32, n), make([]uint32, n), make([]uint32, n)
}

// encode writes c, whose ops are in e.b.ops, and sets its other actors and its
// bytes. Checksum and hash are left open.
func (e *changeEncoder) encode(author uint32, c *DocumentChange) {
	e.nameActors(author)
	c.OtherActors, c.OtherOps = c.OtherActors[:0], c.OtherOps[:0]
	for _, a := range e.others {
		c.OtherActors = append(c.OtherActors, e.b.doc.Actors[a])
		c.OtherOps = append(c.OtherOps, e.highest[a])
	}
	buf := append(e.buf[:0], make([]byte, maxChunkHeader)...)
	buf = appendUleb(buf, uint64(len(c.Deps)))
	for i := range c.Deps {
		buf = append(buf, c.Deps[i][:]...)
	}
	buf = appendText(buf, string(c.Actor))
	buf = appendUleb(buf, uint64(c.Seq))
	buf = appendUleb(buf, uint64(c.StartOp))
	buf = appendSleb(buf, c.Time)
	buf = appendUleb(buf, uint64(len(c.Message)))
	buf = append(buf, c.Message...)
	buf = appendUleb(buf, uint64(len(c.OtherActors)))
	for _, a := range c.OtherActors {
		buf = appendText(buf, string(a))
	}
	buf = e.appendOps(buf)
	e.buf = append(buf, c.Extra...)

	length := len(e.buf) - maxChunkHeader
	start := maxChunkHeader - hashedFrom - 1 - ulebLen(uint64(length))
	appendChunkHeader(e.buf[start:start], [4]byte{}, ChunkChange, length)
	c.Raw = e.buf[start:]
}

// nameActors numbers the actors that the change names.
func (e *changeEncoder) nameActors(author uint32) {
	e.number++
	e.others = e.others[:0]
	e.local[author], e.named[author] = 0, e.number
	for i := range e.b.ops {
		op := &e.b.ops[i]
		e.name(e.b.objects.at(int(op.object)).id)
		if op.is(opIsElem) {
			e.name(lamport(op.key))
		}
		for _, pred := range op.preds {
			e.name(e.b.pred(pred))
		}
	}
	slices.Sort(e.others)
	for i, a := range e.others {
		e.local[a] = uint32(i) + 1
	}
}

func (e *changeEncoder) name(id lamport) {
	if id == 0 {
		return
	}
	a := id.actor()
	if e.named[a] != e.number {
		e.named[a], e.highest[a] = e.number, 0
		e.others = append(e.others, a)
	}
	e.highest[a] = max(e.highest[a], id.counter())
}

// appendOps appends the columns of the ops.
func (e *changeEncoder) appendOps(buf []byte) []byte {
	var row opRow
	if len(e.b.ops) == 1 && len(e.b.ops[0].preds) <= 1 {
		e.single.reset()
		e.appendSingle(e.readOp(&e.b.ops[0], &row), &row)
		return e.single.appendTo(buf)
	}
	e.w.reset()
	for i := range e.b.ops {
		op := &e.b.ops[i]
		payload := e.readOp(op, &row)
		e.w.appendRow(&row)
		e.w.appendPayload(op.code, payload)
		for _, pred := range op.preds {
			e.w.appendPred(e.id(e.b.pred(pred)))
		}
	}
	return e.w.appendColumns(buf)
}

// readOp sets row to what op says, but for the value, whose payload it returns.
func (e *changeEncoder) readOp(op *changeOp, row *opRow) (payload []byte) {
	row.action, row.preds = op.action, len(op.preds)
	row.insert, row.expand, row.isElem, row.hasMark = op.is(opIsInsert), op.is(opIsExpand), op.is(opIsElem), op.is(opIsNamed)
	row.obj = e.id(e.b.objects.at(int(op.object)).id)
	if row.isElem {
		row.elem = e.id(lamport(op.key))
	} else {
		at, length := op.key>>32, op.key&0xffffffff
		row.key = e.b.doc.rows[colKeyString][at : at+length]
	}
	if row.hasMark {
		row.mark = e.b.table.name(op.row)
	}
	return e.b.doc.rows[colValue][op.value : op.value+op.length]
}

func (e *changeEncoder) id(id lamport) rowID {
	if id == 0 {
		return rowID{}
	}
	return rowID{id.counter(), e.local[id.actor()]}
}

// appendSingle writes the columns of a change with one op and at most one pred,
// as most changes are: each is one literal. It gives what opWriter would.
func (e *changeEncoder) appendSingle(payload []byte, row *opRow) {
	op, s := &e.b.ops[0], &e.single
	if row.obj.counter != 0 {
		s.number(colObjActor, uint64(row.obj.actor))
		s.number(colObjCounter, uint64(row.obj.counter))
	}
	if row.isElem {
		if row.elem.counter != 0 {
			s.number(colKeyActor, uint64(row.elem.actor))
		}
		s.signed(colKeyCounter, int64(row.elem.counter))
	} else {
		s.text(colKeyString, row.key)
	}
	s.boolean(colInsert, row.insert)
	s.number(colAction, uint64(row.action))
	s.number(colValueMeta, uint64(len(payload))<<4|uint64(op.code))
	if len(payload) > 0 {
		s.data = append(s.data, payload...)
		s.end(colValue)
	}
	s.number(colPredCount, uint64(row.preds))
	for _, at := range op.preds {
		pred := e.id(e.b.pred(at))
		s.number(colPredActor, uint64(pred.actor))
		s.signed(colPredCounter, int64(pred.counter))
	}
	if row.expand {
		s.boolean(colExpand, true)
	}
	if row.hasMark {
		s.text(colMarkName, row.mark)
	}
}

// singleColumns collects columns of one row, in the order of their specifications.
type singleColumns struct {
	count      byte
	meta, data []byte
	ended      int // bytes of data that belong to ended columns
}

// literalOfOne is the head of an RLE record that holds one value.
const literalOfOne = 0x7f

func (s *singleColumns) reset() { *s = singleColumns{meta: s.meta[:0], data: s.data[:0]} }

func (s *singleColumns) end(col opColumn) {
	s.meta = appendUleb(s.meta, uint64(opColumns[col].spec))
	s.meta = appendUleb(s.meta, uint64(len(s.data)-s.ended))
	s.ended = len(s.data)
	s.count++
}

func (s *singleColumns) number(col opColumn, v uint64) {
	s.data = appendUleb(append(s.data, literalOfOne), v)
	s.end(col)
}

func (s *singleColumns) signed(col opColumn, v int64) {
	s.data = appendSleb(append(s.data, literalOfOne), v)
	s.end(col)
}

func (s *singleColumns) text(col opColumn, v []byte) {
	s.data = appendUleb(append(s.data, literalOfOne), uint64(len(v)))
	s.data = append(s.data, v...)
	s.end(col)
}

func (s *singleColumns) boolean(col opColumn, v bool) {
	if v {
		s.data = append(s.data, 0)
	}
	s.data = append(s.data, 1)
	s.end(col)
}

func (s *singleColumns) appendTo(buf []byte) []byte {
	buf = append(buf, s.count)
	buf = append(buf, s.meta...)
	return append(buf, s.data...)
}
