package crdt

import (
	"slices"
	"strings"
)

// markSet holds the marks that are open at a place in a text, while a reader
// walks through it.
type markSet struct {
	v     View
	names []openMarks // ascending, none without begins
}

// openMarks are the open marks of one name.
type openMarks struct {
	name   string
	begins []found // ascending: the last one holds
}

// markRow returns the begin or end of a mark that an element is, nil for others.
func (v View) markRow(e *element) *row {
	if e.simple || !v.covers(e.id) {
		return nil
	}
	if r := e.cell.find(&v.s.actors, e.id); r.action == ActionMark {
		return r
	}
	return nil
}

// meet opens or closes a mark if an element says so, and returns its name.
func (m *markSet) meet(e *element) (name string, ok bool) {
	r := m.v.markRow(e)
	if r == nil {
		return "", false
	}
	s := m.v.s
	if r.has(rowNamed) {
		name = s.marks[r.id]
		m.open(name, found{id: r.id, value: s.valueOf(r)})
		return name, true
	}
	begin := r.id.plus(-1)
	name, ok = s.marks[begin]
	return name, ok && m.close(name, begin)
}

func (m *markSet) find(name string) (int, bool) {
	return slices.BinarySearchFunc(m.names, name, func(o openMarks, name string) int { return strings.Compare(o.name, name) })
}

func (m *markSet) findBegin(begins []found, id lamport) (int, bool) {
	return slices.BinarySearchFunc(begins, id, func(f found, id lamport) int { return m.v.s.actors.compare(f.id, id) })
}

func (m *markSet) open(name string, begin found) {
	i, ok := m.find(name)
	if !ok {
		m.names = slices.Insert(m.names, i, openMarks{name: name})
	}
	begins := &m.names[i].begins
	at, _ := m.findBegin(*begins, begin.id)
	*begins = slices.Insert(*begins, at, begin)
}

// close is false if the mark isn't open.
func (m *markSet) close(name string, begin lamport) bool {
	i, ok := m.find(name)
	if !ok {
		return false
	}
	begins := &m.names[i].begins
	at, ok := m.findBegin(*begins, begin)
	if !ok {
		return false
	}
	if *begins = slices.Delete(*begins, at, at+1); len(*begins) == 0 {
		m.names = slices.Delete(m.names, i, i+1)
	}
	return true
}

// value returns what holds under a name, false for nothing.
func (m *markSet) value(name string) (Value, bool) {
	i, ok := m.find(name)
	if !ok {
		return Value{}, false
	}
	return m.names[i].value()
}

func (o *openMarks) value() (Value, bool) {
	v := o.begins[len(o.begins)-1].value
	return v, v.code != ValueNull
}

// values returns all marks that hold, by name.
func (m *markSet) values() []MarkValue {
	var values []MarkValue
	for i := range m.names {
		if v, holds := m.names[i].value(); holds {
			values = append(values, MarkValue{m.names[i].name, v})
		}
	}
	return values
}
