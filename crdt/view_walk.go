package crdt

import "iter"

// Step is one step of a Walk: an item, or the end of one.
type Step struct {
	Leave  bool // the walk leaves a map or list, which Item names
	Depth  int  // 0 for the object where the walk starts
	Parent OpID // object that holds the item; Parent, Key and Index are zero at depth 0
	Key    Key  // map key, or element of a list
	Index  int  // of a list element
	Item   Item
}

// Walk yields an object and everything inside it, in order: maps by key in
// UTF-8 order, lists by index. Maps, lists and tables are entered and left;
// texts are not walked through. The memory in use grows with the nesting and
// with the size of the maps on the way, not with the document.
func (v View) Walk(obj OpID) iter.Seq[Step] {
	return func(yield func(Step) bool) {
		o, ok := v.object(obj)
		if !ok {
			return
		}
		w := v.walker(o)
		for w.next() {
			if !yield(w.exported()) {
				return
			}
		}
	}
}

// walker goes through an object without recursion.
type walker struct {
	v       View
	frames  []walkFrame
	entries []keyRef // of all maps on the way
	started bool

	// The present step.
	leave bool
	found found
	obj   uint32 // index of the item, if it is an object
}

// walkFrame is an object that is being walked through.
type walkFrame struct {
	found found
	obj   uint32
	from  int // its entries are walker.entries[from:], the last ones being those of the innermost map
	at    int // next entry; the present one is before
	list  *elementReader
}

func (v View) walker(obj uint32) *walker {
	o := &v.s.objects[obj]
	return &walker{v: v, found: found{id: o.id, action: o.kind}, obj: obj}
}

// next goes to the next step.
func (w *walker) next() bool {
	switch {
	case !w.started:
		w.started = true
	case !w.leave && w.found.action != ActionSet && w.found.action != ActionMakeText:
		w.enter()
		return w.proceed()
	case len(w.frames) == 0:
		return false
	default:
		return w.proceed()
	}
	return true
}

func (w *walker) enter() {
	f := walkFrame{found: w.found, obj: w.obj, from: len(w.entries)}
	f.at = f.from
	if o := &w.v.s.objects[w.obj]; o.list != nil {
		f.list = w.v.reader(o)
	} else {
		w.entries = w.v.appendEntries(w.entries, w.obj)
	}
	w.frames = append(w.frames, f)
}

// proceed goes to the next item of the innermost object, or leaves it.
func (w *walker) proceed() bool {
	f := &w.frames[len(w.frames)-1]
	ok := false
	if f.list != nil {
		if ok = f.list.next(); ok {
			w.found = f.list.found
		}
	} else if ok = f.at < len(w.entries); ok {
		w.found, _ = w.v.winner(&w.v.s.entries[w.entries[f.at].entry].cell)
		f.at++
	}
	if !ok {
		w.leave, w.found, w.obj = true, f.found, f.obj
		w.entries = w.entries[:f.from]
		w.frames = w.frames[:len(w.frames)-1]
		return true
	}
	w.leave = false
	if w.found.action != ActionSet {
		w.obj, _ = w.v.s.object(w.found.id)
	}
	return true
}

// key returns the present step's key in the map that holds it; of an element
// ok is false.
func (w *walker) key() (key []byte, ok bool) {
	f := &w.frames[len(w.frames)-1]
	if f.list != nil {
		return nil, false
	}
	return w.v.s.keyOf(&w.v.s.entries[w.entries[f.at-1].entry]), true
}

func (w *walker) exported() Step {
	s := Step{Leave: w.leave, Depth: len(w.frames), Item: w.v.item(w.found)}
	if s.Depth == 0 {
		return s
	}
	f := &w.frames[s.Depth-1]
	s.Parent = w.v.s.actors.opID(f.found.id)
	if key, ok := w.key(); ok {
		s.Key = MapKey(string(key))
	} else {
		s.Key, s.Index = ElemKey(w.v.s.actors.opID(f.list.cursor.id)), f.list.start
	}
	return s
}
