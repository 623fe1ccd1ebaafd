package crdt

import (
	"bytes"
	"cmp"
	"slices"
)

// Diff is what a change did to a document, or what lies between two of its
// states. OpSet.Apply fills it, replacing what it held; a Diff that is used
// again saves allocations. When Apply refuses a change the Diff is as before.
//
// Edits with all they refer to are valid until the Diff is used again, the
// methods give sense until the next change is applied.
type Diff struct {
	// Edits are ordered by object, in the order in which objects were made, then
	// by key in UTF-8 order or by position. Within an object they can be
	// performed one after the other: each index counts what the edits before left
	// behind. Things that a change touched without a visible effect, such as a
	// value that had been deleted, are missing.
	Edits []Edit

	after    View
	before   View // if not of a change
	between  bool // two states are compared: before is set
	finished bool
	touched  []touch
	numbers  map[place]int32 // of touched; nil while they are few

	values []found // of touched
	items  []Item  // of Edits
	bytes  []byte  // of values in sequences, which move
	run    textRun
	marks  []lamport // begins of marks that the present object got

	reaches map[uint32]Reach
	were    map[uint32]bool // objects that were shown before
	indexes map[uint32]map[lamport]int
}

// touch is a key or element that a change is about.
type touch struct {
	place
	existed       bool // of an element: before
	rank          int  // of an element, in its list
	index         int  // of an element, afterwards
	before, after []found
	beforeCount   int // before may be shorter
	afterCount    int
}

const (
	maxDiffValues = 256 // of a place, before or after
	fewTouched    = 8
	maxKeptTouch  = 1024 // bounds the memory that a Diff keeps for its next use
)

func (d *Diff) reset() {
	if cap(d.touched) > maxKeptTouch || cap(d.values) > maxKeptTouch || cap(d.bytes) > maxKeptTouch<<4 {
		*d = Diff{}
		return
	}
	*d = Diff{
		Edits: d.Edits[:0], touched: d.touched[:0], values: d.values[:0], items: d.items[:0],
		bytes: d.bytes[:0], marks: d.marks[:0], run: textRun{deleted: d.run.deleted[:0], inserted: d.run.inserted[:0]},
	}
}

// touchKey is called before an op changes the cell of a map's entry.
func (d *Diff) touchKey(s *OpSet, obj, entry uint32) {
	if t := d.touch(place{obj: obj, entry: entry}); t != nil {
		t.before, t.beforeCount = d.keyValues(s.View(), entry)
	}
}

// touchElement is called before an op inserts or changes an element.
func (d *Diff) touchElement(s *OpSet, obj uint32, elem lamport) {
	if t := d.touch(place{obj: obj, elem: elem}); t != nil {
		if e, ok := s.View().elementOf(s.objects[obj].list, elem); ok {
			t.existed = true
			t.before, t.beforeCount = d.elementValues(s.View(), &e)
		}
	}
}

// touch adds a place, nil if it is there already.
func (d *Diff) touch(p place) *touch {
	if d.finished {
		d.reset()
	}
	switch {
	case d.numbers != nil:
		if _, ok := d.numbers[p]; ok {
			return nil
		}
		d.numbers[p] = int32(len(d.touched))
	case len(d.touched) < fewTouched:
		for i := range d.touched {
			if d.touched[i].place == p {
				return nil
			}
		}
	default:
		d.number()
		return d.touch(p)
	}
	d.touched = append(d.touched, touch{place: p})
	return &d.touched[len(d.touched)-1]
}

func (d *Diff) number() {
	d.numbers = make(map[place]int32, 2*len(d.touched))
	for i := range d.touched {
		d.numbers[d.touched[i].place] = int32(i)
	}
}

// keyValues returns the values of a map's entry, and how many there are.
func (d *Diff) keyValues(v View, entry uint32) ([]found, int) {
	return d.cellValues(v, &v.s.entries[entry].cell)
}

func (d *Diff) cellValues(v View, c *cell) ([]found, int) {
	from := len(d.values)
	if v.clock == nil {
		c.lastShown(maxDiffValues, func(r *row) bool {
			d.values = append(d.values, v.found(c, r))
			return true
		})
		return slices.Clip(d.values[from:]), c.shown()
	}
	v.values(c, func(f found) bool {
		d.values = append(d.values, f)
		return true
	})
	count := len(d.values) - from
	if count > maxDiffValues {
		copy(d.values[from:], d.values[len(d.values)-maxDiffValues:])
		d.values = d.values[:from+maxDiffValues]
	}
	return slices.Clip(d.values[from:]), count
}

// elementValues is keyValues for an element.
func (d *Diff) elementValues(v View, e *element) ([]found, int) {
	if !e.simple {
		return d.cellValues(v, e.cell)
	}
	f, ok := v.elementWinner(e)
	if !ok {
		return nil, 0
	}
	if f.value.raw != nil {
		at := len(d.bytes)
		d.bytes = append(d.bytes, f.value.raw...)
		f.value.raw = slices.Clip(d.bytes[at:])
	}
	d.values = append(d.values, f)
	return slices.Clip(d.values[len(d.values)-1:]), 1
}

// finish is called when a change has been applied.
func (d *Diff) finish(s *OpSet) {
	if d.finished {
		d.reset()
	}
	d.finished, d.after = true, s.View()
	d.sort(s)
	for i := range d.touched {
		t := &d.touched[i]
		if i > 0 && t.obj != d.touched[i-1].obj {
			d.leaveObject(d.touched[i-1].obj)
		}
		if o := &s.objects[t.obj]; o.list != nil {
			e, _ := d.after.elementOf(o.list, t.elem)
			t.index, _ = o.list.index(t.elem)
			t.after, t.afterCount = d.elementValues(d.after, &e)
			d.addElement(t, &e)
		} else {
			t.after, t.afterCount = d.keyValues(d.after, t.entry)
			d.addKey(t)
		}
	}
	if n := len(d.touched); n > 0 {
		d.leaveObject(d.touched[n-1].obj)
	}
}

// sort puts what a change touched in the order of Edits.
func (d *Diff) sort(s *OpSet) {
	if len(d.touched) < 2 {
		return
	}
	d.numbers = nil
	for i := range d.touched {
		if t := &d.touched[i]; s.objects[t.obj].list != nil {
			t.rank = s.objects[t.obj].list.rank(t.elem)
		}
	}
	slices.SortFunc(d.touched, func(a, b touch) int {
		switch {
		case a.obj != b.obj:
			return cmp.Compare(a.obj, b.obj)
		case s.objects[a.obj].list != nil:
			return cmp.Compare(a.rank, b.rank)
		}
		return bytes.Compare(s.keyOf(&s.entries[a.entry]), s.keyOf(&s.entries[b.entry]))
	})
}
