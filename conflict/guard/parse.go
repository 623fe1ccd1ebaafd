package guard

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of a rules file.
const (
	MaxFileBytes = 1 << 20
	maxGuards    = 1000
	maxLocks     = 100 // of a guard
	maxRoles     = 100 // of a guard
	maxName      = 128 // bytes
	maxRole      = 64  // bytes
	maxNesting   = 100 // of brackets, or of indentations, in a file
)

// Parse reads a rules file. The error is an *Error with all mistakes that it
// has; file is how they call it.
func Parse(file string, b []byte) (*Rules, error) {
	p := &parser{problems: problems{lines: strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")}}
	rules := &Rules{}
	if root := p.read(b); root != nil {
		p.file(root, rules)
	}
	if err := p.err(file); err != nil {
		return nil, err
	}
	return rules, nil
}

type parser struct {
	problems
	rules *Rules
	names map[string]int // line, by name of a guard
}

// read returns the top of the file, nil for an empty one or a broken one.
func (p *parser) read(b []byte) *yaml.Node {
	switch {
	case len(b) > MaxFileBytes:
		p.add(Problem{Line: 1, Column: 1, Text: "the file has more than " + strconv.Itoa(MaxFileBytes>>20) + " MiB"})
		return nil
	case !utf8.Valid(b):
		for i, line := range p.lines {
			if !utf8.ValidString(line) {
				p.at(i+1, 1, "the line isn't UTF-8")
			}
		}
		return nil
	case p.nested():
		return nil
	}
	var document yaml.Node
	if err := yaml.Unmarshal(b, &document); err != nil {
		p.syntax(err)
		return nil
	}
	if len(document.Content) == 0 {
		return nil
	}
	return document.Content[0]
}

// nested refuses what would take a YAML parser long.
func (p *parser) nested() bool {
	brackets := 0
	for i, line := range p.lines {
		brackets += strings.Count(line, "[") + strings.Count(line, "{") - strings.Count(line, "]") - strings.Count(line, "}")
		indent := len(line) - len(strings.TrimLeft(line, " -?:\t"))
		if brackets > maxNesting || strings.Count(line, "[")+strings.Count(line, "{") > 10*maxNesting || indent > 2*maxNesting {
			p.at(i+1, 1, "this is nested too deeply")
			return true
		}
	}
	return false
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

func (p *parser) syntax(err error) {
	var typed *yaml.TypeError
	text := err.Error()
	if errors.As(err, &typed) && len(typed.Errors) > 0 {
		text = "yaml: " + typed.Errors[0]
	}
	line, what := 1, text
	if m := yamlError.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = max(1, min(n, len(p.lines)))
		}
		what = m[2]
	}
	column := 1
	if line <= len(p.lines) {
		s := p.lines[line-1]
		column = 1 + len(s) - len(strings.TrimLeft(s, " "))
	}
	p.at(line, column, "this isn't YAML: %s", what)
}

// file reads the top of the file.
func (p *parser) file(n *yaml.Node, rules *Rules) {
	p.rules, p.names = rules, map[string]int{}
	for _, f := range p.fields(n, "the file", "guards") {
		if f.key == "guards" {
			p.guards(f.value)
		}
	}
}

func (p *parser) guards(n *yaml.Node) {
	items, ok := p.items(n, "guards", "a list of guards, each beginning with \"- name:\"")
	if !ok {
		return
	}
	for i, item := range items {
		if i == maxGuards {
			p.node(item, "a file has at most %d guards", maxGuards)
			return
		}
		p.guard(item)
	}
}

var typeForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

func (p *parser) guard(n *yaml.Node) {
	before := len(p.list) + p.more
	r := &Rule{Line: n.Line}
	var when, lock *yaml.Node
	fields := p.fields(n, "a guard", "name", "type", "when", "lock", "except")
	if fields == nil {
		return
	}
	for _, f := range fields {
		switch f.key {
		case "name":
			p.name(f.value, r)
		case "type":
			if r.Type = p.text(f.value, "type"); r.Type != "" && !typeForm.MatchString(r.Type) {
				p.node(f.value, "%q is no type of documents: it has small letters, digits and -, begins with a letter and is at most 64 long", r.Type)
			}
		case "when":
			when = f.value
			p.when(f.value, r)
		case "lock":
			lock = f.value
			p.lock(f.value, r)
		case "except":
			p.except(f.value, r)
		}
	}
	for _, key := range []string{"name", "type", "lock"} {
		if !fields.has(key) {
			p.node(n, "the guard has no %s", key)
		}
	}
	if len(p.list)+p.more == before {
		p.consider(r, when, lock)
		p.rules.Guards = append(p.rules.Guards, r)
	}
}

func (p *parser) name(n *yaml.Node, r *Rule) {
	r.Name = p.text(n, "name")
	first, used := p.names[r.Name]
	switch {
	case r.Name == "":
	case len(r.Name) > maxName:
		p.node(n, "a name has at most %d bytes", maxName)
	case strings.ContainsFunc(r.Name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		p.node(n, "a name is one line")
	case used:
		p.node(n, "the guard in line %d has this name, too", first)
	default:
		p.names[r.Name] = n.Line
	}
}

func (p *parser) when(n *yaml.Node, r *Rule) {
	s := p.text(n, "when")
	if s == "" {
		return
	}
	e, err := parseExpr(s)
	if err != nil {
		p.inText(n, err.at, err.text)
		return
	}
	r.When = e
}

func (p *parser) lock(n *yaml.Node, r *Rule) {
	items, ok := p.items(n, "lock", "a list of paths, such as [/lines, /total]")
	if !ok {
		return
	}
	if len(items) == 0 {
		p.node(n, "lock names no path")
	}
	for i, item := range items {
		if i == maxLocks {
			p.node(item, "a guard has at most %d locks", maxLocks)
			return
		}
		s, ok := p.scalar(item, "a path")
		if !ok {
			continue
		}
		pattern, err := parsePattern(s)
		if err != nil {
			p.node(item, "%v", err)
		}
		r.Lock = append(r.Lock, pattern)
	}
}

func (p *parser) except(n *yaml.Node, r *Rule) {
	for _, f := range p.fields(n, "except", "roles") {
		items, ok := p.items(f.value, "roles", "a list of roles, such as [accountant, admin]")
		if !ok {
			continue
		}
		if len(items) == 0 {
			p.node(f.value, "roles names no role; leave out except to have no exception")
		}
		for i, item := range items {
			role := p.text(item, "a role")
			switch {
			case i >= maxRoles:
				p.node(item, "a guard has at most %d roles", maxRoles)
				return
			case len(role) > maxRole:
				p.node(item, "a role has at most %d bytes", maxRole)
			case role != "":
				r.Except = append(r.Except, role)
			}
		}
	}
}
