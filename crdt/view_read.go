package crdt

import (
	"bytes"
	"iter"
	"slices"
)

// Get follows map keys (strings) and list indexes (ints) from the root. Without
// a path it returns the root.
func (v View) Get(path ...any) (Item, bool) {
	item := v.Root()
	for _, step := range path {
		ok := false
		switch step := step.(type) {
		case string:
			item, ok = v.Field(item.ID, step)
		case int:
			var e Element
			e, ok = v.Element(item.ID, step)
			item = e.Item
		}
		if !ok {
			return Item{}, false
		}
	}
	return item, true
}

// Field returns the value of a map key.
func (v View) Field(obj OpID, key string) (Item, bool) {
	o, ok := v.object(obj)
	if !ok {
		return Item{}, false
	}
	e, ok := v.s.entryOf(o, []byte(key))
	if !ok {
		return Item{}, false
	}
	f, ok := v.winner(&v.s.entries[e].cell)
	if !ok {
		return Item{}, false
	}
	return v.item(f), true
}

// Fields yields the keys of a map in UTF-8 order, with their values.
func (v View) Fields(obj OpID) iter.Seq2[string, Item] {
	return func(yield func(string, Item) bool) {
		o, ok := v.object(obj)
		if !ok {
			return
		}
		for _, i := range v.appendEntries(nil, o) {
			e := &v.s.entries[i]
			f, _ := v.winner(&e.cell)
			if !yield(string(v.s.keyOf(e)), v.item(f)) {
				return
			}
		}
	}
}

// appendEntries appends the entries of a map that have a value, by key.
func (v View) appendEntries(to []uint32, obj uint32) []uint32 {
	from := len(to)
	for _, i := range v.s.objects[obj].entries {
		if _, ok := v.winner(&v.s.entries[i].cell); ok {
			to = append(to, i)
		}
	}
	slices.SortFunc(to[from:], func(a, b uint32) int {
		return bytes.Compare(v.s.keyOf(&v.s.entries[a]), v.s.keyOf(&v.s.entries[b]))
	})
	return to
}
