package crdt

import "slices"

// changeEncoder writes the chunks of rebuilt changes. Its memory is reused.
type changeEncoder struct {
	b       *rebuilder
	w       opWriter
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
	e.w.reset()
	for i := range e.b.ops {
		e.appendOp(&e.b.ops[i])
	}
	buf = e.w.appendColumns(buf)
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

func (e *changeEncoder) appendOp(op *changeOp) {
	row := opRow{
		action: op.action, insert: op.is(opIsInsert), expand: op.is(opIsExpand), isElem: op.is(opIsElem), hasMark: op.is(opIsNamed),
		obj: e.id(e.b.objects.at(int(op.object)).id), preds: len(op.preds),
	}
	if row.isElem {
		row.elem = e.id(lamport(op.key))
	} else {
		at, length := op.key>>32, op.key&0xffffffff
		row.key = e.b.doc.rows[colKeyString][at : at+length]
	}
	if row.hasMark {
		row.mark = e.b.table.name(op.row)
	}
	e.w.appendRow(&row)
	e.w.appendPayload(op.code, e.b.doc.rows[colValue][op.value:op.value+op.length])
	for _, pred := range op.preds {
		e.w.appendPred(e.id(e.b.pred(pred)))
	}
}

func (e *changeEncoder) id(id lamport) rowID {
	if id == 0 {
		return rowID{}
	}
	return rowID{id.counter(), e.local[id.actor()]}
}
