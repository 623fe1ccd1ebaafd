package rules

import (
	"strings"
)

// Limits of one expression.
const (
	maxExprBytes  = 4096
	maxExprDepth  = 32  // parentheses and nots within each other
	maxExprParts  = 256 // comparisons
	maxExprValues = 256 // after one in
	maxLiteral    = 256 // bytes of a text
)

// ParseExpr reads an expression. The error is nil or says what is wrong, and where.
func ParseExpr(s string) (*Expr, *ExprError) {
	if len(s) > maxExprBytes {
		return nil, mistake(0, "an expression has at most %d bytes", maxExprBytes)
	}
	p := &exprParser{s: s}
	if err := p.advance(); err != nil {
		return nil, err
	}
	e, err := p.parse(opOr)
	if err != nil {
		return nil, err
	}
	if p.next.kind != tokenEnd {
		return nil, mistake(p.next.at, "and, or or the end is missing before %s", p.next)
	}
	return e, nil
}

type exprParser struct {
	s     string
	next  token
	end   int // of next
	depth int
	parts int
}

func (p *exprParser) advance() (err *ExprError) {
	p.next, p.end, err = lex(p.s, p.end)
	return err
}

// took goes on if the next token is a certain word or sign.
func (p *exprParser) took(text string) (bool, *ExprError) {
	if p.next.kind != tokenWord && p.next.kind != tokenSign || p.next.text != text {
		return false, nil
	}
	return true, p.advance()
}

// parse reads what is bound by operators that bind at least as strongly as
// weakest: or, and, not, in this order.
func (p *exprParser) parse(weakest operator) (*Expr, *ExprError) {
	left, err := p.operand()
	for err == nil {
		op := opOr
		if p.next.kind == tokenWord && p.next.text == "and" {
			op = opAnd
		} else if p.next.kind != tokenWord || p.next.text != "or" {
			return left, nil
		}
		if op < weakest {
			return left, nil
		}
		if err = p.advance(); err != nil {
			break
		}
		var right *Expr
		if right, err = p.parse(op + 1); err == nil {
			left = join(op, left, right)
		}
	}
	return nil, err
}

// join puts a chain of one operator into one expression.
func join(op operator, left, right *Expr) *Expr {
	e := &Expr{op: op}
	for _, arg := range []*Expr{left, right} {
		if arg.op == op {
			e.args = append(e.args, arg.args...)
		} else {
			e.args = append(e.args, arg)
		}
	}
	return e
}

func (p *exprParser) operand() (*Expr, *ExprError) {
	if p.depth++; p.depth > maxExprDepth {
		return nil, mistake(p.next.at, "more than %d parentheses and nots within each other", maxExprDepth)
	}
	defer func() { p.depth-- }()
	if ok, err := p.took("not"); ok || err != nil {
		if err != nil {
			return nil, err
		}
		arg, err := p.operand()
		if err != nil {
			return nil, err
		}
		return &Expr{op: opNot, args: []*Expr{arg}}, nil
	}
	open := p.next.at
	if ok, err := p.took("("); ok || err != nil {
		if err != nil {
			return nil, err
		}
		e, err := p.parse(opOr)
		if err != nil {
			return nil, err
		}
		if ok, err := p.took(")"); !ok || err != nil {
			return nil, orElse(err, mistake(open, "the ( isn't closed"))
		}
		return e, nil
	}
	return p.comparison()
}

func orElse(err, otherwise *ExprError) *ExprError {
	if err != nil {
		return err
	}
	return otherwise
}

var comparisonSigns = map[string]operator{"==": opEqual, "!=": opDiffers, "<": opLess, "<=": opAtMost, ">": opMore, ">=": opAtLeast}

func (p *exprParser) comparison() (*Expr, *ExprError) {
	if p.next.kind != tokenPath {
		hint := ""
		if p.next.kind == tokenWord && !keyword(p.next.text) {
			hint = ", such as /" + strings.ReplaceAll(p.next.text, ".", "/")
		}
		return nil, mistake(p.next.at, "a path%s is missing before %s", hint, p.next)
	}
	if p.parts++; p.parts > maxExprParts {
		return nil, mistake(p.next.at, "more than %d comparisons", maxExprParts)
	}
	e := &Expr{path: p.next.text, column: p.next.at}
	if err := checkPath(p.next); err != nil {
		return nil, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	at := p.next
	if at.kind == tokenSign {
		if op, ok := comparisonSigns[at.text]; ok {
			e.op = op
			if err := p.advance(); err != nil {
				return nil, err
			}
			if p.next.kind == tokenPath {
				return e, p.place(e)
			}
			return e, p.value(e)
		}
	}
	not, err := p.took("not")
	if err != nil {
		return nil, err
	}
	ok, err := p.took("in")
	switch {
	case err != nil:
		return nil, err
	case ok && not:
		e.op = opNotIn
		return e, p.list(e)
	case ok:
		e.op = opIn
		return e, p.list(e)
	}
	if ok, err := p.took("exists"); !not && (ok || err != nil) {
		e.op = opExists
		return e, err
	}
	return nil, mistake(at.at, "what about %s? After a path come ==, !=, <, <=, >, >=, in, not in or exists", e.path)
}

func checkPath(t token) *ExprError {
	if err := OnePlace(t.text); err != nil {
		return mistake(t.at, "%v", err)
	}
	return nil
}

// place reads the path of another place.
func (p *exprParser) place(e *Expr) *ExprError {
	e.other = p.next.text
	if err := checkPath(p.next); err != nil {
		return err
	}
	return p.advance()
}

// value reads a value.
func (p *exprParser) value(e *Expr) *ExprError {
	t := p.next
	var v Value
	switch {
	case t.kind == tokenQuoted:
		v = textValue(t.text)
	case t.kind == tokenWord && (!keyword(t.text) || t.text == "true" || t.text == "false" || t.text == "null"):
		v = word(t.text)
	case t.kind == tokenPath:
		return mistake(t.at, "a list has values, and no paths; if %s is a text, put it in quotes", t.text)
	case t.text == "[":
		return mistake(t.at, "a list of values comes after in")
	default:
		return mistake(t.at, "a value is missing before %s", t)
	}
	switch {
	case len(v.text) > maxLiteral:
		return mistake(t.at, "a text has at most %d bytes", maxLiteral)
	case len(e.values) == maxExprValues:
		return mistake(t.at, "a list has at most %d values", maxExprValues)
	case e.op.ordering() && v.kind != kindNumber && v.kind != kindText:
		return mistake(t.at, "%s is neither more nor less than anything; use == or !=", v)
	case len(e.values) > 0 && e.values[0].kind != v.kind:
		return mistake(t.at, "%s is %s, the values before it are %s", v, v.kind, e.values[0].kind)
	}
	e.values = append(e.values, v)
	return p.advance()
}

// list reads values in brackets.
func (p *exprParser) list(e *Expr) *ExprError {
	open := p.next.at
	if ok, err := p.took("["); !ok || err != nil {
		return orElse(err, mistake(open, "a list such as [posted, paid] is missing"))
	}
	for {
		if err := p.value(e); err != nil {
			return err
		}
		if ok, err := p.took("]"); ok || err != nil {
			return err
		}
		if ok, err := p.took(","); !ok || err != nil {
			return orElse(err, mistake(p.next.at, "a comma or the ] of the list is missing before %s", p.next))
		}
	}
}
