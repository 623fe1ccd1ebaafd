package crdt

import (
	"math"
	"slices"
)

// row is one op that has a place in the document: every op but a deletion.
type row struct {
	id     lamport
	succ   lamport // the only successor, 0 for none; with rowManySuccs the position in OpSet.succs
	num    uint64  // number, or position of the value's bytes in OpSet.heap
	size   uint32  // bytes of the value; of a counter: position in OpSet.sums plus one, 0 before the first increment
	action Action
	code   ValueCode
	flags  rowFlags
}

type rowFlags uint8

const (
	rowHidden    rowFlags = 1 << iota // a successor hides the row
	rowManySuccs                      // succ is a position in OpSet.succs
	rowNamed                          // a mark with a name: its begin
	rowExpand                         // the expand flag of a mark
)

func (r *row) has(f rowFlags) bool { return r.flags&f != 0 }

// shown reports whether the row is a value that readers see.
func (r *row) shown() bool {
	return !r.has(rowHidden) && r.action != ActionIncrement && r.action != ActionMark
}

func (r *row) isCounter() bool { return r.action == ActionSet && r.code == ValueCounter }

// makesObject reports whether an action creates an object.
func (a Action) makesObject() bool {
	return a == ActionMakeMap || a == ActionMakeList || a == ActionMakeText || a == ActionMakeTable
}

// cell holds the rows of one map key or list element, ascending by id. The first
// row of an element is its insert op.
type cell struct {
	one  row   // the only row while many is nil; id 0 for none
	many *rows // all rows, if there were ever two
}

// rows keeps many rows in blocks, so that a row in the middle costs little.
type rows struct {
	blocks []rowBlock // none is empty
	shown  int
	top    int // no block above this one has shown rows
}

type rowBlock struct {
	rows   []row
	shown  int32  // how many of them are
	newest uint32 // no row, and no op that overwrote one, has a higher counter
}

const maxRowBlock = 64

// all yields the rows in ascending order. They must not be modified.
func (c *cell) all(yield func(*row) bool) {
	if c.many == nil {
		if c.one.id != 0 {
			yield(&c.one)
		}
		return
	}
	for i := range c.many.blocks {
		for j := range c.many.blocks[i].rows {
			if !yield(&c.many.blocks[i].rows[j]) {
				return
			}
		}
	}
}

// shownRows yields the visible values in ascending order; the last one wins.
func (c *cell) shownRows(yield func(*row) bool) { c.lastShown(c.shown(), yield) }

// lastShown yields the last n visible values, or all if there are fewer, in
// ascending order.
func (c *cell) lastShown(n int, yield func(*row) bool) {
	if c.many == nil {
		if n > 0 && c.one.id != 0 && c.one.shown() {
			yield(&c.one)
		}
		return
	}
	left, i, skip := min(n, c.many.shown), c.many.top, 0
	for skip = int(c.many.blocks[i].shown) - left; skip < 0; skip += int(c.many.blocks[i].shown) {
		i--
	}
	for ; left > 0; i++ {
		block := &c.many.blocks[i]
		if block.shown == 0 {
			continue
		}
		for j := range block.rows {
			r := &block.rows[j]
			switch {
			case !r.shown():
			case skip > 0:
				skip--
			default:
				if left--; !yield(r) {
					return
				}
			}
		}
	}
}

// shown returns how many values are visible.
func (c *cell) shown() int {
	switch {
	case c.many != nil:
		return c.many.shown
	case c.one.id != 0 && c.one.shown():
		return 1
	}
	return 0
}

// winner returns the visible value with the greatest id, nil for none.
func (c *cell) winner() *row {
	if c.many == nil {
		if c.one.id != 0 && c.one.shown() {
			return &c.one
		}
		return nil
	}
	if c.many.shown == 0 {
		return nil
	}
	for i := c.many.top; ; i-- {
		block := &c.many.blocks[i]
		if block.shown == 0 {
			continue
		}
		for j := len(block.rows) - 1; ; j-- {
			if block.rows[j].shown() {
				return &block.rows[j]
			}
		}
	}
}

// find returns the row with an id, nil for none. The pointer is valid until the
// next add; the row's visibility is changed through hide alone.
func (c *cell) find(t *actorTable, id lamport) *row {
	r, _ := c.locate(t, id)
	return r
}

