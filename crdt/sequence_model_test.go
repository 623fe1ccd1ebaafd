package crdt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// seqModel is a sequence and what it must look like.
type seqModel struct {
	*testing.T
	s        *OpSet
	q        *sequence
	rng      *rand.Rand
	elements map[lamport]*element // as a cursor must show them
	children map[lamport][]lamport
	order    []lamport
	max      uint32
}

func newSeqModel(t *testing.T, seed uint64, text bool) *seqModel {
	m := &seqModel{
		T: t, s: NewOpSet(), q: newSequence(text), rng: rand.New(rand.NewPCG(seed, 0)),
		elements: make(map[lamport]*element), children: make(map[lamport][]lamport),
	}
	for _, a := range []string{"m", "c", "z", "a", "x"} { // their order isn't that of the table
		m.s.actors.add(ActorID(a))
	}
	return m
}

func (m *seqModel) value() Value {
	switch m.rng.IntN(12) {
	case 0:
		return StringValue("\U0001f600")
	case 1:
		return StringValue("")
	case 2:
		return StringValue(strings.Repeat("ä", m.rng.IntN(300)))
	case 3:
		return IntValue(m.rng.Int64() >> m.rng.IntN(64))
	case 4:
		return NullValue()
	case 5:
		return UnknownValue(12, []byte{1, 2})
	case 6:
		return Float64Value(1.5)
	}
	return StringValue(string(rune('a' + m.rng.IntN(26))))
}

