package crdt

import "slices"

// txList is a list or text as a transaction sees it: pieces of the op set's
// list, and elements that the transaction inserted or changed between them.
// Pieces are kept in blocks, so that many edits of one list stay cheap.
type txList struct {
	tx     *Tx
	base   *sequence // nil if the transaction makes the list
	text   bool
	marked bool // the transaction marked something in it
	width  int
	blocks []pieceBlock // at least one
}

type pieceBlock struct {
	width  int
	pieces []piece
}

// piece is a part of the op set's list, or elements of the transaction.
type piece struct {
	width    int // 0: nothing of it is visible
	from, to int // ranks in the op set's list: how many elements stand before
	at       int // visible width before from in the op set's list
	own      []txElement
}

// txElement is an element that the transaction inserted or changed.
type txElement struct {
	id    OpID
	width int
	shown []Item // its visible values; nil: the op that inserted it
}

const (
	maxPieces = 128 // in a block
	maxOwn    = 256 // elements in a piece
)

func newTxList(tx *Tx, o *txObject) *txList {
	l := &txList{tx: tx, text: o.kind == ActionMakeText, blocks: make([]pieceBlock, 1)}
	if o.own {
		return l
	}
	l.base = tx.s.objects[o.index].list
	if n := l.base.length(); n > 0 {
		l.width = l.base.width()
		l.blocks[0] = pieceBlock{l.width, []piece{{width: l.width, to: n}}}
	}
	return l
}

// position is a place between two elements: before element off of a piece,
// which may be the end of the piece.
type position struct{ block, piece, off int }

// anchor is where to insert: a position and the element before it, the zero id
// at the front.
type anchor struct {
	position
	ref OpID
}

// spot is a visible element and its place.
type spot struct {
	position
	id    OpID
	start int // its first index
	width int
	shown []Item

	// Set by from: how many elements of the op set's list, seen or not, stand in
	// pieces before this one.
	behind int
}

// find returns the visible element that covers an index, which must be below the width.
func (l *txList) find(index int) spot {
	var f spot
	for l.blocks[f.block].width <= index-f.start {
		f.start += l.blocks[f.block].width
		f.block++
	}
	pieces := l.blocks[f.block].pieces
	for pieces[f.piece].width <= index-f.start {
		f.start += pieces[f.piece].width
		f.piece++
	}
	p := &pieces[f.piece]
	if p.own == nil {
		l.findInBase(&f, p, index)
		return f
	}
	for p.own[f.off].width <= index-f.start {
		f.start += p.own[f.off].width
		f.off++
	}
	e := &p.own[f.off]
	f.id, f.width, f.shown = e.id, e.width, l.shown(e)
	return f
}

func (l *txList) findInBase(f *spot, p *piece, index int) {
	e, start, _ := l.base.at(p.at + index - f.start)
	f.start += start - p.at
	f.id, f.width = l.tx.s.actors.opID(e.id), e.width
	f.off = l.base.rank(e.id) - p.from
	if e.simple {
		f.shown = []Item{{f.id, KindScalar, e.value}}
	} else {
		f.shown = l.tx.s.shownItems(e.cell)
	}
}

// shown returns the visible values of an element of the transaction.
func (l *txList) shown(e *txElement) []Item {
	if e.shown != nil {
		return e.shown
	}
	op := l.tx.opOf(e.id)
	return []Item{{e.id, op.Action.kind(), op.Value}}
}

// boundary moves an index inside an element to the end of that element.
func (l *txList) boundary(index int) int {
	if index == 0 || index == l.width || !l.text {
		return index
	}
	f := l.find(index - 1)
	return f.start + f.width
}

// anchor returns where to insert an element that is to stand at an index.
func (l *txList) anchor(index int) anchor {
	a := l.behind(index)
	if l.marked || len(l.tx.s.marks) > 0 {
		return l.pastMarks(a)
	}
	return a
}

// behind returns the place right behind the visible element before an index.
func (l *txList) behind(index int) anchor {
	if index == 0 {
		return anchor{}
	}
	f := l.find(index - 1)
	a := anchor{f.position, f.id}
	a.off++
	return a
}

// insert puts elements at a position.
func (l *txList) insert(at position, elements []txElement) {
	for len(elements) > 0 {
		n := min(len(elements), maxOwn)
		at = l.insertPiece(at, elements[:n])
		elements = elements[n:]
	}
}

// insertPiece puts up to maxOwn elements at a position, and returns the
// position after them.
func (l *txList) insertPiece(at position, elements []txElement) position {
	width := 0
	for i := range elements {
		width += elements[i].width
	}
	l.width += width
	b := &l.blocks[at.block]
	b.width += width
	i := b.cut(l, at)
	if i > 0 && b.pieces[i-1].own != nil && len(b.pieces[i-1].own)+len(elements) <= maxOwn {
		p := &b.pieces[i-1]
		p.own = append(p.own, elements...)
		p.width += width
		return position{at.block, i - 1, len(p.own)}
	}
	b.pieces = slices.Insert(b.pieces, i, piece{width: width, own: slices.Clone(elements)})
	return l.tidy(position{at.block, i, len(elements)})
}

