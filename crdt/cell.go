package crdt

import "slices"

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
}

type rowBlock struct {
	rows  []row
	shown int // how many of them are
}

const maxRowBlock = 64

func (c *cell) len() int {
	switch {
	case c.many != nil:
		n := 0
		for i := range c.many.blocks {
			n += len(c.many.blocks[i].rows)
		}
		return n
	case c.one.id != 0:
		return 1
	}
	return 0
}

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
func (c *cell) shownRows(yield func(*row) bool) {
	if c.many == nil {
		if c.one.id != 0 && c.one.shown() {
			yield(&c.one)
		}
		return
	}
	left := c.many.shown
	for i := 0; i < len(c.many.blocks) && left > 0; i++ {
		block := &c.many.blocks[i]
		if block.shown == 0 {
			continue
		}
		left -= block.shown
		for j := range block.rows {
			if block.rows[j].shown() && !yield(&block.rows[j]) {
				return
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
	for i := len(c.many.blocks) - 1; ; i-- {
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
	block := c.many.blockOf(t, id)
	i, ok := slices.BinarySearchFunc(block.rows, id, func(r row, id lamport) int { return t.compare(r.id, id) })
	if !ok {
		return nil, nil
	}
	return &block.rows[i], block
}

// blockOf returns the block that holds id or would take it.
func (m *rows) blockOf(t *actorTable, id lamport) *rowBlock {
	lo, hi := 0, len(m.blocks)-1
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if t.less(id, m.blocks[mid].rows[0].id) {
			hi = mid - 1
		} else {
			lo = mid
		}
	}
	return &m.blocks[lo]
}

// hide makes a row, of which locate gave the block, invisible for good.
func (c *cell) hide(r *row, block *rowBlock) {
	if block != nil && r.shown() {
		block.shown--
		c.many.shown--
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
			c.many.count(&c.many.blocks[0], &c.many.blocks[0].rows[i])
		}
		c.one = row{}
		return
	}
	m := c.many
	block := &m.blocks[len(m.blocks)-1]
	if n := len(block.rows); n < maxRowBlock && t.less(block.rows[n-1].id, r.id) {
		block.rows = append(block.rows, r)
		m.count(block, &r)
		return
	}
	block = m.blockOf(t, r.id)
	at, _ := slices.BinarySearchFunc(block.rows, r.id, func(have row, id lamport) int { return t.compare(have.id, id) })
	if len(block.rows) == maxRowBlock {
		block, at = m.split(block, at)
	}
	block.rows = slices.Insert(block.rows, at, r)
	m.count(block, &r)
}

func (m *rows) count(block *rowBlock, r *row) {
	if r.shown() {
		block.shown++
		m.shown++
	}
}

// split makes room in a full block for a row at position at, and returns where
// that place is then. Appending at the end leaves the block full, since most
// histories only grow there.
func (m *rows) split(block *rowBlock, at int) (*rowBlock, int) {
	i := 0
	for &m.blocks[i] != block {
		i++
	}
	half := maxRowBlock / 2
	if at == maxRowBlock {
		half = maxRowBlock
	}
	tail := rowBlock{rows: slices.Clone(block.rows[half:])}
	block.rows = slices.Clip(block.rows[:half])
	for j := range tail.rows {
		if tail.rows[j].shown() {
			tail.shown++
		}
	}
	block.shown -= tail.shown
	m.blocks = slices.Insert(m.blocks, i+1, tail)
	if at > half || half == maxRowBlock {
		return &m.blocks[i+1], at - half
	}
	return &m.blocks[i], at
}
