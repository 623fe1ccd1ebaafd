package crdt

import (
	"bytes"
	"slices"
)

// rows yields the op rows of the document in its order, with the actors
// numbered as in actors, which is sorted and holds every author. The row and
// what it refers to are valid until the next one.
func (s *OpSet) rows(actors []ActorID, yield func(*docRow) error) error {
	w := rowWalk{s: s, yield: yield, rank: make([]uint64, len(s.actors.ids))}
	for i, a := range s.actors.ids {
		at, _ := slices.BinarySearch(actors, a)
		w.rank[i] = uint64(at)
	}
	order := make([]uint32, len(s.objects))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return s.actors.compare(s.objects[a].id, s.objects[b].id) })
	for _, i := range order {
		if err := w.object(&s.objects[i]); err != nil {
			return err
		}
	}
	return nil
}

type rowWalk struct {
	s     *OpSet
	rank  []uint64 // of each actor in the table that is written
	yield func(*docRow) error
	row   docRow
	succs []lamport
}

func (w *rowWalk) id(l lamport) lamport {
	if l == 0 {
		return 0
	}
	return lamport(uint64(l)&^0xffffffff | w.rank[l.actor()])
}

func (w *rowWalk) object(o *object) error {
	w.row = docRow{obj: w.id(o.id)}
	if o.list != nil {
		return w.list(o.list)
	}
	s := w.s
	keys := slices.Clone(o.entries)
	slices.SortFunc(keys, func(a, b uint32) int {
		return bytes.Compare(s.keyOf(&s.entries[a]), s.keyOf(&s.entries[b]))
	})
	for _, i := range keys {
		e := &s.entries[i]
		w.row.key = s.keyOf(e)
		for r := range e.cell.all {
			if err := w.write(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *rowWalk) list(q *sequence) error {
	w.row.isElem = true
	for c := q.cursor(); c.next(); {
		w.row.elem, w.row.insert = w.id(c.ref), true
		if c.simple {
			r := row{id: c.id, action: ActionSet}
			w.row.value = c.value
			if err := w.emit(&r, c.succ); err != nil {
				return err
			}
			continue
		}
		for r := range c.cell.all {
			if err := w.write(r); err != nil {
				return err
			}
			w.row.elem, w.row.insert = w.id(c.id), false
		}
	}
	return nil
}

func (w *rowWalk) write(r *row) error {
	w.row.value = w.s.valueOf(r)
	return w.emit(r, w.s.successors(r)...)
}

func (w *rowWalk) emit(r *row, succs ...lamport) error {
	w.row.id, w.row.action = w.id(r.id), r.action
	w.row.expand, w.row.hasMark, w.row.mark = r.has(rowExpand), r.has(rowNamed), nil
	if w.row.hasMark {
		w.row.mark = []byte(w.s.marks[r.id])
	}
	w.succs = w.succs[:0]
	for _, l := range succs {
		if l != 0 {
			w.succs = append(w.succs, w.id(l))
		}
	}
	slices.Sort(w.succs)
	w.row.succs = w.succs
	return w.yield(&w.row)
}
