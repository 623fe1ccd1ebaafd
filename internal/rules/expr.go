package rules

import (
	"strconv"
	"strings"
)

// Expr is a condition on a document, such as
//
//	/status in [posted, paid] and not (/total < 1000 or /draft == true)
//
// Expressions are immutable and safe for concurrent use.
type Expr struct {
	op     operator
	args   []*Expr   // of and, or, not
	path   string    // JSON Pointer that everything else is about
	column int       // bytes before the path in the expression
	values []literal // of in and not in, else one; none of exists
}

type operator int

const (
	opOr operator = iota
	opAnd
	opNot
	opExists
	opEqual
	opDiffers
	opLess
	opAtMost
	opMore
	opAtLeast
	opIn
	opNotIn
)

var operatorNames = [...]string{"or", "and", "not", "exists", "==", "!=", "<", "<=", ">", ">=", "in", "not in"}

func (o operator) String() string { return operatorNames[o] }

func (o operator) ordering() bool { return o >= opLess && o <= opAtLeast }

// literal is a value that stands in an expression.
type literal struct {
	kind  literalKind
	text  string // of a text; of a number as it stands
	truth bool

	whole   int64 // of a number that is one
	isWhole bool
	number  float64
}

type literalKind int

const (
	literalText literalKind = iota
	literalNumber
	literalBool
	literalNull
)

var literalNames = [...]string{"a text", "a number", "true or false", "null"}

func (k literalKind) String() string { return literalNames[k] }

// word reads what stands without quotes.
func word(s string) literal {
	switch s {
	case "true", "false":
		return literal{kind: literalBool, truth: s == "true"}
	case "null":
		return literal{kind: literalNull}
	}
	if strings.Trim(s, "0123456789+-.eE") == "" { // no names such as Inf or 0x1p-2
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			whole, err := strconv.ParseInt(s, 10, 64)
			return literal{kind: literalNumber, text: s, number: n, whole: whole, isWhole: err == nil}
		}
	}
	return literal{text: s}
}

// String returns the literal as it can stand in an expression.
func (l literal) String() string {
	switch {
	case l.kind == literalBool:
		return strconv.FormatBool(l.truth)
	case l.kind == literalNull:
		return "null"
	case l.kind == literalNumber:
		return l.text
	case l.text != "" && !keyword(l.text) && word(l.text).kind == literalText && l.text[0] != '/' && !strings.ContainsFunc(l.text, delimits):
		return l.text
	case strings.Contains(l.text, `"`):
		return "'" + l.text + "'"
	}
	return `"` + l.text + `"`
}

// String returns the expression with the fewest parentheses.
func (e *Expr) String() string {
	var b strings.Builder
	e.write(&b, opOr)
	return b.String()
}

func (e *Expr) write(b *strings.Builder, around operator) {
	switch e.op {
	case opOr, opAnd:
		if e.op < around {
			b.WriteByte('(')
			defer b.WriteByte(')')
		}
		for i, arg := range e.args {
			if i > 0 {
				b.WriteString(" " + e.op.String() + " ")
			}
			arg.write(b, e.op)
		}
	case opNot:
		b.WriteString("not ")
		e.args[0].write(b, opNot)
	default:
		b.WriteString(writtenPath(e.path) + " " + e.op.String())
		if e.op == opExists {
			return
		}
		values := make([]string, len(e.values))
		for i, v := range e.values {
			values[i] = v.String()
		}
		if list := strings.Join(values, ", "); e.op == opIn || e.op == opNotIn {
			b.WriteString(" [" + list + "]")
		} else {
			b.WriteString(" " + list)
		}
	}
}

func writtenPath(path string) string {
	if strings.ContainsFunc(path, delimits) {
		return "`" + path + "`"
	}
	return path
}

// comparisons yields the parts of an expression that look at the document.
func (e *Expr) comparisons(yield func(*Expr) bool) bool {
	if e.op > opNot {
		return yield(e)
	}
	for _, arg := range e.args {
		if !arg.comparisons(yield) {
			return false
		}
	}
	return true
}
