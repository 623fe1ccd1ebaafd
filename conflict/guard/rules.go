package guard

import "concord/internal/rules"

// Rules are what a rules file says. They are immutable and safe for concurrent
// use; nil are none.
type Rules struct {
	Guards []*Rule
	Notes  []rules.Problem // what is no mistake, but may not be meant
}

// Rule locks some fields of the documents of one type.
type Rule struct {
	Name string      // unique
	Type string      // of documents
	When *rules.Expr // the document has to meet this; nil = always
	Lock []rules.Pattern
	// Except are the roles whose edits are not judged by the rule.
	Except []string
	Line   int // in the file
}

// excepts reports whether one of roles isn't judged by the rule.
func (r *Rule) excepts(roles []string) bool {
	for _, role := range roles {
		for _, e := range r.Except {
			if role == e {
				return true
			}
		}
	}
	return false
}
