package rules

import (
	"cmp"
	"math"
	"strings"
	"time"

	"concord/crdt"
)

// Holds reports whether a condition is met by the document that view returns
// for each path; it need not be the same for all of them.
//
// A place that isn't there equals nothing, is neither more nor less than
// anything, and is in no list; != and not in are the opposites of == and in.
// Values of different types are different and have no order. Counters are
// numbers, timestamps the text that JSON has for them, texts and scalar strings
// both texts.
func (e *Expr) Holds(view func(path string) crdt.View) bool {
	switch e.op {
	case opOr, opAnd:
		for _, arg := range e.args {
			if arg.Holds(view) == (e.op == opOr) {
				return e.op == opOr
			}
		}
		return e.op == opAnd
	case opNot:
		return !e.args[0].Holds(view)
	}
	v := view(e.path)
	item, err := v.Lookup(e.path)
	if err != nil {
		return e.op == opDiffers || e.op == opNotIn
	}
	switch e.op {
	case opExists:
		return true
	case opEqual, opIn:
		return e.has(v, item)
	case opDiffers, opNotIn:
		return !e.has(v, item)
	}
	order, ok := e.values[0].compare(v, item)
	if !ok {
		return false
	}
	switch e.op {
	case opLess:
		return order < 0
	case opAtMost:
		return order <= 0
	case opMore:
		return order > 0
	}
	return order >= 0
}

func (e *Expr) has(v crdt.View, item crdt.Item) bool {
	for _, l := range e.values {
		if order, ok := l.compare(v, item); ok && order == 0 {
			return true
		}
	}
	return false
}

// compare returns how a value of a document lies to the literal; false if they
// are of different types, or unordered.
func (l literal) compare(v crdt.View, item crdt.Item) (order int, ok bool) {
	if item.Kind == crdt.KindText {
		return l.compareText(textBeginning(v, item.ID))
	}
	if item.Kind != crdt.KindScalar {
		return 0, false
	}
	value := item.Value
	switch value.Code() {
	case crdt.ValueString:
		return l.compareText(value.Text())
	case crdt.ValueTimestamp:
		return l.compareText(time.UnixMilli(value.Int()).UTC().Format(timeForm))
	case crdt.ValueTrue, crdt.ValueFalse:
		if l.kind != literalBool {
			return 0, false
		} else if l.truth != value.Bool() {
			return 1, true
		}
		return 0, true
	case crdt.ValueNull:
		return 0, l.kind == literalNull
	}
	return l.compareNumber(value)
}

// timeForm is how JSON shows timestamps.
const timeForm = "2006-01-02T15:04:05.000Z"

func (l literal) compareText(s string) (int, bool) {
	return strings.Compare(s, l.text), l.kind == literalText
}

func (l literal) compareNumber(v crdt.Value) (int, bool) {
	if l.kind != literalNumber {
		return 0, false
	}
	var n float64
	switch v.Code() {
	case crdt.ValueInt, crdt.ValueCounter:
		if l.isWhole {
			return cmp.Compare(v.Int(), l.whole), true
		}
		n = float64(v.Int())
	case crdt.ValueUint:
		if l.isWhole && (l.whole < 0 || v.Uint() > 1<<63-1) {
			return 1, true
		} else if l.isWhole {
			return cmp.Compare(int64(v.Uint()), l.whole), true
		}
		n = float64(v.Uint())
	case crdt.ValueFloat64:
		n = v.Float64()
	default:
		return 0, false
	}
	return cmp.Compare(n, l.number), !math.IsNaN(n)
}

// textBeginning returns as much of a text as a literal can be compared to: more
// than any literal has.
func textBeginning(v crdt.View, text crdt.OpID) string {
	var b strings.Builder
	for e := range v.Elements(text, 0) {
		if e.Kind == crdt.KindScalar && e.Value.Code() == crdt.ValueString {
			b.Write(e.Value.Bytes())
		} else {
			b.WriteRune('\uFFFC')
		}
		if b.Len() > maxLiteral {
			break
		}
	}
	return b.String()
}
