package crdt

import (
	"unicode/utf16"
	"unicode/utf8"
)

// OpSet is the content of one document with its whole history: every op that
// has a place in it, and which later ops overwrote or deleted it. Applying a
// change costs no more for a long history, and grows with the logarithm of the
// size of the lists that it touches.
//
// An op set is not safe for concurrent use; several readers are.
type OpSet struct {
	actors  actorTable
	heap    heap
	objects []object           // 0 is the root
	byID    map[lamport]uint32 // → index into objects, of all but the root
	entries []entry
	keys    keyTable
	succs   [][]lamport        // of rows with several successors; in order of arrival
	sums    []int64            // what increments add to a counter
	marks   map[lamport]string // names of marks by their begin
	widths  map[uint64]uint32  // of long strings in cells of texts, by position in heap
	grown   int                // bytes of lists, of rows in cells with several, of successors beyond the first, and of names of marks
	pending pendingChange      // scratch of Apply
}

// object is a map, list, text or table.
type object struct {
	id      lamport
	elem    lamport   // element of the parent that holds it, if that is a list or text
	parent  uint32    // index of the object that holds it
	entry   uint32    // entry of the parent that holds it, if that is a map
	kind    Action    // the action that made it
	entries []uint32  // of a map, in the order of their creation
	list    *sequence // of a list or text
}

func (o *object) isSequence() bool { return o.kind == ActionMakeList || o.kind == ActionMakeText }

// entry is one key of one map, with all ops that were ever made on it.
type entry struct {
	cell   cell
	key    uint64 // position in heap
	length uint32 // of key
	obj    uint32
}

// rootObject is the position of the root in OpSet.objects.
const rootObject = 0

// NewOpSet returns the content of an empty document.
func NewOpSet() *OpSet {
	return &OpSet{objects: []object{{kind: ActionMakeMap}}, keys: newKeyTable()}
}

// object returns the index of an object.
func (s *OpSet) object(id lamport) (uint32, bool) {
	if id == 0 {
		return rootObject, true
	}
	i, ok := s.byID[id]
	return i, ok
}

// addObject registers the object that an op makes. For one in a map, entry is
// set when its key is known.
func (s *OpSet) addObject(id lamport, kind Action, parent uint32, elem lamport) uint32 {
	i := uint32(len(s.objects))
	o := object{id: id, kind: kind, parent: parent, elem: elem}
	if o.isSequence() {
		o.list = newSequence(kind == ActionMakeText)
		s.grown += o.list.size()
	}
	s.objects = append(s.objects, o)
	if s.byID == nil {
		s.byID = make(map[lamport]uint32)
	}
	s.byID[id] = i
	return i
}

func (s *OpSet) keyOf(e *entry) []byte { return s.heap.get(e.key, e.length) }

// entryOf returns the index of a map's entry.
func (s *OpSet) entryOf(obj uint32, key []byte) (uint32, bool) { return s.keys.find(s, obj, key) }

// addEntry returns the index of a map's entry, which is made if there is none.
func (s *OpSet) addEntry(obj uint32, key []byte) uint32 {
	if i, ok := s.keys.find(s, obj, key); ok {
		return i
	}
	i := uint32(len(s.entries))
	s.entries = append(s.entries, entry{key: s.heap.put(key), length: uint32(len(key)), obj: obj})
	s.keys.insert(s, i)
	o := &s.objects[obj]
	o.entries = append(o.entries, i)
	return i
}

// newRow returns a row without successors, and keeps a copy of the value's bytes.
func (s *OpSet) newRow(id lamport, action Action, v Value) row {
	r := row{id: id, action: action, code: v.code, num: v.num}
	if v.raw != nil {
		r.num, r.size = s.heap.put(v.raw), uint32(len(v.raw))
	}
	return r
}

// newMarkRow returns the row of a mark's begin, or of its end if it isn't named.
func (s *OpSet) newMarkRow(id lamport, v Value, expand, named bool, name []byte) row {
	r := s.newRow(id, ActionMark, v)
	if expand {
		r.flags |= rowExpand
	}
	if named {
		r.flags |= rowNamed
		if s.marks == nil {
			s.marks = make(map[lamport]string)
		}
		s.marks[id] = string(name)
		s.grown += len(name)
	}
	return r
}

