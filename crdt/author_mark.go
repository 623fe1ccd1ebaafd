package crdt

import (
	"fmt"
	"unicode/utf8"
)

// Expand says whether text that is typed at the border of a mark joins it.
type Expand uint8

// Values of Expand. The zero value is the default of automerge-js.
const (
	ExpandAfter  Expand = iota // at the end
	ExpandBefore               // at the start
	ExpandBoth
	ExpandNone
)

// Mark gives a range of a text, in UTF-16 code units, a mark: a name with a
// scalar value. Where marks with one name overlap, the last one written counts.
func (tx *Tx) Mark(text OpID, start, end int, name string, value any, expand Expand) error {
	v, err := scalarOf(value)
	if err == nil {
		err = tx.mark(text, start, end, name, v, expand)
	}
	if err != nil {
		return fmt.Errorf("mark %q: %w", name, err)
	}
	return nil
}

// Unmark takes the marks with a name away from a range of a text.
func (tx *Tx) Unmark(text OpID, start, end int, name string, expand Expand) error {
	if err := tx.mark(text, start, end, name, NullValue(), expand); err != nil {
		return fmt.Errorf("unmark %q: %w", name, err)
	}
	return nil
}

func (tx *Tx) mark(text OpID, start, end int, name string, v Value, expand Expand) error {
	o, err := tx.listObject(text, true)
	if err == nil {
		err = o.list.checkRange(start, end-start)
	}
	if err == nil && !utf8.ValidString(name) {
		err = errNotUTF8
	}
	if err != nil {
		return err
	}
	if start == end && expand == ExpandNone {
		return nil // it would never have any text
	}
	start, end = o.list.boundary(start), o.list.boundary(end)
	a := o.list.anchor(start)
	begin := Op{
		Action: ActionMark, Obj: o.id, Key: ElemKey(a.ref), Insert: true, Value: v,
		HasMarkName: true, MarkName: name, Expand: expand == ExpandBefore || expand == ExpandBoth,
	}
	b := tx.insertMark(o, a, begin)
	a = o.list.anchor(end)
	if start == end {
		a = b
	}
	tx.insertMark(o, a, Op{
		Action: ActionMark, Obj: o.id, Key: ElemKey(a.ref), Insert: true,
		Expand: expand == ExpandAfter || expand == ExpandBoth,
	})
	return tx.broken
}

// insertMark writes one end of a mark and returns where to insert after it.
func (tx *Tx) insertMark(o *txObject, a anchor, op Op) anchor {
	id := tx.add(op)
	if tx.broken != nil {
		return a
	}
	o.list.marked = true
	at := o.list.insertPiece(a.position, []txElement{{id: id}})
	return anchor{at, id}
}

// SplitBlock inserts a block marker, a map, into a text and returns its id. To
// join blocks, delete the marker: it takes one code unit.
func (tx *Tx) SplitBlock(text OpID, index int, block map[string]any) (OpID, error) {
	o, err := tx.listObject(text, true)
	if err == nil {
		err = o.list.checkRange(index, 0)
	}
	if err != nil {
		return OpID{}, fmt.Errorf("split block: %w", err)
	}
	before := len(tx.ops)
	made, err := tx.insertValues(o, o.list.anchor(o.list.boundary(index)), []any{block})
	if err == nil {
		err = tx.fill(made...)
	}
	if err != nil {
		return OpID{}, fmt.Errorf("split block: %w", err)
	}
	return tx.ops[before].ID, nil
}

// pastMarks moves an insertion point past the ends of marks that stand before
// the next visible element, as their expand flags ask for: to the last place
// after a begin that expands or an end that doesn't. Places inside a mark that
// begins there, expanding, and ends there are left out.
func (l *txList) pastMarks(a anchor) anchor {
	w := markWalk{candidates: []markAnchor{{anchor: a}}}
	at := a.position
	for ; at.block < len(l.blocks); at = (position{block: at.block + 1}) {
		pieces := l.blocks[at.block].pieces
		for ; at.piece < len(pieces); at = (position{at.block, at.piece + 1, 0}) {
			if !l.walkPiece(&w, at, &pieces[at.piece]) {
				return w.last()
			}
		}
	}
	return w.last()
}

// walkPiece looks at the invisible elements from a position to the end of its
// piece, and reports whether it met no visible one.
func (l *txList) walkPiece(w *markWalk, at position, p *piece) bool {
	if p.own == nil {
		return l.walkBase(w, at, p)
	}
	for ; at.off < len(p.own); at.off++ {
		e := &p.own[at.off]
		if e.width > 0 {
			return false
		}
		if op := l.tx.opOf(e.id); e.shown == nil && op.Action == ActionMark {
			after := anchor{position{at.block, at.piece, at.off + 1}, e.id}
			w.visit(after, op.HasMarkName, op.Expand)
		}
	}
	return true
}

// markWalk collects where an element may be inserted.
type markWalk struct{ candidates []markAnchor }

type markAnchor struct {
	anchor
	begin bool // after the begin of a mark
}

func (w *markWalk) visit(after anchor, begin, expand bool) {
	if !begin {
		for i, c := range w.candidates {
			if c.begin && c.ref == (OpID{after.ref.Counter - 1, after.ref.Actor}) {
				w.candidates = w.candidates[:i]
				return
			}
		}
	}
	if begin == expand {
		w.candidates = append(w.candidates, markAnchor{after, begin})
	}
}

func (w *markWalk) last() anchor { return w.candidates[len(w.candidates)-1].anchor }

// firstRow returns the row with the least id, of an element the insert op.
func firstRow(c *cell) *row {
	for r := range c.all {
		return r
	}
	return nil
}
