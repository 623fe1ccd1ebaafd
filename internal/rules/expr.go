package rules

import "strings"

// Expr is a condition on a document, such as
//
//	/status in [posted, paid] and not (/total < /limit or /draft == true)
//
// Expressions are immutable and safe for concurrent use.
type Expr struct {
	op     operator
	args   []*Expr // of and, or, not
	path   string  // JSON Pointer of the place that everything else is about
	column int     // bytes before the path in the expression
	values []Value // of in and not in, else one; none of exists, or if there is another place
	other  string  // JSON Pointer of the place that path is compared to; empty for none
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
		switch {
		case e.op == opExists:
			return
		case e.other != "":
			b.WriteString(" " + writtenPath(e.other))
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

// Paths yields the places that an expression looks at, as JSON Pointers; some may
// come more than once.
func (e *Expr) Paths(yield func(string) bool) {
	e.comparisons(func(e *Expr) bool { return yield(e.path) && (e.other == "" || yield(e.other)) })
}
