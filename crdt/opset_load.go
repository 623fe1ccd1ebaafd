package crdt

import (
	"bytes"
	"errors"
)

// rowSource yields the op rows of a document in its order, with ids that
// compare as numbers. It can be asked again.
type rowSource func(yield func(*docRow) error) error

// loadOpSet builds the content of a document from its rows. The source has
// checked their form and their order, and that every successor is an op of the
// same key or element; objects, kinds and marks are checked here.
func loadOpSet(actors []ActorID, source rowSource) (*OpSet, error) {
	s, err := buildOpSet(actors, source, nil)
	if errors.Is(err, errMadeLater) {
		made := make(map[lamport]Action)
		if err := source(func(r *docRow) error {
			if r.action.makesObject() {
				made[r.id] = r.action
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if s, err = buildOpSet(actors, source, made); err == nil {
			err = s.checkNesting()
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkNesting refuses objects that hold each other or that no op makes.
func (s *OpSet) checkNesting() error {
	met := make([]uint32, len(s.objects)) // the number of the walk that met an object
	for n := 1; n < len(s.objects); n++ {
		at := uint32(n)
		for at != rootObject && met[at] == 0 {
			met[at] = uint32(n)
			at = s.objects[at].parent
			if met[at] == uint32(n) {
				return refuse(ReasonBadOp, "op %d makes an object inside itself", s.objects[n].id.counter())
			}
		}
	}
	return nil
}

// errMadeLater says that an object's rows stand before the op that makes it,
// as when a change wrote them in that order.
var errMadeLater = errors.New("object is made later")

type opSetLoader struct {
	*OpSet
	made map[lamport]Action // nil = not known beforehand

	obj     uint32
	in      lamport // id of obj
	builder *sequenceBuilder
	begins  map[lamport]bool // marks that began in the current list

	// The key or element whose rows are being read.
	entry  uint32
	hasKey bool
	elem   docRow // insert op of the element; id 0 for none
	simple bool   // elem is a set op and the only row, and not in cell yet
	cell   cell   // rows of the element
	succs  []rowSucc
}

type rowSucc struct{ of, succ lamport }

func buildOpSet(actors []ActorID, source rowSource, made map[lamport]Action) (*OpSet, error) {
	l := opSetLoader{OpSet: NewOpSet(), made: made}
	for _, a := range actors {
		l.actors.add(a)
	}
	if err := source(l.add); err != nil {
		return nil, err
	}
	l.finishObject()
	return l.OpSet, nil
}

func (l *opSetLoader) add(r *docRow) error {
	if r.obj != l.in {
		if err := l.startObject(r); err != nil {
			return err
		}
	}
	if isList := l.objects[l.obj].isSequence(); isList != r.isElem {
		return refuse(ReasonBadOp, "op %d has a key of the wrong kind for its object", r.id.counter())
	}
	if r.isElem {
		return l.addElementRow(r)
	}
	l.addKeyRow(r)
	return nil
}

func (l *opSetLoader) startObject(r *docRow) error {
	l.finishObject()
	obj, ok := l.object(r.obj)
	if !ok && l.made == nil {
		return errMadeLater
	}
	if !ok {
		kind, ok := l.made[r.obj]
		if !ok {
			return refuse(ReasonBadOp, "op %d is inside object %d, which doesn't exist", r.id.counter(), r.obj.counter())
		}
		obj = l.addObject(r.obj, kind, rootObject, 0)
	}
	o := &l.objects[obj]
	if o.kind == ActionMakeTable {
		return refuse(ReasonBadOp, "op %d is inside a table", r.id.counter())
	}
	l.obj, l.in = obj, r.obj
	if o.isSequence() {
		l.builder = newSequenceBuilder(l.OpSet, o.kind == ActionMakeText)
		clear(l.begins)
	}
	return nil
}

func (l *opSetLoader) finishObject() {
	l.finishCell()
	if l.builder != nil {
		list := l.builder.finish()
		l.grown += list.size() - l.objects[l.obj].list.size()
		l.objects[l.obj].list = list
		l.builder = nil
	}
}

func (l *opSetLoader) addKeyRow(r *docRow) {
	if !l.hasKey || !bytes.Equal(l.keyOf(&l.entries[l.entry]), r.key) {
		l.finishCell()
		l.entry, l.hasKey = l.addEntry(l.obj, r.key), true
	}
	l.makeObject(r, 0)
	l.addRowTo(&l.entries[l.entry].cell, r)
}

func (l *opSetLoader) addElementRow(r *docRow) error {
	if r.insert {
		l.finishCell()
		l.elem, l.simple = *r, r.action == ActionSet
	} else if r.elem != l.elem.id {
		return refuse(ReasonBadOp, "op %d updates element %d among the rows of another", r.id.counter(), r.elem.counter())
	}
	if err := l.checkMark(r); err != nil {
		return err
	}
	l.makeObject(r, l.elem.id)
	if l.simple && r.insert {
		l.noteSuccs(r)
		return nil
	}
	l.storeElement()
	l.addRowTo(&l.cell, r)
	return nil
}

// storeElement puts the insert op of an element that turns out to need a cell there.
func (l *opSetLoader) storeElement() {
	if l.simple {
		l.simple = false
		l.addRow(&l.cell, l.newRow(l.elem.id, ActionSet, l.elem.value))
	}
}

func (l *opSetLoader) checkMark(r *docRow) error {
	if r.action != ActionMark {
		return nil
	}
	if l.begins == nil {
		l.begins = make(map[lamport]bool)
	}
	if r.hasMark {
		l.begins[r.id] = true
	} else if !l.begins[r.id.plus(-1)] {
		return refuse(ReasonBadOp, "op %d ends a mark that doesn't begin before it in the same text", r.id.counter())
	}
	return nil
}

func (l *opSetLoader) makeObject(r *docRow, elem lamport) {
	if !r.action.makesObject() {
		return
	}
	obj, ok := l.object(r.id)
	if !ok {
		obj = l.addObject(r.id, r.action, l.obj, elem)
	}
	o := &l.objects[obj]
	o.parent, o.elem, o.entry = l.obj, elem, l.entry
}

func (l *opSetLoader) addRowTo(c *cell, r *docRow) {
	if r.action == ActionMark {
		l.addRow(c, l.newMarkRow(r.id, r.value, r.expand, r.hasMark, r.mark))
	} else {
		l.addRow(c, l.newRow(r.id, r.action, r.value))
	}
	l.noteSuccs(r)
}

func (l *opSetLoader) noteSuccs(r *docRow) {
	for _, succ := range r.succs {
		l.succs = append(l.succs, rowSucc{r.id, succ})
	}
}

// finishCell ends a key or element: only with all its rows at hand is it known
// which successors are increments.
func (l *opSetLoader) finishCell() {
	switch {
	case l.hasKey:
		l.addSuccs(&l.entries[l.entry].cell)
	case l.elem.id == 0:
	case l.simple && len(l.succs) <= 1:
		succ := lamport(0)
		if len(l.succs) == 1 {
			succ = l.succs[0].succ
		}
		l.builder.add(l.elem.elem, l.elem.id, l.elem.value, succ)
	default:
		l.storeElement()
		l.addSuccs(&l.cell)
		l.builder.addCell(l.elem.elem, l.elem.id, l.cell)
	}
	l.hasKey, l.elem, l.cell, l.succs = false, docRow{}, cell{}, l.succs[:0]
}

// addSuccs adds the successors that were noted, which are in the order of the rows.
func (l *opSetLoader) addSuccs(c *cell) {
	left := l.succs
	add := func(r *row, block *rowBlock) {
		for ; len(left) > 0 && left[0].of == r.id; left = left[1:] {
			increment, operand := false, int64(0)
			if r.isCounter() {
				if by := c.find(&l.actors, left[0].succ); by != nil && by.action == ActionIncrement {
					increment, operand = true, int64(by.num)
				}
			}
			l.overwrite(c, r, block, left[0].succ, increment, operand)
		}
	}
	if c.many == nil {
		add(&c.one, nil)
		return
	}
	for i := 0; i < len(c.many.blocks) && len(left) > 0; i++ {
		block := &c.many.blocks[i]
		for j := range block.rows {
			add(&block.rows[j], block)
		}
	}
}
