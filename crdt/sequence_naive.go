package crdt

// Stand-in until the real sequence lands, which deletes this file.

type element struct {
	id, ref lamport
	width   int
	simple  bool
	value   Value
	succ    lamport
	cell    *cell
}
type sequence struct {
	text bool
	els  []*element
}

func newSequence(text bool) *sequence { return &sequence{text: text} }
func (q *sequence) pos(id lamport) int {
	for i, e := range q.els {
		if e.id == id {
			return i
		}
	}
	return -1
}
func (q *sequence) put(s *OpSet, ref, id lamport) *element {
	at := q.insertRank(s, ref, id)
	e := &element{id: id, ref: ref}
	q.els = append(q.els, nil)
	copy(q.els[at+1:], q.els[at:])
	q.els[at] = e
	return e
}
func (q *sequence) insert(s *OpSet, ref, id lamport, v Value) {
	e := q.put(s, ref, id)
	e.simple, e.value = true, Value{v.code, v.num, append([]byte(nil), v.raw...)}
	e.width = q.w(e, s)
}
func (q *sequence) w(e *element, s *OpSet) int {
	if !e.simple {
		return s.width(e.cell, q.text)
	}
	if e.succ != 0 {
		return 0
	}
	if q.text && e.value.code == ValueString {
		return utf16Len(e.value.raw)
	}
	return 1
}
func (q *sequence) insertCell(s *OpSet, ref, id lamport, r row) {
	e := q.put(s, ref, id)
	e.cell = &cell{}
	s.addRow(e.cell, r)
	e.width = q.w(e, s)
}
func (q *sequence) has(id lamport) bool { return q.pos(id) >= 0 }
func (q *sequence) cell(s *OpSet, id lamport) *cell {
	i := q.pos(id)
	if i < 0 {
		return nil
	}
	e := q.els[i]
	if e.simple {
		e.cell = &cell{}
		s.addRow(e.cell, s.newRow(id, ActionSet, e.value))
		if e.succ != 0 {
			s.addSucc(e.cell, id, e.succ, false, 0)
		}
		e.simple = false
	}
	return e.cell
}
func (q *sequence) cellAt(s *OpSet, id lamport) *cell {
	if i := q.pos(id); i >= 0 && !q.els[i].simple {
		return q.els[i].cell
	}
	return nil
}
func (q *sequence) delete(s *OpSet, id, del lamport) bool {
	e := q.els[q.pos(id)]
	if !e.simple || e.succ != 0 {
		return false
	}
	e.succ = del
	e.width = 0
	return true
}
func (q *sequence) refresh(s *OpSet, id lamport) { e := q.els[q.pos(id)]; e.width = q.w(e, s) }
func (q *sequence) rank(id lamport) int          { return q.pos(id) }
func (q *sequence) insertRank(s *OpSet, ref, id lamport) int {
	at := 0
	if ref != 0 {
		at = q.pos(ref) + 1
	}
	for at < len(q.els) && s.actors.less(id, q.els[at].id) {
		at++
	}
	return at
}
func (q *sequence) size() int { return 0 }

type cursor struct {
	element
	q *sequence
	i int
}

func (q *sequence) cursor(s *OpSet) *cursor { return &cursor{q: q} }
func (c *cursor) next() bool {
	if c.i == len(c.q.els) {
		return false
	}
	c.element = *c.q.els[c.i]
	c.i++
	return true
}

type sequenceBuilder struct {
	s *OpSet
	q *sequence
}

func newSequenceBuilder(s *OpSet, text bool) *sequenceBuilder {
	return &sequenceBuilder{s, newSequence(text)}
}
func (b *sequenceBuilder) add(ref, id lamport, v Value, succ lamport) {
	e := &element{id: id, ref: ref, simple: true, value: v, succ: succ}
	e.width = b.q.w(e, b.s)
	b.q.els = append(b.q.els, e)
}
func (b *sequenceBuilder) addCell(ref, id lamport, c cell) {
	e := &element{id: id, ref: ref, cell: &c}
	e.width = b.q.w(e, b.s)
	b.q.els = append(b.q.els, e)
}
func (b *sequenceBuilder) finish() *sequence { return b.q }
