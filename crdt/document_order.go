package crdt

import (
	"bytes"
	"slices"
)

// rowOrder checks that rows stand in the order of a document, and that keys fit
// their objects. Ids compare as numbers, since a document's actors ascend.
type rowOrder struct {
	objects blocks[docObject]
	key     []byte    // of the row before, in a map
	last    lamport   // the row before, if it has the same key or element
	elem    lamport   // element of the row before, in a list
	isMark  bool      // which is a mark
	path    []lamport // elem and the elements that it was inserted below, it last
}

// docObject is an object that has rows.
type docObject struct {
	id     lamport
	isList bool // or text: its keys are elements
	marked bool // has marks, which only texts may have
	counts bool // has increments, which texts may not have
}

func (o *rowOrder) check(row *docRow) error {
	if !row.isElem && row.insert {
		return refuse(ReasonBadOp, "insert flag on a map key")
	}
	n := o.objects.len()
	if n == 0 || o.objects.at(n-1).id != row.obj {
		return o.enter(row)
	}
	if o.objects.at(n-1).isList != row.isElem {
		return refuse(ReasonBadOp, "object %d has both string keys and elements", row.obj.counter())
	}
	if row.isElem {
		return o.checkElem(row)
	}
	switch c := bytes.Compare(o.key, row.key); {
	case c > 0:
		return refuse(ReasonBadDocument, "rows of object %d aren't in the order of keys", row.obj.counter())
	case c == 0 && row.id <= o.last:
		return refuse(ReasonBadDocument, "rows of one key aren't in the order of ids at op %d", row.id.counter())
	}
	o.key, o.last = row.key, row.id
	return nil
}

// enter begins the rows of another object.
func (o *rowOrder) enter(row *docRow) error {
	n := o.objects.len()
	if n > 0 && o.objects.at(n-1).id > row.obj {
		return refuse(ReasonBadDocument, "rows aren't in the order of objects at object %d", row.obj.counter())
	}
	if row.obj == 0 && row.isElem {
		return refuse(ReasonBadOp, "element key in the root object")
	}
	*o.objects.add() = docObject{id: row.obj, isList: row.isElem}
	o.key, o.last, o.elem, o.path = row.key, row.id, 0, o.path[:0]
	if row.isElem {
		return o.checkElem(row)
	}
	return nil
}

// checkElem checks the order of elements: an element stands below the one that
// it was inserted after, and before all elements there with smaller ids.
func (o *rowOrder) checkElem(row *docRow) error {
	if !row.insert {
		switch {
		case row.elem == 0:
			return refuse(ReasonBadOp, "list head where an element is expected")
		case row.elem == o.elem && o.isMark:
			return refuse(ReasonBadOp, "op %d gives a value to element %d, which is a mark", row.id.counter(), row.elem.counter())
		case row.elem != o.elem:
			return refuse(ReasonBadDocument, "op %d stands apart from its element %d", row.id.counter(), row.elem.counter())
		case row.id <= o.last:
			return refuse(ReasonBadDocument, "rows of one element aren't in the order of ids at op %d", row.id.counter())
		}
		if row.action == ActionIncrement {
			o.objects.at(o.objects.len() - 1).counts = true
		}
		o.last = row.id
		return nil
	}
	if row.elem.counter() >= row.id.counter() {
		return refuse(ReasonBadOp, "element %d isn't older than op %d", row.elem.counter(), row.id.counter())
	}
	depth, sibling := len(o.path), lamport(0)
	for depth > 0 && o.path[depth-1] != row.elem {
		depth--
		sibling = o.path[depth]
	}
	switch {
	case depth == 0 && row.elem != 0:
		return refuse(ReasonBadDocument, "element %d stands apart from element %d, after which it was inserted", row.id.counter(), row.elem.counter())
	case sibling != 0 && sibling <= row.id:
		return refuse(ReasonBadDocument, "elements after element %d aren't in descending order", row.elem.counter())
	}
	if o.path = o.path[:depth]; depth == cap(o.path) {
		o.path = slices.Grow(o.path, depth+minBlock) // doubles, where append grows by a quarter
	}
	o.path = append(o.path, row.id)
	o.elem, o.last, o.isMark = row.id, row.id, row.action == ActionMark
	if o.isMark {
		o.objects.at(o.objects.len() - 1).marked = true
	}
	return nil
}
