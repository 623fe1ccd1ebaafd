package rules

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"

	"concord/crdt"
)

// MaxText is how many bytes of a text in a document count.
const MaxText = 1024

// Value is what rules see of a place in a document, or a value that stands in an
// expression. The zero Value is that of a place that isn't there. Counters are
// numbers, timestamps the text that JSON has for them, texts and scalar strings
// both texts.
type Value struct {
	kind  kind
	text  string // of a text, at most MaxText bytes; of a number in an expression as it stands; of something else what it is
	truth bool

	// Of a number: exact for an integer, which is huge if it doesn't fit into whole.
	exact  bool
	whole  int64
	huge   uint64
	number float64
}

type kind int

const (
	kindNone kind = iota
	kindText
	kindNumber
	kindBool
	kindNull
	kindOther // maps, lists, bytes: what expressions can't name
)

var kindNames = [...]string{"nothing", "a text", "a number", "true or false", "null", "something else"}

func (k kind) String() string { return kindNames[k] }

// word reads what stands without quotes.
func word(s string) Value {
	switch s {
	case "true", "false":
		return Value{kind: kindBool, truth: s == "true"}
	case "null":
		return Value{kind: kindNull}
	}
	if strings.Trim(s, "0123456789+-.eE") == "" { // no names such as Inf or 0x1p-2
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			whole, err := strconv.ParseInt(s, 10, 64)
			return Value{kind: kindNumber, text: s, number: n, whole: whole, exact: err == nil}
		}
	}
	return textValue(s)
}

func textValue(s string) Value { return Value{kind: kindText, text: s} }

// Read returns the value of a place. path is a JSON Pointer.
func Read(v crdt.View, path string) Value {
	item, err := v.Lookup(path)
	if err != nil {
		return Value{}
	}
	return valueOf(v, item)
}

// timeForm is how JSON shows timestamps.
const timeForm = "2006-01-02T15:04:05.000Z"

func valueOf(v crdt.View, item crdt.Item) Value {
	switch item.Kind {
	case crdt.KindText:
		return textValue(textBeginning(v, item.ID))
	case crdt.KindScalar:
	default:
		return Value{kind: kindOther, text: item.Kind.String()}
	}
	switch value := item.Value; value.Code() {
	case crdt.ValueString:
		return textValue(string(value.Bytes()[:min(MaxText, len(value.Bytes()))]))
	case crdt.ValueTimestamp:
		return textValue(time.UnixMilli(value.Int()).UTC().Format(timeForm))
	case crdt.ValueTrue, crdt.ValueFalse:
		return Value{kind: kindBool, truth: value.Bool()}
	case crdt.ValueNull:
		return Value{kind: kindNull}
	case crdt.ValueInt, crdt.ValueCounter:
		return Value{kind: kindNumber, exact: true, whole: value.Int(), number: float64(value.Int())}
	case crdt.ValueUint:
		n := Value{kind: kindNumber, exact: true, number: float64(value.Uint())}
		if n.huge = value.Uint(); n.huge <= math.MaxInt64 {
			n.whole, n.huge = int64(n.huge), 0
		}
		return n
	case crdt.ValueFloat64:
		return Value{kind: kindNumber, number: value.Float64()}
	default:
		b := value.Bytes()
		return Value{kind: kindOther, text: "bytes " + string(b[:min(MaxText, len(b))])}
	}
}

// textBeginning returns as much of a text as counts.
func textBeginning(v crdt.View, text crdt.OpID) string {
	var b strings.Builder
	for e := range v.Elements(text, 0) {
		if e.Kind == crdt.KindScalar && e.Value.Code() == crdt.ValueString {
			b.Write(e.Value.Bytes())
		} else {
			b.WriteRune('\uFFFC')
		}
		if b.Len() >= MaxText {
			return b.String()[:MaxText]
		}
	}
	return b.String()
}

// Exists reports whether there is something at the place.
func (v Value) Exists() bool { return v.kind != kindNone }

// Text returns a text; false for other values.
func (v Value) Text() (string, bool) { return v.text, v.kind == kindText }

// compare returns how a value lies to another one; false if they are of different
// types, or unordered.
func (v Value) compare(other Value) (order int, ok bool) {
	if v.kind != other.kind {
		return 0, false
	}
	switch v.kind {
	case kindText:
		return strings.Compare(v.text, other.text), true
	case kindBool:
		if v.truth != other.truth {
			return 1, true
		}
		return 0, true
	case kindNull:
		return 0, true
	case kindNumber:
		return v.compareNumber(other)
	}
	return 0, false
}

func (v Value) compareNumber(other Value) (int, bool) {
	if v.exact && other.exact {
		return cmp.Or(cmp.Compare(v.huge, other.huge), cmp.Compare(v.whole, other.whole)), true
	}
	return cmp.Compare(v.number, other.number), !math.IsNaN(v.number) && !math.IsNaN(other.number)
}

// Same reports whether nothing has changed from one value to another: maps are
// the same whatever is in them, and so are lists.
func (v Value) Same(other Value) bool {
	if order, ok := v.compare(other); ok {
		return order == 0
	}
	switch {
	case v.kind != other.kind:
		return false
	case v.kind == kindNumber: // not both are
		return math.IsNaN(v.number) && math.IsNaN(other.number)
	}
	return v.text == other.text
}

// Among reports whether a value is one of a list, in which null stands for a
// place that isn't there as well.
func (v Value) Among(list []Value) bool {
	for _, l := range list {
		if order, ok := v.compare(l); ok && order == 0 || l.kind == kindNull && !v.Exists() {
			return true
		}
	}
	return false
}

// Size returns the bytes of memory that the value holds, about.
func (v Value) Size() int { return 72 + len(v.text) }

// String returns the value as it can stand in an expression.
func (v Value) String() string {
	switch {
	case v.kind == kindBool:
		return strconv.FormatBool(v.truth)
	case v.kind == kindNull:
		return "null"
	case v.kind == kindNumber:
		return v.text
	case v.text != "" && !keyword(v.text) && word(v.text).kind == kindText && v.text[0] != '/' && !strings.ContainsFunc(v.text, delimits):
		return v.text
	case strings.Contains(v.text, `"`):
		return "'" + v.text + "'"
	}
	return `"` + v.text + `"`
}
