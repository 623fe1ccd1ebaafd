package crdt

import "slices"

// Path returns the JSON Pointer of the place of an edit afterwards; see
// View.Path. Of a splice or mark it names the first code unit.
func (d *Diff) Path(e *Edit) (string, bool) {
	p, ok := d.after.place(e.Object, e.Key)
	if !ok {
		return "", false
	}
	return d.after.path(p, d.indexOf)
}

// Reach returns whether the document shows the object of an edit afterwards. If
// not, the edit is lost for its readers: somebody else overwrote or deleted
// the object, or something around it.
func (d *Diff) Reach(e *Edit) Reach {
	o, ok := d.after.object(e.Object)
	if !ok {
		return Gone
	}
	if d.reaches == nil {
		d.reaches = map[uint32]Reach{rootObject: Shown}
	}
	chain := d.chain(o, func(o uint32) bool {
		_, known := d.reaches[o]
		return known
	})
	s := d.after.s
	for _, o := range slices.Backward(chain) {
		d.reaches[o] = max(d.reaches[s.objects[o].parent], d.after.reachAt(s.placeOf(o), s.objects[o].id))
	}
	return d.reaches[o]
}

// chain returns an object and those around it up to one that is known.
func (d *Diff) chain(o uint32, known func(uint32) bool) (chain []uint32) {
	for ; !known(o); o = d.after.s.objects[o].parent {
		chain = append(chain, o)
	}
	return chain
}

// WasShown reports whether the document showed the object of an edit before.
// If it didn't, but does afterwards, another edit brings the whole object along.
func (d *Diff) WasShown(e *Edit) bool {
	o, ok := d.after.object(e.Object)
	if !ok {
		return false
	}
	if d.were == nil {
		d.were = map[uint32]bool{rootObject: true}
	}
	chain := d.chain(o, func(o uint32) bool {
		_, known := d.were[o]
		return known
	})
	s := d.after.s
	for _, o := range slices.Backward(chain) {
		d.were[o] = d.were[s.objects[o].parent] && d.won(s.placeOf(o), s.objects[o].id)
	}
	return d.were[o]
}

// won reports whether a value was the winner at its place before.
func (d *Diff) won(p place, id lamport) bool {
	v := d.after
	if d.between {
		v = d.before
	} else {
		if d.numbers == nil {
			d.number()
		}
		if i, ok := d.numbers[p]; ok {
			before := d.touched[i].before
			return len(before) > 0 && before[len(before)-1].id == id
		}
	}
	f, ok := v.winnerAt(p)
	return ok && f.id == id
}

func (v View) winnerAt(p place) (found, bool) {
	if v.s.objects[p.obj].list == nil {
		return v.winner(&v.s.entries[p.entry].cell)
	}
	e, ok := v.elementOf(v.s.objects[p.obj].list, p.elem)
	if !ok {
		return found{}, false
	}
	return v.elementWinner(&e)
}

// indexOf is View.indexOf that walks through each list of the past only once.
func (d *Diff) indexOf(o *object, id lamport) (int, bool) {
	if d.after.clock == nil {
		return d.after.indexOf(o, id)
	}
	return d.indexesOf(o)[id], false
}

// width returns the width of a list or text, with no more walks than indexOf.
func (d *Diff) width(o *object) int {
	if d.after.clock == nil {
		return o.list.width()
	}
	return d.indexesOf(o)[0]
}

// indexesOf returns the indexes of the elements of a list in the past. What
// would stand at its end has the index of element 0.
func (d *Diff) indexesOf(o *object) map[lamport]int {
	obj, _ := d.after.s.object(o.id)
	indexes, ok := d.indexes[obj]
	if !ok {
		indexes = make(map[lamport]int)
		r := d.after.reader(o)
		for r.step() {
			indexes[r.cursor.id] = r.start
		}
		indexes[0] = r.end
		if d.indexes == nil {
			d.indexes = make(map[uint32]map[lamport]int)
		}
		d.indexes[obj] = indexes
	}
	return indexes
}
