package crdt

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Lookup returns the item that a JSON Pointer (RFC 6901) names: "" is the root,
// "/lines/0/price" a key of a map in a list. In a text, an index names the
// element that covers a UTF-16 code unit.
func (v View) Lookup(pointer string) (Item, error) {
	if pointer == "" {
		return v.Root(), nil
	}
	if pointer[0] != '/' {
		return Item{}, fmt.Errorf("look up %q: a JSON Pointer begins with a slash", pointer)
	}
	item := v.Root()
	for token := range strings.SplitSeq(pointer[1:], "/") {
		next, ok := v.child(item, unescapeToken.Replace(token))
		if !ok {
			return Item{}, fmt.Errorf("look up %q: the %s has no %q", pointer, item.Kind, token)
		}
		item = next
	}
	return item, nil
}

// child returns what a token, unescaped, names in an object.
func (v View) child(item Item, token string) (Item, bool) {
	switch item.Kind {
	case KindMap:
		return v.Field(item.ID, token)
	case KindList, KindText:
		index, ok := parseIndex(token)
		if !ok {
			return Item{}, false
		}
		e, ok := v.Element(item.ID, index)
		return e.Item, ok
	}
	return Item{}, false
}

var (
	escapeToken   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapeToken = strings.NewReplacer("~1", "/", "~0", "~")
)

// MaxPathDepth bounds the paths that View.Path returns, in steps.
const MaxPathDepth = 1000

// Path returns the JSON Pointer of a map key or list element. A place that the
// document doesn't show has one too: where it would be if it and the objects
// around it were visible. Path is false for unknown places and for those with
// more than MaxPathDepth steps. In the past, each list on the way takes a walk
// through it.
func (v View) Path(obj OpID, key Key) (string, bool) {
	p, ok := v.place(obj, key)
	if !ok {
		return "", false
	}
	return v.path(p, v.indexOf)
}

// FieldPath is Path with a star for each index of a list or text:
// "/lines/*/price". It is the same whatever else arrives.
func (v View) FieldPath(obj OpID, key Key) (string, bool) {
	p, ok := v.place(obj, key)
	if !ok {
		return "", false
	}
	return v.path(p, nil)
}

// PathOf returns the JSON Pointer of an object, as Path does.
func (v View) PathOf(obj OpID) (string, bool) {
	o, ok := v.object(obj)
	switch {
	case !ok:
		return "", false
	case o == rootObject:
		return "", true
	}
	return v.path(v.s.placeOf(o), v.indexOf)
}

// place is a map key or list element.
type place struct {
	obj   uint32
	entry uint32  // of a map
	elem  lamport // of a list or text
}

// place returns the place of a key or element, false if there is no such thing.
func (v View) place(obj OpID, key Key) (p place, ok bool) {
	if p.obj, ok = v.object(obj); !ok {
		return p, false
	}
	if !key.IsElem {
		p.entry, ok = v.s.entryOf(p.obj, []byte(key.Name))
		return p, ok
	}
	list := v.s.objects[p.obj].list
	p.elem, ok = v.s.actors.lamport(key.Elem)
	return p, ok && list != nil && list.has(p.elem)
}

// placeOf returns where an object other than the root hangs.
func (s *OpSet) placeOf(obj uint32) place {
	o := &s.objects[obj]
	return place{obj: o.parent, entry: o.entry, elem: o.elem}
}

// path writes an index of each list as indexOf returns it, or a star.
func (v View) path(p place, indexOf func(*object, lamport) (int, bool)) (string, bool) {
	tokens := make([]string, 0, 8)
	for {
		if len(tokens) == MaxPathDepth {
			return "", false
		}
		switch o := &v.s.objects[p.obj]; {
		case o.list == nil:
			tokens = append(tokens, escapeToken.Replace(string(v.s.keyOf(&v.s.entries[p.entry]))))
		case indexOf == nil:
			tokens = append(tokens, "*")
		default:
			index, _ := indexOf(o, p.elem)
			tokens = append(tokens, strconv.Itoa(index))
		}
		if p.obj == rootObject {
			break
		}
		p = v.s.placeOf(p.obj)
	}
	slices.Reverse(tokens)
	return "/" + strings.Join(tokens, "/"), true
}

// Reach says whether a document shows an object.
type Reach uint8

// Reaches of objects.
const (
	Shown      Reach = iota // part of the document
	Conflicted              // it, or an object around it, is one of several values and not the winner
	Gone                    // it, or an object around it, was overwritten or deleted
)

// String returns the reach in lower case.
func (r Reach) String() string { return [...]string{"shown", "conflicted", "gone"}[r] }

// Reach returns whether the document shows an object; Gone for an unknown one.
func (v View) Reach(obj OpID) Reach {
	o, ok := v.object(obj)
	if !ok {
		return Gone
	}
	reach := Shown
	for o != rootObject && reach != Gone {
		reach = max(reach, v.reachAt(v.s.placeOf(o), v.s.objects[o].id))
		o = v.s.objects[o].parent
	}
	return reach
}

// reachAt returns the reach of value id at its place alone.
func (v View) reachAt(p place, id lamport) Reach {
	reach := Gone
	for f := range v.valuesAt(p) {
		switch {
		case f.id == id:
			reach = Shown
		case reach == Shown:
			reach = Conflicted
		}
	}
	return reach
}

// valuesAt yields the visible values of a place in ascending order.
func (v View) valuesAt(p place) iter.Seq[found] {
	return func(yield func(found) bool) {
		if v.s.objects[p.obj].list == nil {
			v.values(&v.s.entries[p.entry].cell, yield)
		} else if e, ok := v.elementOf(v.s.objects[p.obj].list, p.elem); !ok {
			return
		} else if !e.simple {
			v.values(e.cell, yield)
		} else if f, ok := v.elementWinner(&e); ok {
			yield(f)
		}
	}
}
