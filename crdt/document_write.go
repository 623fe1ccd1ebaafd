package crdt

import (
	"bytes"
	"crypto/sha256"
	"sync"

	"github.com/klauspost/compress/flate"
)

// documentWriter writes a document chunk from rows and changes, both in the
// order of the document. Byte slices of rows and changes must stay unchanged
// until finish.
type documentWriter struct {
	rows      opWriter
	idActor   rleWriter
	idCounter deltaWriter

	actor, message, depCount, extraMeta rleWriter
	seq, maxOp, time, dep               deltaWriter
	extra                               []byte
}

func newDocumentWriter() *documentWriter {
	w := &documentWriter{message: rleWriter{kind: kindString}}
	w.rows.reset()
	return w
}

// addRow appends a row. Its ids refer to the ascending actor table that finish
// is going to get.
func (w *documentWriter) addRow(row *docRow) {
	w.idActor.appendUint(uint64(row.id.actor()))
	w.idCounter.append(int64(row.id.counter()))
	w.rows.appendRow(&opRow{
		action: row.action, obj: rowIDOf(row.obj), elem: rowIDOf(row.elem), isElem: row.isElem, insert: row.insert,
		expand: row.expand, hasMark: row.hasMark, key: row.key, mark: row.mark, preds: len(row.succs),
	})
	w.rows.appendValue(row.value)
	for _, succ := range row.succs {
		w.rows.appendPred(rowIDOf(succ))
	}
}

func rowIDOf(id lamport) rowID { return rowID{id.counter(), id.actor()} }

// addChange appends a change. It must come after its dependencies.
func (w *documentWriter) addChange(c *changeRow) {
	w.actor.appendUint(uint64(c.actor))
	w.seq.append(int64(c.seq))
	w.maxOp.append(int64(c.maxOp))
	w.time.append(c.time)
	if len(c.message) > 0 {
		w.message.appendRow(0, c.message)
	} else {
		w.message.appendNull()
	}
	w.depCount.appendUint(uint64(len(c.deps)))
	for _, dep := range c.deps {
		w.dep.append(int64(dep))
	}
	w.extraMeta.appendUint(uint64(len(c.extra))<<4 | uint64(ValueBytes))
	w.extra = append(w.extra, c.extra...)
}

// finish returns the chunk. Actors and heads must ascend; headRows holds the
// position of each head among the changes.
func (w *documentWriter) finish(actors []ActorID, heads []Hash, headRows []uint32) []byte {
	changes, rows := w.columns()
	data := appendUleb(nil, uint64(len(actors)))
	for _, a := range actors {
		data = appendText(data, string(a))
	}
	data = appendUleb(data, uint64(len(heads)))
	for i := range heads {
		data = append(data, heads[i][:]...)
	}
	var block []byte
	data, block = appendStoredColumns(data, block, changes[:], func(i int) uint32 { return changeColumn(i).spec() })
	data, block = appendStoredColumns(data, block, rows[:], func(i int) uint32 { return rowColumns[i].spec() })
	data = append(data, block...)
	for _, row := range headRows {
		data = appendUleb(data, uint64(row))
	}
	raw := appendChunkHeader(make([]byte, 0, maxChunkHeader+len(data)), [4]byte{}, ChunkDocument, len(data))
	raw = append(raw, data...)
	hash := sha256.Sum256(raw[hashedFrom:])
	copy(raw[4:hashedFrom], hash[:])
	return raw
}

// columns returns the contents of all columns, the rows' in the order of rowColumns.
func (w *documentWriter) columns() (changes changeData, rows [len(rowColumns)][]byte) {
	changes = changeData{
		colChangeActor:     w.actor.finish(),
		colChangeSeq:       w.seq.rle.finish(),
		colChangeMaxOp:     w.maxOp.rle.finish(),
		colChangeTime:      w.time.rle.finish(),
		colChangeMessage:   w.message.finish(),
		colChangeDepCount:  w.depCount.finish(),
		colChangeDeps:      w.dep.rle.finish(),
		colChangeExtraMeta: w.extraMeta.finish(),
		colChangeExtra:     w.extra,
	}
	ops := w.rows.finish()
	for i, col := range rowColumns {
		switch col {
		case colIDActor:
			rows[i] = w.idActor.finish()
		case colIDCounter:
			rows[i] = w.idCounter.rle.finish()
		case colSuccCount, colSuccActor, colSuccCounter:
			rows[i] = ops[colPredCount+col-colSuccCount]
		default:
			rows[i] = ops[col]
		}
	}
	return changes, rows
}

// deflateFrom is the size in bytes from which a column is deflated.
const deflateFrom = 256

// appendStoredColumns appends the metadata of columns to data, and to block what
// is stored of them.
func appendStoredColumns(data, block []byte, columns [][]byte, spec func(i int) uint32) (newData, newBlock []byte) {
	count := 0
	for _, c := range columns {
		if len(c) > 0 {
			count++
		}
	}
	data = appendUleb(data, uint64(count))
	for i, c := range columns {
		if len(c) == 0 {
			continue
		}
		s, start := spec(i), len(block)
		if len(c) < deflateFrom {
			block = append(block, c...)
		} else {
			s |= deflateBit
			block = appendDeflated(block, c)
		}
		data = appendUleb(data, uint64(s))
		data = appendUleb(data, uint64(len(block)-start))
	}
	return data, block
}

// deflateLevel is the level of klauspost/compress whose output is about as small
// as that of automerge-js; those below it give up to a fifth more.
const deflateLevel = 7

// deflater holds what deflating needs, for reuse.
type deflater struct {
	stream *flate.Writer
	out    bytes.Buffer
}

var deflaters = sync.Pool{New: func() any {
	d := &deflater{}
	var err error
	if d.stream, err = flate.NewWriter(&d.out, deflateLevel); err != nil {
		panic("deflate: " + err.Error())
	}
	return d
}}

// appendDeflated appends b to out as a raw DEFLATE stream.
func appendDeflated(out, b []byte) []byte {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.out = *bytes.NewBuffer(out)
	d.stream.Reset(&d.out)
	_, err := d.stream.Write(b)
	if err == nil {
		err = d.stream.Close()
	}
	if err != nil {
		panic("deflate into memory: " + err.Error())
	}
	out = d.out.Bytes()
	d.out = bytes.Buffer{}
	return out
}
