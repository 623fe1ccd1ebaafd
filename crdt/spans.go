package crdt

import (
	"iter"
	"maps"
	"slices"
	"strings"
)

// objectReplacement is U+FFFC, which stands in a text for what isn't a string.
var objectReplacement = []byte("\ufffc")

// text returns what a value contributes to a text.
func (f *found) text() []byte {
	if f.action == ActionSet && f.value.code == ValueString {
		return f.value.raw
	}
	return objectReplacement
}

// Text returns the content of a text object: its strings one after the other,
// U+FFFC for each other element. It is empty for other objects.
func (v View) Text(obj OpID) string {
	o, ok := v.object(obj)
	if !ok || v.s.objects[o].kind != ActionMakeText {
		return ""
	}
	var text strings.Builder
	for part := range v.strings(&v.s.objects[o]) {
		text.Write(part)
	}
	return text.String()
}

// strings yields what the visible elements of a text contribute to it.
func (v View) strings(o *object) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if v.clock != nil {
			r := v.reader(o)
			for r.next() && yield(r.found.text()) {
			}
			return
		}
		c := o.list.cursor()
		for ok := c.l != nil; ok; ok = c.nextSpan() {
			if c.p.complex {
				c.next()
				if f, ok := v.winner(c.cell); ok && !yield(f.text()) {
					return
				}
			} else if c.p.succ == 0 && !c.p.strings(yield) {
				return
			}
		}
	}
}

// strings yields what the values of the span contribute to a text.
func (p *span) strings(yield func([]byte) bool) bool {
	for at := 0; at < len(p.data); {
		m := itemAt(p.data, at)
		at = m.to
		part := objectReplacement
		if m.code == ValueString {
			part = p.data[m.from:m.to]
		}
		if !yield(part) {
			return false
		}
	}
	return true
}

// Span is a part of a text: a run under the same marks, or a block marker.
type Span struct {
	Start int         // UTF-16 code units before it
	Text  string      // of a run
	Marks []MarkValue // of a run: by name; runs share the slice, which must not be modified
	Block OpID        // the map that marks the beginning of a block; zero for a run
}

// MarkValue is a mark that holds over a span.
type MarkValue struct {
	Name  string
	Value Value // never null
}

// Spans yields the content of a text object in order. Neighbouring runs differ
// in their marks or have a block marker between them.
func (v View) Spans(obj OpID) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		o, ok := v.object(obj)
		if !ok || v.s.objects[o].kind != ActionMakeText {
			return
		}
		w := spanWriter{marks: markSet{v: v}, yield: yield}
		r := v.reader(&v.s.objects[o])
		for r.step() {
			if !w.add(r) {
				return
			}
		}
		w.flush()
	}
}

// spanWriter collects the runs of a text.
type spanWriter struct {
	marks   markSet
	changed bool // marks, since run.Marks were taken from them
	run     Span
	text    []byte
	yield   func(Span) bool
}

// add takes the reader's present element; it is false when the receiver stops.
func (w *spanWriter) add(r *elementReader) bool {
	if _, ok := w.marks.meet(&r.cursor.element); ok {
		w.changed = true
	}
	if !r.shown || r.end == r.start {
		return true
	}
	if r.found.action == ActionMakeMap {
		return w.flush() && w.yield(Span{Start: r.start, Block: r.v.s.actors.opID(r.found.id)})
	}
	if w.changed {
		w.changed = false
		if now := w.marks.values(); !slices.EqualFunc(now, w.run.Marks, MarkValue.equal) {
			if !w.flush() {
				return false
			}
			w.run.Marks = now
		}
	}
	if len(w.text) == 0 {
		w.run.Start = r.start
	}
	w.text = append(w.text, r.found.text()...)
	return true
}

func (w *spanWriter) flush() bool {
	if len(w.text) == 0 {
		return true
	}
	w.run.Text = string(w.text)
	w.text = w.text[:0]
	return w.yield(w.run)
}

func (m MarkValue) equal(other MarkValue) bool {
	return m.Name == other.Name && m.Value.Equal(other.Value)
}

// Mark is a range of a text over which a mark holds.
type Mark struct {
	Name       string
	Value      Value
	Start, End int // UTF-16 code units; never equal
}

// Marks returns the marks of a text object by name and start. Ranges of one name
// don't overlap: where several marks of the name do, the one made last holds, a
// null one meaning that there is none.
func (v View) Marks(obj OpID) []Mark {
	o, ok := v.object(obj)
	if !ok || v.s.objects[o].kind != ActionMakeText {
		return nil
	}
	r := v.reader(&v.s.objects[o])
	w := newMarkWriter(v)
	for r.step() {
		w.meet(&r.cursor.element, r.start)
	}
	return w.end(r.end)
}

// markWriter collects the marks of a text.
type markWriter struct {
	set    markSet
	ranges map[string]markRanges
}

func newMarkWriter(v View) markWriter {
	return markWriter{markSet{v: v}, make(map[string]markRanges)}
}

// meet takes an element that stands at an index.
func (w *markWriter) meet(e *element, at int) {
	if name, ok := w.set.meet(e); ok {
		w.turn(name, at)
	}
}

// turn notes what holds under a name from an index on.
func (w *markWriter) turn(name string, at int) {
	value, holds := w.set.value(name)
	w.ranges[name] = w.ranges[name].turn(Mark{Name: name, Value: value, Start: at, End: openEnd}, holds)
}

func (w *markWriter) end(at int) []Mark {
	var marks []Mark
	for _, name := range slices.Sorted(maps.Keys(w.ranges)) {
		marks = append(marks, w.ranges[name].turn(Mark{Start: at}, false)...)
	}
	return marks
}

// markRanges are the ranges of one name. The last one may still be open.
type markRanges []Mark

const openEnd = -1

// turn begins a range, or ends the open one where next starts if nothing holds
// from there.
func (m markRanges) turn(next Mark, holds bool) markRanges {
	last := len(m) - 1
	if last >= 0 && m[last].End == openEnd {
		if holds && m[last].Value.Equal(next.Value) {
			return m
		}
		m[last].End = next.Start
		if m[last].Start == next.Start {
			m = m[:last]
			last--
		}
	}
	switch {
	case !holds:
	case last >= 0 && m[last].End == next.Start && m[last].Value.Equal(next.Value):
		m[last].End = openEnd
	default:
		m = append(m, next)
	}
	return m
}
