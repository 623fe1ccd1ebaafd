package guard

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// consider looks for what a rule says but can't mean. It is called for rules
// without mistakes in their parts.
func (p *parser) consider(r *Rule, when, lock *yaml.Node) {
	if r.When != nil {
		p.considerTypes(r.When, when)
	}
	for i, pattern := range r.Lock {
		at := lock
		if lock.Kind == yaml.SequenceNode {
			at = lock.Content[i]
		}
		p.considerLock(r, i, pattern, at)
	}
}

// considerTypes refuses a condition that compares one place with values of two
// types, or takes one place for a value here and for a group of fields there.
func (p *parser) considerTypes(when *Expr, n *yaml.Node) {
	kinds := map[string]literalKind{}
	when.comparisons(func(e *Expr) bool {
		if len(e.values) == 0 || e.values[0].kind == literalNull {
			return true
		}
		kind := e.values[0].kind
		if first, ok := kinds[e.path]; ok && first != kind {
			p.inText(n, e.column, fmt.Sprintf("%s is compared with %s here, with %s before", e.path, kind, first))
			return false
		}
		kinds[e.path] = kind
		return true
	})
	when.comparisons(func(e *Expr) bool {
		place, _ := parsePattern(e.path)
		for steps := range place.tokens {
			if around := place.above(steps); steps > 0 && hasKind(kinds, around) {
				p.inText(n, e.column, fmt.Sprintf("%s is taken for a value in this condition; %s can't be in it", around, e.path))
				return false
			}
		}
		return true
	})
}

func hasKind(kinds map[string]literalKind, path string) bool {
	_, ok := kinds[path]
	return ok
}

func (p *parser) considerLock(r *Rule, i int, pattern Pattern, at *yaml.Node) {
	for j, other := range r.Lock {
		switch {
		case j == i || !other.covers(pattern):
		case pattern.text == other.text && j < i:
			p.node(at, "%s is there twice", shown(pattern))
			return
		case pattern.text != other.text:
			p.note(at, "%s is locked by %s already", shown(pattern), shown(other))
		}
	}
	if pattern.numeric() {
		p.note(at, "a number in a path is the key of a map; all elements of a list are *")
	}
	if e := r.alwaysScalar(pattern); e != nil {
		p.node(at, "%s can't be reached: where the guard holds, %s is a value without fields", shown(pattern), e.path)
	}
}

// alwaysScalar returns the comparison that has to be true wherever the rule
// holds, and that makes a place around the pattern a value; nil for none.
func (r *Rule) alwaysScalar(pattern Pattern) *Expr {
	needed := []*Expr{r.When}
	if r.When != nil && r.When.op == opAnd {
		needed = r.When.args
	}
	for _, e := range needed {
		if e == nil || e.op < opEqual || e.op == opDiffers || e.op == opNotIn {
			continue
		}
		place, _ := parsePattern(e.path)
		if len(place.tokens) < len(pattern.tokens) && place.covers(Pattern{tokens: pattern.tokens[:len(place.tokens)], any: pattern.any}) {
			return e
		}
	}
	return nil
}

// note adds what is no mistake.
func (p *parser) note(n *yaml.Node, format string, args ...any) {
	var notes problems
	notes.lines = p.lines
	notes.at(n.Line, n.Column, format, args...)
	if len(p.rules.Notes) < maxProblems {
		p.rules.Notes = append(p.rules.Notes, notes.list...)
	}
}

func shown(p Pattern) string {
	if p.text == "" {
		return "the whole document"
	}
	return p.text
}
