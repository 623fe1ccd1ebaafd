package crdt

import (
	"cmp"
	"slices"
)

// original is an object in a view, of which a transaction makes a copy.
type original struct {
	v   View
	obj uint32
}

// contentOf returns a value as content, to be written anew.
func (v View) contentOf(f found) content {
	c := content{action: f.action, value: f.value}
	if f.action != ActionSet {
		obj, _ := v.s.object(f.id)
		c.of = &original{v, obj}
	}
	return c
}

// copy fills a new object with what the original shows, and returns the objects
// to be filled.
func (tx *Tx) copy(o *txObject, of *original) (made []filling, err error) {
	v := of.v
	source := &v.s.objects[of.obj]
	if source.list == nil {
		for _, ref := range v.appendEntries(nil, of.obj) {
			e := &v.s.entries[ref.entry]
			f, _ := v.winner(&e.cell)
			made = append(made, tx.putContent(o, string(v.s.keyOf(e)), v.contentOf(f))...)
		}
		return made, tx.broken
	}
	var contents []content
	for r := v.reader(source); r.next(); {
		if r.end > r.start {
			contents = append(contents, v.contentOf(r.found))
		}
	}
	made, err = tx.insertContents(o, anchor{}, contents)
	if err == nil && source.kind == ActionMakeText {
		err = tx.copyMarksOf(o, nil, v, v.s.actors.opID(source.id))
	}
	return made, err
}

// copyMarks makes the marks of a text what they are in a view; have are those
// that it has.
func (tx *Tx) copyMarks(o *txObject, have []Mark, v View) error {
	return tx.copyMarksOf(o, have, v, o.id)
}

// copyMarksOf is copyMarks from another text with the same content.
func (tx *Tx) copyMarksOf(o *txObject, have []Mark, v View, text OpID) error {
	steps := compareMarks(have, v.Marks(text))
	if len(steps) == 0 {
		return nil
	}
	expand := v.expansions(text)
	for _, m := range steps {
		how := expand[m.Name]
		if m.Value.code == ValueNull {
			how = ExpandNone
		}
		if err := tx.mark(o.id, m.Start, m.End, m.Name, m.Value, how); err != nil {
			return err
		}
	}
	return nil
}

// expansions returns how the marks of a text expand, by name: as the last one of
// the name does.
func (v View) expansions(text OpID) map[string]Expand {
	o, _ := v.object(text)
	how := make(map[string]Expand)
	begins := make(map[string]bool)
	for r := v.reader(&v.s.objects[o]); r.step(); {
		m := v.markRow(&r.cursor.element)
		switch {
		case m == nil:
		case m.has(rowNamed):
			begins[v.s.marks[m.id]] = m.has(rowExpand)
		default:
			name := v.s.marks[m.id.plus(-1)]
			switch before, after := begins[name], m.has(rowExpand); {
			case before && after:
				how[name] = ExpandBoth
			case before:
				how[name] = ExpandBefore
			case after:
				how[name] = ExpandAfter
			default:
				how[name] = ExpandNone
			}
		}
	}
	return how
}

// compareMarks returns the ranges to be marked, null meaning unmarked, to turn
// marks into wanted ones. Both are by name and start, as View.Marks returns them.
func compareMarks(have, want []Mark) []Mark {
	var steps []Mark
	for len(have) > 0 || len(want) > 0 {
		name := ""
		if len(want) > 0 {
			name = want[0].Name
		}
		if len(have) > 0 && (len(want) == 0 || have[0].Name < name) {
			name = have[0].Name
		}
		a, b := marksNamed(have, name), marksNamed(want, name)
		have, want = have[len(a):], want[len(b):]
		steps = appendMarkSteps(steps, name, a, b)
	}
	return steps
}

// marksNamed returns the marks of a name at the front of some.
func marksNamed(marks []Mark, name string) []Mark {
	n := slices.IndexFunc(marks, func(m Mark) bool { return m.Name != name })
	if n < 0 {
		n = len(marks)
	}
	return marks[:n]
}

// appendMarkSteps compares the marks of one name.
func appendMarkSteps(steps []Mark, name string, have, want []Mark) []Mark {
	var borders []int
	for _, m := range slices.Concat(have, want) {
		borders = append(borders, m.Start, m.End)
	}
	slices.Sort(borders)
	borders = slices.Compact(borders)
	for i, start := range borders[:len(borders)-1] {
		step := Mark{Name: name, Value: markAt(&want, start), Start: start, End: borders[i+1]}
		if step.Value.Equal(markAt(&have, start)) {
			continue
		}
		if last := len(steps) - 1; last >= 0 && steps[last].End == start && steps[last].Name == name && steps[last].Value.Equal(step.Value) {
			steps[last].End = step.End
			continue
		}
		steps = append(steps, step)
	}
	return steps
}

// markAt returns the value at an index, null for none, and drops the marks that
// end before.
func markAt(marks *[]Mark, index int) Value {
	for len(*marks) > 0 && cmp.Compare((*marks)[0].End, index) <= 0 {
		*marks = (*marks)[1:]
	}
	if len(*marks) == 0 || (*marks)[0].Start > index {
		return NullValue()
	}
	return (*marks)[0].Value
}

// marks returns the marks of a text as the transaction sees them, see View.Marks.
func (l *txList) marks() []Mark {
	s := l.tx.s
	if !l.marked && len(s.marks) == 0 {
		return nil
	}
	w := newMarkWriter(s.View())
	at := 0
	for _, b := range l.blocks {
		for _, p := range b.pieces {
			if p.own == nil {
				at = l.marksInBase(&w, &p, at)
				continue
			}
			for i := range p.own {
				if op := l.tx.opOf(p.own[i].id); op.Action == ActionMark && p.own[i].shown == nil {
					l.meetOwn(&w, &op, at)
				}
				at += p.own[i].width
			}
		}
	}
	return w.end(at)
}

func (l *txList) marksInBase(w *markWriter, p *piece, at int) int {
	if p.from == p.to {
		return at
	}
	h, start := l.base.spanAtRank(p.from)
	c := l.base.cursorIn(h, p.from-start)
	for range p.to - p.from {
		c.next()
		w.meet(&c.element, at)
		if p.width > 0 {
			at += c.width
		}
	}
	return at
}

// meetOwn opens or closes a mark that the transaction wrote. Its ids are above
// those of all others, so that they compare without the author's place in the table.
func (l *txList) meetOwn(w *markWriter, op *Op, at int) {
	author, ok := l.tx.s.actors.find(op.ID.Actor)
	if !ok {
		author = uint32(len(l.tx.s.actors.ids))
	}
	id := newLamport(op.ID.Counter, author)
	if op.HasMarkName {
		w.set.open(op.MarkName, found{id: id, value: op.Value})
		w.turn(op.MarkName, at)
		return
	}
	begin := l.tx.opOf(OpID{op.ID.Counter - 1, op.ID.Actor})
	if w.set.close(begin.MarkName, id.plus(-1)) {
		w.turn(begin.MarkName, at)
	}
}