func (m *seqModel) widthOf(v Value) int {
	if !m.q.text || v.code != ValueString {
		return 1
	}
	n := 0
	for _, r := range v.Text() {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// anyID returns an element, or 0 for the head.
func (m *seqModel) anyID() lamport {
	if len(m.order) == 0 || m.rng.IntN(20) == 0 {
		return 0
	}
	return m.order[m.rng.IntN(len(m.order))]
}

// newID returns an id greater than ref, often less than others in the list.
func (m *seqModel) newID(ref lamport) lamport {
	if next := ref.plus(1); ref != 0 && m.elements[next] == nil && m.rng.IntN(4) == 0 {
		m.max = max(m.max, next.counter())
		return next
	}
	for {
		counter := m.max + 1
		if m.rng.IntN(3) == 0 {
			counter = ref.counter() + 1 + m.rng.Uint32N(5)
		}
		id := newLamport(counter, m.rng.Uint32N(5))
		if m.elements[id] == nil {
			m.max = max(m.max, counter)
			return id
		}
		m.max++
	}
}

func (m *seqModel) insert(ref, id lamport, v Value, r *row) {
	m.Helper()
	want := element{id: id, ref: ref, simple: r == nil, width: m.widthOf(v), value: v}
	rank := m.q.insertRank(m.s, ref, id)
	if r == nil {
		m.q.insert(m.s, ref, id, v)
	} else {
		m.q.insertCell(m.s, ref, id, *r)
		want.value = Value{}
		want.width = min(want.width, 1)
	}
	if got := m.q.rank(id); got != rank {
		m.Fatalf("element was to get rank %d, got %d", rank, got)
	}
	m.elements[id] = &want
	m.children[ref] = append(m.children[ref], id)
	m.reorder()
}

// reorder is the rule of the list order: depth first, siblings by descending id.
func (m *seqModel) reorder() {
	m.order = m.order[:0]
	stack := []lamport{0}
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if id != 0 {
			m.order = append(m.order, id)
		}
		children := m.children[id]
		slices.SortFunc(children, m.s.actors.compare)
		stack = append(stack, children...)
	}
}

// typeRun inserts several elements, each behind the one before.
func (m *seqModel) typeRun() {
	ref := m.anyID()
	id := m.newID(ref)
	for range 1 + m.rng.IntN(100) {
		m.insert(ref, id, m.value(), nil)
		ref, id = id, id.plus(1)
		if m.elements[id] != nil {
			break
		}
		m.max = max(m.max, id.counter())
	}
}

// deleteRun deletes neighbours in one direction with ids in one direction.
func (m *seqModel) deleteRun() {
	if len(m.order) == 0 {
		return
	}
	at, by := m.rng.IntN(len(m.order)), m.rng.IntN(2)*2-1
	del, step := newLamport(m.max+200, m.rng.Uint32N(5)), m.rng.IntN(3)-1
	m.max += 400
	for range 1 + m.rng.IntN(80) {
		if at < 0 || at == len(m.order) {
			break
		}
		e := m.elements[m.order[at]]
		if got, want := m.q.delete(m.s, e.id, del), e.simple && e.succ == 0; got != want {
			m.Fatalf("delete returned %v, want %v", got, want)
		} else if got {
			e.succ, e.width = del, 0
		}
		at, del = at+by, del.plus(step)
	}
}

func (m *seqModel) insertComplex() {
	ref := m.anyID()
	id := m.newID(ref)
	r, v := m.s.newRow(id, ActionMakeMap, NullValue()), NullValue()
	if m.rng.IntN(2) == 0 {
		r = m.s.newMarkRow(id, NullValue(), false, true, []byte("bold"))
		v = StringValue("") // takes no room
	}
	m.insert(ref, id, v, &r)
	if r.action == ActionMark {
		m.elements[id].width = 0
	}
}

// set overwrites an element, visible or not.
func (m *seqModel) set() {
	id := m.anyID()
	if id == 0 {
		return
	}
	e := m.elements[id]
	simple := e.simple
	if got := m.q.cellAt(id); (got != nil) == simple {
		m.Fatalf("cellAt returned %v of an element with simple %v", got, simple)
	}
	c := m.q.cell(m.s, id)
	if first := c.find(&m.s.actors, id); first == nil || simple && !m.s.valueOf(first).Equal(e.value) ||
		simple && e.succ != 0 && !slices.Equal(m.s.successors(first), []lamport{e.succ}) {
		m.Fatalf("cell of %v has row %v", e, first)
	}
	m.max++
	v := m.value()
	by := newLamport(m.max, m.rng.Uint32N(5))
	if w := c.winner(); w != nil {
		m.s.addSucc(c, w.id, by, false, 0)
	}
	m.s.addRow(c, m.s.newRow(by, ActionSet, v))
	m.q.refresh(m.s, id)
	*e = element{id: e.id, ref: e.ref, width: m.widthOf(v)}
}

// compare checks all that can be read of the list.
func (m *seqModel) compare() {
	m.Helper()
	checkSequence(m.T, m.s, m.q)
	at := 0
	c, live := m.q.cursor(), m.q.cursor()
	for rank, id := range m.order {
		want := m.elements[id]
		if !c.next() {
			m.Fatalf("cursor ends before element %d", rank)
		}
		m.same(c.element, want)
		if !want.simple || want.succ == 0 {
			if !live.nextLive() {
				m.Fatalf("live cursor ends before element %d", rank)
			}
			m.same(live.element, want)
		}
		if got := m.q.rank(id); got != rank {
			m.Fatalf("rank of element %d is %d", rank, got)
		}
		if got, width := m.q.index(id); got != at || width != want.width {
			m.Fatalf("index of element %d is %d, width %d, want %d, %d", rank, got, width, at, want.width)
		}
		m.compareIndexes(want, at)
		at += want.width
	}
	if c.next() || live.nextLive() || m.q.length() != len(m.order) || m.q.width() != at {
		m.Fatalf("%d elements of width %d, want %d of %d", m.q.length(), m.q.width(), len(m.order), at)
	}
	end, start := m.q.cursorAtIndex(at)
	if _, _, ok := m.q.at(at); ok || end.next() || start != at {
		m.Fatal("there are elements beyond the ends")
	}
}

// compareIndexes checks what covers the indexes of an element that starts at at.
func (m *seqModel) compareIndexes(want *element, at int) {
	m.Helper()
	c := m.q.cursorAt(want.id)
	if !c.next() {
		m.Fatal("no element at a cursor")
	}
	m.same(c.element, want)
	for _, i := range []int{at, at + want.width - 1} {
		if want.width == 0 {
			break
		}
		e, start, ok := m.q.at(i)
		if !ok || start != at {
			m.Fatalf("index %d is in an element from %d, want %d", i, start, at)
		}
		m.same(e, want)
	}
}

func (m *seqModel) same(got element, want *element) {
	m.Helper()
	if got.id != want.id || got.ref != want.ref || got.width != want.width || got.simple != want.simple ||
		got.succ != want.succ || (got.cell == nil) != want.simple || want.simple && !got.value.Equal(want.value) {
		m.Fatalf("element %+v, want %+v", got, *want)
	}
}

// rebuild loads the same elements anew.
func (m *seqModel) rebuild() *sequence {
	b := newSequenceBuilder(m.s, m.q.text)
	for c := m.q.cursor(); c.next(); {
		if c.simple {
			b.add(c.ref, c.id, c.value, c.succ)
		} else {
			b.addCell(c.ref, c.id, *c.cell)
		}
	}
	return b.finish()
}

func TestSequenceModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			m := newSeqModel(t, seed, seed%3 > 0)
			for i := range 400 {
				switch n := m.rng.IntN(20); {
				case n < 9:
					ref := m.anyID()
					m.insert(ref, m.newID(ref), m.value(), nil)
				case n < 10:
					m.typeRun()
				case n < 13:
					m.deleteRun()
				case n < 15:
					m.insertComplex()
				case n < 17:
					m.set()
				case n < 18 && seed%2 > 0 && i%100 == 99:
					m.q = m.rebuild()
				}
				if i%20 == 19 {
					m.compare()
				}
			}
			m.q = m.rebuild()
			m.compare()
		})
	}
}

func TestSequenceEmpty(t *testing.T) {
	m := newSeqModel(t, 0, true)
	m.compare()
	if m.q.has(newLamport(1, 0)) || m.q.cell(m.s, newLamport(1, 0)) != nil || m.q.delete(m.s, newLamport(1, 0), newLamport(2, 0)) {
		t.Fatal("an empty text has an element")
	}
	if m.q = m.rebuild(); m.q.insertRank(m.s, 0, newLamport(1, 0)) != 0 {
		t.Fatal("the first element has no place")
	}
	m.compare()
}