// locate is find that also gives the row's block, nil for the only row.
func (c *cell) locate(t *actorTable, id lamport) (*row, *rowBlock) {
	if c.many == nil {
		if c.one.id == id && id != 0 {
			return &c.one, nil
		}
		return nil, nil
	}
	block := &c.many.blocks[c.many.blockOf(t, id)]
	i, ok := slices.BinarySearchFunc(block.rows, id, func(r row, id lamport) int { return t.compare(r.id, id) })
	if !ok {
		return nil, nil
	}
	return &block.rows[i], block
}

// blockOf returns which block holds id or would take it.
func (m *rows) blockOf(t *actorTable, id lamport) int {
	lo, hi := 0, len(m.blocks)-1
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if t.less(id, m.blocks[mid].rows[0].id) {
			hi = mid - 1
		} else {
			lo = mid
		}
	}
	return lo
}

// hide makes a row, of which locate gave the block, invisible for good.
func (c *cell) hide(r *row, block *rowBlock) {
	if block != nil && r.shown() {
		block.shown--
		c.many.shown--
		for c.many.top > 0 && c.many.blocks[c.many.top].shown == 0 {
			c.many.top--
		}
	}
	r.flags |= rowHidden
}

// add puts a row in its place. Its id must be new to the cell.
func (c *cell) add(t *actorTable, r row) {
	if c.many == nil {
		if c.one.id == 0 {
			c.one = r
			return
		}
		first := c.one
		if t.less(r.id, first.id) {
			first, r = r, first
		}
		c.many = &rows{blocks: make([]rowBlock, 1)}
		c.many.blocks[0].rows = append(make([]row, 0, 2), first, r)
		for i := range c.many.blocks[0].rows {
			c.many.count(0, &c.many.blocks[0].rows[i])
		}
		c.many.blocks[0].met(first.newest())
		c.many.blocks[0].met(r.newest())
		c.one = row{}
		return
	}
	m := c.many
	last := len(m.blocks) - 1
	if have := m.blocks[last].rows; len(have) < maxRowBlock && t.less(have[len(have)-1].id, r.id) {
		m.blocks[last].rows = append(have, r)
		m.count(last, &r)
		return
	}
	i := m.blockOf(t, r.id)
	at, _ := slices.BinarySearchFunc(m.blocks[i].rows, r.id, func(have row, id lamport) int { return t.compare(have.id, id) })
	if len(m.blocks[i].rows) == maxRowBlock {
		i, at = m.split(i, at)
	}
	m.blocks[i].rows = slices.Insert(m.blocks[i].rows, at, r)
	m.count(i, &r)
}

// newest returns a counter that no successor of the row exceeds.
func (r *row) newest() uint32 {
	if r.has(rowManySuccs) {
		return math.MaxUint32
	}
	return r.succ.counter()
}

// met notes that an op with a counter is in the block, or overwrote a row in it.
func (b *rowBlock) met(counter uint32) { b.newest = max(b.newest, counter) }

// count notes that block i got a row.
func (m *rows) count(i int, r *row) {
	m.blocks[i].met(r.id.counter())
	if r.shown() {
		m.blocks[i].shown++
		m.shown++
		m.top = max(m.top, i)
	}
}

// split makes room in the full block i for a row at position at, and returns
// where that place is then. Appending at the end of all leaves the block full,
// since most histories only grow there.
func (m *rows) split(i, at int) (block, place int) {
	half := maxRowBlock / 2
	if at == maxRowBlock && i == len(m.blocks)-1 {
		half = maxRowBlock
	}
	b := &m.blocks[i]
	tail := rowBlock{rows: slices.Clone(b.rows[half:])}
	if len(tail.rows) > 0 {
		tail.newest = b.newest
	}
	b.rows = slices.Clip(b.rows[:half])
	for j := range tail.rows {
		if tail.rows[j].shown() {
			tail.shown++
		}
	}
	b.shown -= tail.shown
	m.blocks = slices.Insert(m.blocks, i+1, tail)
	if m.top > i || m.top == i && tail.shown > 0 {
		m.top++
	}
	if at > half || half == maxRowBlock {
		return i + 1, at - half
	}
	return i, at
}
