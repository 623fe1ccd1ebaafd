package crdt

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Field returns the value of a map key.
func (tx *Tx) Field(obj OpID, key string) (Item, bool) {
	o, err := tx.mapObject(obj)
	if err != nil {
		return Item{}, false
	}
	return winner(tx.valuesAt(o, key))
}

func winner(shown []Item) (Item, bool) {
	if len(shown) == 0 {
		return Item{}, false
	}
	return shown[len(shown)-1], true
}

// Keys returns the keys of a map that have a value, in UTF-8 order.
func (tx *Tx) Keys(obj OpID) []string {
	o, err := tx.mapObject(obj)
	if err != nil {
		return nil
	}
	var keys []string
	if !o.own {
		for _, i := range tx.s.objects[o.index].entries {
			e := &tx.s.entries[i]
			key := string(tx.s.keyOf(e))
			if _, written := o.keys[key]; !written && e.cell.shown() > 0 {
				keys = append(keys, key)
			}
		}
	}
	for key, now := range o.keys {
		if len(now) > 0 {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Len returns how many keys or elements an object has; of a text, its UTF-16
// code units.
func (tx *Tx) Len(obj OpID) int {
	if o, err := tx.sequence(obj); err == nil {
		return o.list.width
	}
	return len(tx.Keys(obj))
}

// Element returns the element at an index; in a text, the one that covers it.
func (tx *Tx) Element(obj OpID, index int) (Element, bool) {
	o, err := tx.sequence(obj)
	if err != nil || o.list.checkRange(index, 1) != nil {
		return Element{}, false
	}
	f := o.list.find(index)
	item, _ := winner(f.shown)
	return Element{ID: f.id, Index: f.start, Width: f.width, Item: item}, true
}

// Text returns the content of a text, with U+FFFC for each element that isn't a
// string.
func (tx *Tx) Text(obj OpID) string {
	o, err := tx.listObject(obj, true)
	if err != nil {
		return ""
	}
	var b bytes.Buffer
	for f := range o.list.from(0) {
		b.Write(f.text())
	}
	return b.String()
}

// text returns what an element contributes to a text.
func (f *spot) text() []byte {
	item, _ := winner(f.shown)
	if item.Kind == KindScalar && item.Value.code == ValueString {
		return item.Value.raw
	}
	return []byte("\ufffc")
}

// from yields the elements that can be seen from an index on, and each with
// shown values valid for the call only. The list must not be written meanwhile.
func (l *txList) from(index int) func(yield func(spot) bool) {
	return func(yield func(spot) bool) {
		f := spot{}
		for ; f.block < len(l.blocks); f.block++ {
			pieces := l.blocks[f.block].pieces
			for f.piece = range pieces {
				p := &pieces[f.piece]
				if f.start+p.width > index && !l.eachOf(p, &f, index, yield) {
					return
				} else if f.start+p.width <= index {
					f.start += p.width
				}
				if p.own == nil {
					f.behind = p.to
				}
			}
		}
	}
}

// eachOf yields the elements of a piece and leaves f.start behind it.
func (l *txList) eachOf(p *piece, f *spot, index int, yield func(spot) bool) bool {
	end := f.start + p.width
	if p.own == nil {
		return l.eachOfBase(p, f, max(index, f.start), end, yield)
	}
	for f.off = range p.own {
		e := &p.own[f.off]
		f.id, f.width = e.id, e.width
		if f.start+f.width > index && f.width > 0 {
			f.shown = l.shown(e)
			if !yield(*f) {
				return false
			}
		}
		f.start += f.width
	}
	return true
}

// eachOfBase yields elements without their position.
func (l *txList) eachOfBase(p *piece, f *spot, index, end int, yield func(spot) bool) bool {
	s := l.tx.s
	cursor, start := l.base.cursorAtIndex(p.at + index - f.start)
	f.start += start - p.at
	var one [1]Item
	for f.start < end && cursor.nextLive() {
		e := &cursor.element
		if e.width == 0 {
			continue
		}
		f.id, f.width = s.actors.opID(e.id), e.width
		if e.simple {
			one[0] = Item{f.id, KindScalar, e.value}
			f.shown = one[:]
		} else {
			f.shown = s.shownItems(e.cell)
		}
		if !yield(*f) {
			return false
		}
		f.start += f.width
	}
	return true
}

// Lookup returns the item that a JSON Pointer names, see View.Lookup.
func (tx *Tx) Lookup(pointer string) (Item, error) {
	item, rest := Item{Kind: KindMap}, pointer
	for rest != "" {
		token, after, err := cutPointer(rest)
		if err != nil {
			return Item{}, fmt.Errorf("look up %q: %w", pointer, err)
		}
		next, ok := tx.child(item, token)
		if !ok {
			return Item{}, fmt.Errorf("look up %q: the %s has no %q", pointer, item.Kind, token)
		}
		item, rest = next, after
	}
	return item, nil
}

func (tx *Tx) child(item Item, token string) (Item, bool) {
	if item.Kind == KindMap {
		return tx.Field(item.ID, token)
	}
	index, ok := parseIndex(token)
	if !ok {
		return Item{}, false
	}
	e, ok := tx.Element(item.ID, index)
	return e.Item, ok
}

// cutPointer takes the first token, unescaped, off a JSON Pointer.
func cutPointer(pointer string) (token, rest string, err error) {
	if pointer[0] != '/' {
		return "", "", fmt.Errorf("a JSON Pointer begins with a slash")
	}
	token = pointer[1:]
	if i := strings.IndexByte(token, '/'); i >= 0 {
		token, rest = token[:i], token[i:]
	}
	return unescapeToken.Replace(token), rest, nil
}
