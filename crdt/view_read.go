package crdt

import (
	"bytes"
	"cmp"
	"encoding/binary"
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
	f, ok := v.field(obj, key)
	if !ok {
		return Item{}, false
	}
	return v.item(f), true
}

func (v View) field(obj OpID, key string) (found, bool) {
	o, ok := v.object(obj)
	if !ok {
		return found{}, false
	}
	e, ok := v.s.entryOf(o, []byte(key))
	if !ok {
		return found{}, false
	}
	return v.winner(&v.s.entries[e].cell)
}

// Fields yields the keys of a map in UTF-8 order, with their values.
func (v View) Fields(obj OpID) iter.Seq2[string, Item] {
	return func(yield func(string, Item) bool) {
		o, ok := v.object(obj)
		if !ok {
			return
		}
		for _, ref := range v.appendEntries(nil, o) {
			e := &v.s.entries[ref.entry]
			f, _ := v.winner(&e.cell)
			if !yield(string(v.s.keyOf(e)), v.item(f)) {
				return
			}
		}
	}
}

// keyRef is an entry of a map with the beginning of its key, which decides most
// comparisons.
type keyRef struct {
	prefix uint64 // first 8 bytes, big-endian, zeros behind the end
	entry  uint32
}

// appendEntries appends the entries of a map that have a value, by key.
func (v View) appendEntries(to []keyRef, obj uint32) []keyRef {
	from := len(to)
	for _, i := range v.s.objects[obj].entries {
		if e := &v.s.entries[i]; v.winningRow(&e.cell) != nil {
			to = append(to, keyRef{prefixOf(v.s.keyOf(e)), i})
		}
	}
	slices.SortFunc(to[from:], func(a, b keyRef) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return bytes.Compare(v.s.keyOf(&v.s.entries[a.entry]), v.s.keyOf(&v.s.entries[b.entry]))
	})
	return to
}

func prefixOf(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
