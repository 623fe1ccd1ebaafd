package guard

import (
	"slices"
	"strings"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/rules"
	"concord/sync/hub"
)

// Guards applies rules to the changes of a node, as a hub.Guards. It is
// immutable and safe for concurrent use.
type Guards struct{ byType map[string][]*Rule }

// New returns the guards of rules; nil are none.
func New(r *Rules) *Guards {
	g := &Guards{byType: map[string][]*Rule{}}
	if r != nil {
		for _, rule := range r.Guards {
			g.byType[rule.Type] = append(g.byType[rule.Type], rule)
		}
	}
	return g
}

// For returns a judge of the changes of one document that come together.
func (g *Guards) For(_, docType string) hub.Guard {
	if rules := g.byType[docType]; len(rules) > 0 {
		return &judge{rules: rules}
	}
	return nil
}

// judge judges changes that came together.
type judge struct {
	rules []*Rule

	// The following fields are set by Judge. Content and graph belong to the document.
	company  string
	ref      string // of the document
	document id.DocumentID
	content  *crdt.OpSet
	graph    *crdt.Graph
	broken   []*breach  // none of them inside another one's place
	proposed *proposing // by the answer
}

// breach is a place that was changed against a rule.
type breach struct {
	rule *Rule
	way  []step // to the place; empty for the whole document

	// Before the first change here that broke the rule.
	base  crdt.View
	heads []crdt.Hash
	order int // of base, among those of a judge

	last applied // of the changes that broke the rule
}

// maxBroken is how many places are brought back one by one; beyond that they are
// taken together.
const maxBroken = 100

// Judge returns the places at which a change breaks rules; before is the content
// without it. The first change of a document breaks none.
func (j *judge) Judge(a hub.Applied, before crdt.View) []hub.Violation {
	if a.Diff == nil || len(a.Before) == 0 {
		return nil
	}
	rules := j.inForce(a.Roles, before)
	if len(rules) == 0 && len(j.broken) == 0 {
		return nil
	}
	j.company, j.ref, j.document, j.content, j.graph = a.Key.Company, a.Ref, a.Key.Document, a.Content, a.Graph
	e := examination{diff: a.Diff, before: before, after: a.Content.View(), ways: ways{content: a.Content}}
	var violations []hub.Violation
	for i := range a.Diff.Edits {
		edit := &a.Diff.Edits[i]
		if edit.Action == crdt.EditConflict || !a.Diff.WasShown(edit) || a.Diff.Reach(edit) != crdt.Shown {
			continue
		}
		way := e.ways.edited(edit)
		rule, locked := e.broken(rules, edit, way)
		switch {
		case rule != nil:
			b := &breach{rule: rule, way: tellable(way), base: before, heads: a.Before, order: len(j.broken), last: lastApplied(a)}
			if j.add(b) {
				violations = append(violations, b)
			}
		case !locked:
			j.forget(edit, way)
		}
	}
	return violations
}

// inForce returns the rules that hold for a user at the moment.
func (j *judge) inForce(roles []string, before crdt.View) (inForce []*Rule) {
	read := func(path string) rules.Value { return rules.Read(j.viewOf(path, before), path) }
	for _, r := range j.rules {
		if !r.excepts(roles) && (r.When == nil || r.When.Holds(read)) {
			inForce = append(inForce, r)
		}
	}
	return inForce
}

// viewOf returns where a condition has to look for a path: nobody can lift a lock
// by changing what is locked himself.
func (j *judge) viewOf(path string, present crdt.View) crdt.View {
	for _, b := range j.broken {
		if b.touches(path) {
			return b.base
		}
	}
	return present
}

// touches reports whether a path names the breach's place, something in it or
// something around it. Positions in lists are taken for any.
func (b *breach) touches(path string) bool {
	pattern, _ := rules.ParsePattern(path)
	for i := range min(pattern.Len(), len(b.way)) {
		if named, _ := pattern.Step(i); !b.way[i].key.IsElem && b.way[i].key.Name != named {
			return false
		}
	}
	return true
}

// add notes a breach; it reports whether its place wasn't noted yet.
func (j *judge) add(b *breach) bool {
	for _, other := range j.broken {
		if within(b.way, other.way) {
			other.last = b.last
			return false
		}
	}
	j.broken = disjoint(append(j.broken, b))
	for len(j.broken) > maxBroken {
		j.coarsen()
	}
	return true
}

// maxKey is the longest key of a map at which a place is brought back alone, in
// bytes: a proposal has to fit into a record.
const maxKey = 4 << 10

// tellable returns the way to the nearest place around with keys that aren't too
// long.
func tellable(way []step) []step {
	for i := range way {
		if len(way[i].key.Name) > maxKey {
			return way[:i]
		}
	}
	return way
}

// within reports whether a place is another one or in it.
func within(way, around []step) bool {
	return len(way) >= len(around) && slices.Equal(way[:len(around)], around)
}

// disjoint joins the breaches whose places are in each other.
func disjoint(all []*breach) []*breach {
	slices.SortStableFunc(all, func(a, b *breach) int { return len(a.way) - len(b.way) })
	kept := all[:0]
next:
	for _, b := range all {
		for _, around := range kept {
			if within(b.way, around.way) {
				around.join(b)
				continue next
			}
		}
		kept = append(kept, b)
	}
	clear(all[len(kept):])
	return kept
}

// join takes in a breach inside of b.
func (b *breach) join(inner *breach) {
	if inner.order < b.order {
		b.rule, b.base, b.heads, b.order = inner.rule, inner.base, inner.heads, inner.order
	}
	if inner.last.index > b.last.index {
		b.last = inner.last
	}
}

// coarsen takes the deepest places together by what is around them.
func (j *judge) coarsen() {
	deepest := 0
	for _, b := range j.broken {
		deepest = max(deepest, len(b.way))
	}
	for _, b := range j.broken {
		if len(b.way) == deepest {
			b.way = b.way[:deepest-1]
		}
	}
	j.broken = disjoint(j.broken)
}

// forget drops the breaches at a place that somebody then overwrote by right.
func (j *judge) forget(edit *crdt.Edit, way []step) {
	if edit.Action != crdt.EditPut && edit.Action != crdt.EditDelete {
		return
	}
	j.broken = slices.DeleteFunc(j.broken, func(b *breach) bool { return within(b.way, way) })
}

// names lists the rules that were broken, for people.
func names(broken []*breach) string {
	var all []string
	for _, b := range broken {
		if !slices.Contains(all, b.rule.Name) {
			all = append(all, b.rule.Name)
		}
	}
	return strings.Join(all, "; ")
}
