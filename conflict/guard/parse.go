package guard

import (
	"go.yaml.in/yaml/v3"

	"concord/internal/rules"
)

// Limits of a rules file.
const (
	maxGuards = 1000
	maxLocks  = 100 // of a guard
	maxRoles  = 100 // of a guard
	maxRole   = 64  // bytes
)

// Parse reads the guards of a rules file. The error is a *rules.Error with all
// mistakes that they have; file is how they call it.
func Parse(file string, b []byte) (*Rules, error) {
	r := rules.Open(file, b)
	guards := Read(r)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return guards, nil
}

// Read reads the section of the guards. After mistakes, which r has, the result
// isn't to be used.
func Read(r *rules.Reader) *Rules {
	p := &parser{Reader: r, rules: &Rules{}, names: map[string]int{}}
	if n := r.Section("guards"); n != nil {
		p.guards(n)
	}
	p.rules.Notes = r.TakeNotes()
	return p.rules
}

type parser struct {
	*rules.Reader
	rules *Rules
	names map[string]int // line, by name of a guard
}

func (p *parser) guards(n *yaml.Node) {
	items, ok := p.Items(n, "guards", "a list of guards, each beginning with \"- name:\"")
	if !ok {
		return
	}
	for i, item := range items {
		if i == maxGuards {
			p.Node(item, "a file has at most %d guards", maxGuards)
			return
		}
		p.guard(item)
	}
}

func (p *parser) guard(n *yaml.Node) {
	before := p.Count()
	r := &Rule{Line: n.Line}
	var when, lock *yaml.Node
	fields := p.Fields(n, "a guard", "name", "type", "when", "lock", "except")
	if fields == nil {
		return
	}
	for _, f := range fields {
		switch f.Key {
		case "name":
			r.Name = p.Name(f.Value, "guard", p.names)
		case "type":
			r.Type = p.Type(f.Value)
		case "when":
			when = f.Value
			r.When = p.Condition(f.Value, "when")
		case "lock":
			lock = f.Value
			p.lock(f.Value, r)
		case "except":
			p.except(f.Value, r)
		}
	}
	for _, key := range []string{"name", "type", "lock"} {
		if !fields.Has(key) {
			p.Node(n, "the guard has no %s", key)
		}
	}
	if p.Count() == before {
		p.consider(r, when, lock)
		p.rules.Guards = append(p.rules.Guards, r)
	}
}

func (p *parser) lock(n *yaml.Node, r *Rule) {
	items, ok := p.Items(n, "lock", "a list of paths, such as [/lines, /total]")
	if !ok {
		return
	}
	if len(items) == 0 {
		p.Node(n, "lock names no path")
	}
	for i, item := range items {
		if i == maxLocks {
			p.Node(item, "a guard has at most %d locks", maxLocks)
			return
		}
		s, ok := p.Scalar(item, "a path")
		if !ok {
			continue
		}
		pattern, err := rules.ParsePattern(s)
		if err != nil {
			p.Node(item, "%v", err)
		}
		r.Lock = append(r.Lock, pattern)
	}
}

func (p *parser) except(n *yaml.Node, r *Rule) {
	for _, f := range p.Fields(n, "except", "roles") {
		items, ok := p.Items(f.Value, "roles", "a list of roles, such as [accountant, admin]")
		if !ok {
			continue
		}
		if len(items) == 0 {
			p.Node(f.Value, "roles names no role; leave out except to have no exception")
		}
		for i, item := range items {
			role := p.Text(item, "a role")
			switch {
			case i >= maxRoles:
				p.Node(item, "a guard has at most %d roles", maxRoles)
				return
			case len(role) > maxRole:
				p.Node(item, "a role has at most %d bytes", maxRole)
			case role != "":
				r.Except = append(r.Except, role)
			}
		}
	}
}