// remove makes a visible element invisible.
func (l *txList) remove(f spot) {
	l.resize(f, -f.width)
	b := &l.blocks[f.block]
	if p := &b.pieces[f.piece]; p.own != nil {
		p.own = slices.Delete(p.own, f.off, f.off+1)
		if len(p.own) == 0 {
			b.pieces = slices.Delete(b.pieces, f.piece, f.piece+1)
		}
		return
	}
	before, after := l.around(f)
	hidden := piece{from: before.to, to: after.from}
	if before.width == 0 {
		hidden.from, before.to = before.from, before.from
	}
	if after.width == 0 {
		hidden.to, after.from = after.to, after.to
	}
	l.put(f, before, hidden, after)
}

// replace gives a visible element new values.
func (l *txList) replace(f spot, shown []Item) {
	e := txElement{id: f.id, shown: shown, width: l.widthOf(shown[len(shown)-1])}
	l.resize(f, e.width-f.width)
	if p := &l.blocks[f.block].pieces[f.piece]; p.own != nil {
		p.own[f.off] = e
		return
	}
	before, after := l.around(f)
	l.put(f, before, piece{width: e.width, own: []txElement{e}}, after)
}

// resize changes the widths above an element.
func (l *txList) resize(f spot, by int) {
	l.width += by
	l.blocks[f.block].width += by
	if p := &l.blocks[f.block].pieces[f.piece]; p.own != nil {
		p.width += by
	}
}

// around returns what stands before and after an element of the op set's list
// in its piece; either may be without elements.
func (l *txList) around(f spot) (before, after piece) {
	p := l.blocks[f.block].pieces[f.piece]
	start := l.base.widthBefore(p.from + f.off)
	before = piece{from: p.from, to: p.from + f.off, at: p.at, width: start - p.at}
	after = piece{from: before.to + 1, to: p.to, at: start + f.width, width: p.width - before.width - f.width}
	return before, after
}

// put replaces a piece by those of others that have elements. Neighbouring
// pieces of which nothing is visible become one.
func (l *txList) put(f spot, others ...piece) {
	b := &l.blocks[f.block]
	i := f.piece
	b.pieces = slices.Delete(b.pieces, i, i+1)
	for _, p := range others {
		switch {
		case p.own == nil && p.from == p.to:
		case i > 0 && p.hidden() && b.pieces[i-1].hidden() && b.pieces[i-1].to == p.from:
			b.pieces[i-1].to = p.to
		default:
			b.pieces = slices.Insert(b.pieces, i, p)
			i++
		}
	}
	l.tidy(f.position)
}

// hidden reports whether the piece is of the op set's list and invisible.
func (p *piece) hidden() bool { return p.own == nil && p.width == 0 }

// cut makes a position a border between pieces, and returns the index of the
// piece after it.
func (b *pieceBlock) cut(l *txList, at position) int {
	if len(b.pieces) == 0 || at.off == 0 {
		return at.piece
	}
	p := &b.pieces[at.piece]
	var left, right piece
	switch {
	case p.own == nil && at.off == p.to-p.from, p.own != nil && at.off == len(p.own):
		return at.piece + 1
	case p.own == nil:
		rank := p.from + at.off
		left, right = *p, *p
		left.to, right.from = rank, rank
		if p.width > 0 {
			right.at = l.base.widthBefore(rank)
			left.width = right.at - p.at
			right.width = p.width - left.width
		}
	default:
		left.own, right.own = p.own[:at.off:at.off], p.own[at.off:]
		for i := range left.own {
			left.width += left.own[i].width
		}
		right.width = p.width - left.width
	}
	*p = left
	b.pieces = slices.Insert(b.pieces, at.piece+1, right)
	return at.piece + 1
}

// tidy splits a block that has become too long, and returns where a position in
// it is then. Empty blocks stay; they are rare and cost nothing.
func (l *txList) tidy(at position) position {
	b := &l.blocks[at.block]
	if len(b.pieces) <= maxPieces {
		return at
	}
	const half = maxPieces / 2
	tail := pieceBlock{pieces: slices.Clone(b.pieces[half:])}
	for i := range tail.pieces {
		tail.width += tail.pieces[i].width
	}
	b.width -= tail.width
	b.pieces = slices.Clip(b.pieces[:half])
	l.blocks = slices.Insert(l.blocks, at.block+1, tail)
	if at.piece >= half {
		return position{at.block + 1, at.piece - half, at.off}
	}
	return at
}

// widthOf returns the room that a value takes in the index.
func (l *txList) widthOf(item Item) int {
	if l.text && item.Kind == KindScalar && item.Value.code == ValueString {
		return utf16Len(item.Value.raw)
	}
	return 1
}
