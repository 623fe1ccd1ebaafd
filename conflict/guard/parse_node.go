package guard

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// node adds a problem at the place of a node.
func (p *parser) node(n *yaml.Node, format string, args ...any) {
	p.at(max(1, n.Line), max(1, n.Column), format, args...)
}

// inText adds a problem at a byte of the text that a node holds. Where the text
// stands in the file as it is, that is the place; else the text itself is shown.
func (p *parser) inText(n *yaml.Node, at int, what string) {
	text, column := n.Value, max(1, n.Column)
	before := utf8.RuneCountInString(text[:at])
	if n.Line >= 1 && n.Line <= len(p.lines) {
		line := []rune(p.lines[n.Line-1])
		from := min(column-1, len(line))
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			from = min(from+1, len(line))
		}
		if strings.HasPrefix(string(line[from:]), text) {
			p.at(n.Line, from+before+1, "%s", what)
			return
		}
	}
	source := strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
	p.add(Problem{Line: max(1, n.Line), Column: column, Text: what, Source: source, Caret: before})
}

type field struct {
	key   string
	value *yaml.Node
}

type fields []field

func (f fields) has(key string) bool {
	return slices.ContainsFunc(f, func(f field) bool { return f.key == key })
}

// later are keys of the file that other versions know.
var later = []string{"events"}

// fields returns what a mapping holds, nil if it is none. Other keys than the
// known ones, and repeated ones, are problems.
func (p *parser) fields(n *yaml.Node, what string, known ...string) fields {
	if !p.plain(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.node(n, "%s is %s; it has to be fields: %s", what, shape(n), strings.Join(known, ", "))
		return nil
	}
	all := fields{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case !p.plain(key):
		case key.Kind != yaml.ScalarNode || !slices.Contains(known, key.Value):
			if len(known) == 1 && slices.Contains(later, key.Value) {
				p.node(key, "this version of the server has no %s", key.Value)
				break
			}
			p.node(key, "%s has no field %q; it may have: %s", what, short(key.Value), strings.Join(known, ", "))
		case all.has(key.Value):
			p.node(key, "%s is there twice", key.Value)
		default:
			all = append(all, field{key.Value, value})
		}
	}
	return all
}

// items returns the elements of a list; a single text is a list of one.
func (p *parser) items(n *yaml.Node, what, form string) ([]*yaml.Node, bool) {
	if !p.plain(n) {
		return nil, false
	}
	switch {
	case n.Kind == yaml.SequenceNode:
		return n.Content, true
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		return []*yaml.Node{n}, true
	}
	p.node(n, "%s is %s; it has to be %s", what, shape(n), form)
	return nil, false
}

// text returns a text that isn't empty, "" after a problem.
func (p *parser) text(n *yaml.Node, what string) string {
	s, ok := p.scalar(n, what)
	if ok && strings.TrimSpace(s) == "" {
		p.node(n, "%s is empty", what)
		return ""
	}
	return s
}

func (p *parser) scalar(n *yaml.Node, what string) (string, bool) {
	switch {
	case !p.plain(n):
		return "", false
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		return n.Value, true
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		p.node(n, "%s is %s; it has to be a text: put it in quotes", what, shape(n))
	default:
		p.node(n, "%s is %s; it has to be a text", what, shape(n))
	}
	return "", false
}

// plain refuses what makes YAML more than a tree.
func (p *parser) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		p.node(n, "aliases (*name) aren't possible; a text that begins with * has to be in quotes")
		return false
	case n.Anchor != "":
		p.node(n, "anchors (&name) aren't possible; a text that begins with & has to be in quotes")
		return false
	case n.Style&yaml.TaggedStyle != 0:
		p.node(n, "tags (%s) aren't possible; a text that begins with ! has to be in quotes", short(n.Tag))
		return false
	}
	return true
}

// shape says what a node is.
func shape(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a group of fields"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!null":
		return "empty"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	}
	return "a text"
}

func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
