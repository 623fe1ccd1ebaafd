package rules

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Name reads a name that is unique among those of its kind, such as "guard"; used
// has the line of each. It returns "" after a problem.
func (r *Reader) Name(n *yaml.Node, kind string, used map[string]int) string {
	name := r.Text(n, "name")
	first, known := used[name]
	switch {
	case name == "":
	case len(name) > MaxName:
		r.Node(n, "a name has at most %d bytes", MaxName)
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		r.Node(n, "a name is one line")
	case known:
		r.Node(n, "the %s in line %d has this name, too", kind, first)
	default:
		used[name] = n.Line
		return name
	}
	return ""
}

var typeForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// Type reads a type of documents, "" after a problem.
func (r *Reader) Type(n *yaml.Node) string {
	kind := r.Text(n, "type")
	if kind != "" && !typeForm.MatchString(kind) {
		r.Node(n, "%q is no type of documents: it has small letters, digits and -, begins with a letter and is at most 64 long", kind)
		return ""
	}
	return kind
}

// Condition reads a condition, nil after a problem.
func (r *Reader) Condition(n *yaml.Node, what string) *Expr {
	s := r.Text(n, what)
	if s == "" {
		return nil
	}
	e, err := ParseExpr(s)
	if err != nil {
		r.InText(n, err.At, err.Text)
		return nil
	}
	return e
}

// Types refuses a condition that compares one place with values of two types, or
// takes one place for a value here and for a group of fields there; n is where
// the condition stands.
func (r *Reader) Types(when *Expr, n *yaml.Node) {
	kinds := map[string]kind{} // kindNone for a place that is compared to others only
	when.comparisons(func(e *Expr) bool {
		if e.other != "" {
			for _, path := range []string{e.path, e.other} {
				if _, ok := kinds[path]; !ok {
					kinds[path] = kindNone
				}
			}
		}
		if len(e.values) == 0 || e.values[0].kind == kindNull {
			return true
		}
		kind := e.values[0].kind
		if first := kinds[e.path]; first != kindNone && first != kind {
			r.InText(n, e.column, fmt.Sprintf("%s is compared with %s here, with %s before", e.path, kind, first))
			return false
		}
		kinds[e.path] = kind
		return true
	})
	when.comparisons(func(e *Expr) bool {
		for _, path := range []string{e.path, e.other} {
			place, _ := ParsePattern(path)
			for steps := range place.tokens {
				around := place.Above(steps)
				if _, value := kinds[around]; steps > 0 && value {
					r.InText(n, e.column, fmt.Sprintf("%s is taken for a value in this condition; %s can't be in it", around, path))
					return false
				}
			}
		}
		return true
	})
}

// ScalarAround returns a path that has to name a value wherever the condition
// holds, and that a place is in, by what the condition says; false for none. nil
// is a condition that always holds.
func (e *Expr) ScalarAround(place Pattern) (path string, ok bool) {
	needed := []*Expr{e}
	if e != nil && e.op == opAnd {
		needed = e.args
	}
	for _, e := range needed {
		if e == nil || e.op < opEqual || e.op == opDiffers || e.op == opNotIn {
			continue
		}
		value, _ := ParsePattern(e.path)
		if len(value.tokens) < len(place.tokens) && value.Covers(Pattern{tokens: place.tokens[:len(value.tokens)], any: place.any}) {
			return e.path, true
		}
	}
	return "", false
}