// valueOf returns the value that the op wrote: of a counter, its start. The
// bytes belong to the op set.
func (s *OpSet) valueOf(r *row) Value {
	switch r.code {
	case ValueString, ValueBytes:
	case ValueCounter:
		return Value{code: r.code, num: r.num}
	default:
		if r.code <= ValueTimestamp {
			return Value{code: r.code, num: r.num}
		}
	}
	return Value{code: r.code, raw: s.heap.get(r.num, r.size)}
}

// currentValue is valueOf with the increments of a counter.
func (s *OpSet) currentValue(r *row) Value {
	v := s.valueOf(r)
	if r.isCounter() && r.size > 0 {
		v.num += uint64(s.sums[r.size-1])
	}
	return v
}

// successors returns the ids of the ops that overwrote a row, incremented or
// deleted it, in no order. The slice is valid until the next change.
func (s *OpSet) successors(r *row) []lamport {
	switch {
	case r.has(rowManySuccs):
		return s.succs[r.succ]
	case r.succ == 0:
		return nil
	}
	return []lamport{r.succ}
}

// addRow puts a row into a cell.
func (s *OpSet) addRow(c *cell, r row) {
	const perCell, perRow = 32 + 40, 40
	before := c.many
	c.add(&s.actors, r)
	switch {
	case before != nil:
		s.grown += perRow
	case c.many != nil:
		s.grown += perCell + 2*perRow
	}
}

// addSucc notes that op by overwrote a row of a cell. operand is what it adds
// if it is an increment.
func (s *OpSet) addSucc(c *cell, pred, by lamport, increment bool, operand int64) {
	r, block := c.locate(&s.actors, pred)
	s.overwrite(c, r, block, by, increment, operand)
}

// overwrite is addSucc for a row of a cell and its block.
func (s *OpSet) overwrite(c *cell, r *row, block *rowBlock, by lamport, increment bool, operand int64) {
	const perSucc = 12
	if block != nil {
		block.met(by.counter())
	}
	switch {
	case r.has(rowManySuccs):
		s.succs[r.succ] = append(s.succs[r.succ], by)
		s.grown += perSucc
	case r.succ == 0:
		r.succ = by
	default:
		s.succs = append(s.succs, []lamport{r.succ, by})
		s.grown += 2 * perSucc
		r.succ, r.flags = lamport(len(s.succs)-1), r.flags|rowManySuccs
	}
	if !increment || !r.isCounter() {
		c.hide(r, block)
		return
	}
	if r.size == 0 {
		s.sums = append(s.sums, 0)
		r.size = uint32(len(s.sums))
	}
	s.sums[r.size-1] += operand
}

// width returns how much room an element takes in the index of its list: 1 in
// a list, the UTF-16 code units of the visible string in a text (1 for what
// isn't a string), 0 if nothing is visible.
func (s *OpSet) width(c *cell, text bool) int {
	r := c.winner()
	switch {
	case r == nil:
		return 0
	case text && r.action == ActionSet && r.code == ValueString:
		return s.stringWidth(r)
	}
	return 1
}

// longString is from how many bytes on the width of a string is kept, so that
// ops beside it don't count its characters again and again.
const longString = 256

func (s *OpSet) stringWidth(r *row) int {
	if w, ok := s.widths[r.num]; ok && r.size >= longString {
		return int(w)
	}
	w := utf16Len(s.heap.get(r.num, r.size))
	if r.size >= longString {
		if s.widths == nil {
			s.widths = make(map[uint64]uint32)
		}
		s.widths[r.num] = uint32(w)
	}
	return w
}

// utf16Len returns the number of UTF-16 code units of valid UTF-8.
func utf16Len(b []byte) int {
	n := 0
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		n += utf16.RuneLen(r)
		i += size
	}
	return n
}

// Size returns the bytes of memory that the op set holds, about.
func (s *OpSet) Size() int {
	const structs, perObject, perEntry, perID, perMark, perWidth, perActor = 400, 72, 56 + 6, 20, 48, 24, 48
	return structs + s.heap.size + s.actors.bytes + perActor*cap(s.actors.ids) +
		perObject*cap(s.objects) + perID*len(s.byID) +
		perEntry*cap(s.entries) + 4*cap(s.keys.slots) +
		8*cap(s.sums) + 24*cap(s.succs) + perMark*len(s.marks) + perWidth*len(s.widths) + s.grown
}
