package crdt

import (
	"cmp"
	"math/bits"
	"slices"
)

// documentOp is a row of a document, or a deletion that successors tell of.
type documentOp struct {
	id     lamport
	key    uint64 // element as a lamport, or place of the string: offset<<32 | length in the key column
	object uint32 // position in rowOrder.objects
	value  uint32 // offset in the value column
	length uint32 // of the value
	action Action
	flags  uint8 // of the opIs... constants
	code   ValueCode
}

const (
	opIsElem uint8 = 1 << iota
	opIsInsert
	opIsExpand
	opIsNamed // has a mark name
)

func (op *documentOp) is(flag uint8) bool { return op.flags&flag != 0 }

// target returns the key or element that the op is about, in the form of op.key.
func (op *documentOp) target() uint64 {
	if op.is(opIsInsert) {
		return uint64(op.id)
	}
	return op.key
}

// succession says that a row has a successor.
type succession struct {
	succ lamport
	row  uint32 // position in opTable.rows
}

// markName is the name of a mark that a row begins.
type markName struct {
	row  uint32
	name []byte // aliases the column
}

// opTable holds the rows of a document and finds them by id.
type opTable struct {
	rows  blocks[documentOp]
	succs blocks[succession]
	names []markName // ascending by row

	byID   []uint32 // positions in rows, ascending by actor, then counter
	bySucc []uint32 // positions in succs, ascending by actor, then counter, then row
	ranges []opRange
}

// opRange is where an actor's part of opTable.byID and opTable.bySucc begins and ends.
type opRange struct {
	row, rowEnd   uint32
	succ, succEnd uint32
}

// add keeps the row that r has just read.
func (t *opTable) add(r *rowReader, d *DocumentChunk) {
	row := &r.row
	op := t.rows.add()
	*op = documentOp{
		id: row.id, object: uint32(r.order.objects.len() - 1),
		action: row.action, code: row.value.code, length: uint32(r.valueSize),
	}
	op.value = uint32(len(d.rows[colValue])-len(r.ops.value)) - op.length
	if row.isElem {
		op.key, op.flags = uint64(row.elem), opIsElem
	} else {
		// The reader stands behind the string, of which a run has one copy.
		after := len(d.rows[colKeyString]) - len(r.ops.keyString.rest)
		op.key = uint64(after-len(row.key))<<32 | uint64(len(row.key))
	}
	if row.insert {
		op.flags |= opIsInsert
	}
	if row.expand {
		op.flags |= opIsExpand
	}
	at := uint32(t.rows.len() - 1)
	if row.hasMark {
		op.flags |= opIsNamed
		t.names = append(t.names, markName{at, row.mark})
	}
	for _, s := range row.succs {
		*t.succs.add() = succession{s, at}
	}
}

// index sorts rows and successors by id, once all are there.
func (t *opTable) index(actors int) error {
	t.ranges = make([]opRange, actors)
	t.byID = sortByID(t.rows.len(), func(i uint32) lamport { return t.rows.at(int(i)).id })
	t.bySucc = sortByID(t.succs.len(), func(i uint32) lamport { return t.succs.at(int(i)).succ })
	last := lamport(0)
	for i, at := range t.byID {
		id := t.rows.at(int(at)).id
		if id == last {
			return refuse(ReasonBadDocument, "two rows have the id %d", id.counter())
		}
		r := &t.ranges[id.actor()]
		if r.rowEnd == 0 {
			r.row = uint32(i)
		}
		r.rowEnd, last = uint32(i)+1, id
	}
	for i, at := range t.bySucc {
		r := &t.ranges[t.succs.at(int(at)).succ.actor()]
		if r.succEnd == 0 {
			r.succ = uint32(i)
		}
		r.succEnd = uint32(i) + 1
	}
	return nil
}

// of returns an actor's parts of byID and bySucc.
func (t *opTable) of(actor uint32) (rows, succs []uint32) {
	r := t.ranges[actor]
	return t.byID[r.row:r.rowEnd], t.bySucc[r.succ:r.succEnd]
}

// find returns the position of the row with an id, false if there is none.
func (t *opTable) find(id lamport) (at uint32, ok bool) {
	own, _ := t.of(id.actor())
	i, ok := slices.BinarySearchFunc(own, id, func(at uint32, id lamport) int {
		return cmp.Compare(t.rows.at(int(at)).id, id)
	})
	if !ok {
		return 0, false
	}
	return own[i], true
}

// beginsBefore reports whether the mark that a row ends begins before it in the
// same object.
func (t *opTable) beginsBefore(end uint32) bool {
	op := t.rows.at(int(end))
	at, ok := t.find(op.id.plus(-1))
	if !ok || at > end {
		return false
	}
	begin := t.rows.at(int(at))
	return begin.action == ActionMark && begin.is(opIsNamed) && begin.object == op.object
}

// name returns the name of the mark that a row begins.
func (t *opTable) name(row uint32) []byte {
	i, _ := slices.BinarySearchFunc(t.names, row, func(n markName, row uint32) int { return cmp.Compare(n.row, row) })
	return t.names[i].name
}

// sortByID returns the positions 0 to n-1 sorted by actor, then counter; those
// with equal ids stay in order. It is a radix sort by bytes.
func sortByID(n int, id func(i uint32) lamport) []uint32 {
	order, spare := make([]uint32, n), make([]uint32, n)
	all := uint64(0) // bits in use
	for i := range order {
		order[i] = uint32(i)
		v := uint64(id(uint32(i)))
		all |= v>>32 | v<<32
	}
	for shift := 0; shift < bits.Len64(all); shift += 8 {
		if all>>shift&0xff == 0 {
			continue
		}
		var starts [257]uint32
		for _, i := range order {
			v := bits.RotateLeft64(uint64(id(i)), 32)
			starts[v>>shift&0xff+1]++
		}
		for d := range 256 {
			starts[d+1] += starts[d]
		}
		for _, i := range order {
			d := bits.RotateLeft64(uint64(id(i)), 32) >> shift & 0xff
			spare[starts[d]] = i
			starts[d]++
		}
		order, spare = spare, order
	}
	return order
}
