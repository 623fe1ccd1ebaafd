package crdt

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// ErrIndex is in the chain of errors about an index outside of a list or text.
var ErrIndex = errors.New("index out of range")

// Insert puts values into a list, the first one at an index from 0 to its length.
func (tx *Tx) Insert(list OpID, index int, values ...any) error {
	return tx.Splice(list, index, 0, values...)
}

// Splice removes elements of a list from an index on and puts values in their place.
func (tx *Tx) Splice(list OpID, index, remove int, values ...any) error {
	o, err := tx.listObject(list, false)
	if err == nil {
		err = o.list.checkRange(index, remove)
	}
	if err != nil {
		return fmt.Errorf("splice: %w", err)
	}
	made, err := tx.insertValues(o, o.list.anchor(index), values)
	if err == nil {
		err = tx.fill(made...)
	}
	if err != nil {
		return fmt.Errorf("splice: %w", err)
	}
	return tx.removeRange(o, index+len(values), remove)
}

// SpliceText removes UTF-16 code units of a text from an index on and puts s in
// their place, one element for each code point. An index inside an element
// stands for the element's end, and of an element no part can be removed.
func (tx *Tx) SpliceText(text OpID, index, remove int, s string) error {
	o, err := tx.listObject(text, true)
	if err == nil {
		err = o.list.checkRange(index, remove)
	}
	if err == nil && !utf8.ValidString(s) {
		err = errNotUTF8
	}
	if err != nil {
		return fmt.Errorf("splice text: %w", err)
	}
	index = o.list.boundary(index)
	before := o.list.width
	if s != "" {
		tx.insertText(o, o.list.anchor(index), s)
	}
	return tx.removeRange(o, index+o.list.width-before, remove)
}

// DeleteRange removes elements of a list, or UTF-16 code units of a text.
func (tx *Tx) DeleteRange(obj OpID, index, count int) error {
	o, err := tx.sequence(obj)
	if err == nil {
		err = o.list.checkRange(index, count)
	}
	if err != nil {
		return fmt.Errorf("delete range: %w", err)
	}
	return tx.removeRange(o, o.list.boundary(index), count)
}

func (l *txList) checkRange(index, count int) error {
	if index < 0 || count < 0 || count > l.width || index > l.width-count {
		return fmt.Errorf("%d to %d of %d: %w", index, index+count, l.width, ErrIndex)
	}
	return nil
}

// removeRange deletes elements from a boundary on, until they make up count.
func (tx *Tx) removeRange(o *txObject, index, count int) error {
	for count > 0 && index < o.list.width && tx.broken == nil {
		f := o.list.find(index)
		tx.add(Op{Action: ActionDelete, Obj: o.id, Key: ElemKey(f.id), Preds: ids(f.shown)})
		o.list.remove(f)
		count -= f.width
	}
	return tx.broken
}

// insertValues writes the ops that insert values, and returns the objects to be filled.
func (tx *Tx) insertValues(o *txObject, a anchor, values []any) ([]filling, error) {
	contents := make([]content, len(values))
	for i, v := range values {
		var err error
		if contents[i], err = tx.contentOf(v); err != nil {
			return nil, err
		}
	}
	return tx.insertContents(o, a, contents)
}

func (tx *Tx) insertContents(o *txObject, a anchor, contents []content) ([]filling, error) {
	elements := make([]txElement, len(contents))
	var made []filling
	ref := a.ref
	for i, c := range contents {
		ref = tx.add(Op{Action: c.action, Obj: o.id, Key: ElemKey(ref), Insert: true, Value: c.value})
		elements[i] = txElement{id: ref, width: o.list.widthOf(Item{ref, c.action.kind(), c.value})}
		if tx.broken != nil {
			return nil, tx.broken
		}
		made = append(made, tx.made(ref, c)...)
	}
	o.list.insert(a.position, elements)
	return made, nil
}

// insertText writes the ops that insert a string, which is valid UTF-8.
func (tx *Tx) insertText(o *txObject, a anchor, s string) {
	elements := make([]txElement, 0, len(s))
	raw, ref := []byte(s), a.ref
	for i := 0; i < len(raw) && tx.broken == nil; {
		r, size := utf8.DecodeRune(raw[i:])
		width := 1
		if r > math.MaxUint16 {
			width = 2
		}
		v := Value{code: ValueString, raw: raw[i : i+size : i+size]}
		ref = tx.add(Op{Action: ActionSet, Obj: o.id, Key: ElemKey(ref), Insert: true, Value: v})
		elements = append(elements, txElement{id: ref, width: width})
		i += size
	}
	if tx.broken == nil {
		o.list.insert(a.position, elements)
	}
}

// SetIndex overwrites an element of a list, see Set.
func (tx *Tx) SetIndex(list OpID, index int, value any) (OpID, error) {
	o, err := tx.listObject(list, false)
	if err == nil {
		err = o.list.checkRange(index, 1)
	}
	var c content
	if err == nil {
		c, err = tx.contentOf(value)
	}
	if err != nil {
		return OpID{}, fmt.Errorf("set index: %w", err)
	}
	f := o.list.find(index)
	if unchanged(f.shown, c) {
		return OpID{}, nil
	}
	id := tx.overwrite(o, f, c)
	if err := tx.fill(tx.made(id, c)...); err != nil {
		return OpID{}, fmt.Errorf("set index: %w", err)
	}
	return id, nil
}

// overwrite writes the op that gives an element a value.
func (tx *Tx) overwrite(o *txObject, f spot, c content) OpID {
	id := tx.add(Op{Action: c.action, Obj: o.id, Key: ElemKey(f.id), Value: c.value, Preds: ids(f.shown)})
	o.list.replace(f, []Item{{id, c.action.kind(), c.value}})
	return id
}

// IncrementIndex adds to the counter in a list, see Increment.
func (tx *Tx) IncrementIndex(list OpID, index int, n int64) error {
	o, err := tx.listObject(list, false)
	if err == nil {
		err = o.list.checkRange(index, 1)
	}
	if err != nil {
		return fmt.Errorf("increment index: %w", err)
	}
	f := o.list.find(index)
	grown, err := tx.increment(o, ElemKey(f.id), f.shown, n)
	if err != nil {
		return fmt.Errorf("increment index: %w", err)
	}
	o.list.replace(f, grown)
	return tx.broken
}
