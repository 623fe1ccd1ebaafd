package guard

import (
	"go.yaml.in/yaml/v3"

	"concord/internal/rules"
)

// consider looks for what a rule says but can't mean. It is called for rules
// without mistakes in their parts.
func (p *parser) consider(r *Rule, when, lock *yaml.Node) {
	if r.When != nil {
		p.Types(r.When, when)
	}
	for i, pattern := range r.Lock {
		at := lock
		if lock.Kind == yaml.SequenceNode {
			at = lock.Content[i]
		}
		p.considerLock(r, i, pattern, at)
	}
}

func (p *parser) considerLock(r *Rule, i int, pattern rules.Pattern, at *yaml.Node) {
	for j, other := range r.Lock {
		switch {
		case j == i || !other.Covers(pattern):
		case pattern.String() == other.String() && j < i:
			p.Node(at, "%s is there twice", shown(pattern))
			return
		case pattern.String() != other.String():
			p.Note(at, "%s is locked by %s already", shown(pattern), shown(other))
		}
	}
	if pattern.Numeric() {
		p.Note(at, "a number in a path is the key of a map; all elements of a list are *")
	}
	if path, ok := r.When.ScalarAround(pattern); ok {
		p.Node(at, "%s can't be reached: where the guard holds, %s is a value without fields", shown(pattern), path)
	}
}

func shown(p rules.Pattern) string {
	if p.Len() == 0 {
		return "the whole document"
	}
	return p.String()
}
