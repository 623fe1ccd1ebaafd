package crdt

import "iter"

// Element is a visible element of a list or text.
type Element struct {
	ID    OpID // of the op that inserted it: its key
	Index int  // in a text, of its first code unit
	Width int  // 1; in a text the code units of a string (0 of an empty one), 1 for other items
	Item
}

// Len returns how many keys or elements an object has; of a text, its UTF-16
// code units.
func (v View) Len(obj OpID) int {
	o, ok := v.object(obj)
	if !ok {
		return 0
	}
	object := &v.s.objects[o]
	n := 0
	switch {
	case object.list == nil:
		for _, i := range object.entries {
			if v.winningRow(&v.s.entries[i].cell) != nil {
				n++
			}
		}
	case v.clock == nil:
		n = object.list.width()
	default:
		r := v.reader(object)
		for r.next() {
		}
		n = r.end
	}
	return n
}

// Element returns the element at an index; in a text, the one that covers it.
func (v View) Element(obj OpID, index int) (Element, bool) {
	o, ok := v.object(obj)
	if !ok || index < 0 || v.s.objects[o].list == nil {
		return Element{}, false
	}
	object := &v.s.objects[o]
	if v.clock == nil {
		e, start, ok := object.list.at(index)
		if !ok {
			return Element{}, false
		}
		f, _ := v.elementWinner(&e)
		return Element{v.s.actors.opID(e.id), start, e.width, v.item(f)}, true
	}
	r := v.reader(object)
	for r.next() {
		if index < r.end {
			return r.element(), true
		}
	}
	return Element{}, false
}

// Elements yields the visible elements of a list or text from an index on; in a
// text, from the first element that doesn't end before it.
func (v View) Elements(obj OpID, from int) iter.Seq[Element] {
	return func(yield func(Element) bool) {
		o, ok := v.object(obj)
		if !ok || v.s.objects[o].list == nil {
			return
		}
		r := v.reader(&v.s.objects[o])
		if v.clock == nil {
			r.cursor, r.end = v.s.objects[o].list.cursorAtIndex(from)
		}
		for r.next() {
			if r.end > from && !yield(r.element()) {
				return
			}
		}
	}
}

// IndexOf returns the index of an element of a list or text: if it isn't
// visible, the one that it would have. It is false if the element is unknown.
// In the past it takes a walk through the list.
func (v View) IndexOf(obj, elem OpID) (index int, visible, ok bool) {
	o, known := v.object(obj)
	id, have := v.s.actors.lamport(elem)
	if !known || !have || v.s.objects[o].list == nil || !v.s.objects[o].list.has(id) {
		return 0, false, false
	}
	index, visible = v.indexOf(&v.s.objects[o], id)
	return index, visible, true
}

func (v View) indexOf(o *object, id lamport) (index int, visible bool) {
	if v.clock == nil {
		index, _ = o.list.index(id)
		e, _ := v.elementOf(o.list, id)
		_, visible = v.elementWinner(&e)
		return index, visible
	}
	r := v.reader(o)
	for r.step() {
		if r.cursor.id == id {
			return r.start, r.shown
		}
	}
	return r.end, false
}

// elementReader walks a list or text from its start.
type elementReader struct {
	v      View
	text   bool
	cursor cursor

	shown bool  // whether the present element has a value,
	found found // and which
	start int   // index of the element
	end   int   // index after it
}

func (v View) reader(o *object) *elementReader {
	return &elementReader{v: v, text: o.kind == ActionMakeText, cursor: o.list.cursor()}
}

// step goes to the next element, visible or not.
func (r *elementReader) step() bool {
	if !r.cursor.next() {
		return false
	}
	r.read()
	return true
}

func (r *elementReader) read() {
	r.start = r.end
	e := &r.cursor.element
	if r.v.clock != nil {
		if r.found, r.shown = r.v.elementWinner(e); r.shown {
			r.end += widthOf(&r.found, r.text)
		}
		return
	}
	r.end += e.width
	if e.simple {
		r.found, r.shown = found{e.id, ActionSet, e.value}, e.succ == 0
	} else {
		r.found, r.shown = r.v.winner(e.cell)
	}
}

// next goes to the next visible element.
func (r *elementReader) next() bool {
	for r.v.clock == nil && r.cursor.nextLive() || r.v.clock != nil && r.cursor.next() {
		if r.read(); r.shown {
			return true
		}
	}
	return false
}

func (r *elementReader) element() Element {
	return Element{r.v.s.actors.opID(r.cursor.id), r.start, r.end - r.start, r.v.item(r.found)}
}

func widthOf(f *found, text bool) int {
	if text && f.value.code == ValueString {
		return utf16Len(f.value.raw)
	}
	return 1
}

// elementWinner returns the value of an element.
func (v View) elementWinner(e *element) (found, bool) {
	if !e.simple {
		return v.winner(e.cell)
	}
	if e.succ != 0 && v.covers(e.succ) || !v.covers(e.id) {
		return found{}, false
	}
	return found{e.id, ActionSet, e.value}, true
}

// elementOf returns the element with an id.
func (v View) elementOf(q *sequence, id lamport) (element, bool) {
	if !q.has(id) {
		return element{}, false
	}
	c := q.cursorAt(id)
	c.next()
	return c.element, true
}
