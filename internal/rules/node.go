package rules

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Node adds a problem at the place of a node.
func (r *Reader) Node(n *yaml.Node, format string, args ...any) {
	r.at(max(1, n.Line), max(1, n.Column), format, args...)
}

// InText adds a problem at a byte of the text that a node holds. Where the text
// stands in the file as it is, that is the place; else the text itself is shown.
func (r *Reader) InText(n *yaml.Node, at int, what string) {
	text, column := n.Value, max(1, n.Column)
	before := utf8.RuneCountInString(text[:at])
	if n.Line >= 1 && n.Line <= len(r.lines) {
		line := []rune(r.lines[n.Line-1])
		from := min(column-1, len(line))
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			from = min(from+1, len(line))
		}
		if strings.HasPrefix(string(line[from:]), text) {
			r.at(n.Line, from+before+1, "%s", what)
			return
		}
	}
	source := strings.Map(func(c rune) rune {
		if c < ' ' {
			return ' '
		}
		return c
	}, text)
	r.add(Problem{Line: max(1, n.Line), Column: column, Text: what, Source: source, Caret: before})
}

// Field is one field of a mapping.
type Field struct {
	Key   string
	Value *yaml.Node
}

// Fields are the fields of a mapping, in the order of the file.
type Fields []Field

// Has reports whether there is a field.
func (f Fields) Has(key string) bool {
	return slices.ContainsFunc(f, func(f Field) bool { return f.Key == key })
}

// Fields returns what a mapping holds, nil if it is none. Other keys than the
// known ones, and repeated ones, are problems.
func (r *Reader) Fields(n *yaml.Node, what string, known ...string) Fields {
	if !r.plain(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.Node(n, "%s is %s; it has to be fields: %s", what, shape(n), strings.Join(known, ", "))
		return nil
	}
	all := Fields{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case !r.plain(key):
		case key.Kind != yaml.ScalarNode || !slices.Contains(known, key.Value):
			r.Node(key, "%s has no field %q; it may have: %s", what, short(key.Value), strings.Join(known, ", "))
		case all.Has(key.Value):
			r.Node(key, "%s is there twice", key.Value)
		default:
			all = append(all, Field{key.Value, value})
		}
	}
	return all
}

// Items returns the elements of a list; a single text is a list of one.
func (r *Reader) Items(n *yaml.Node, what, form string) ([]*yaml.Node, bool) {
	if !r.plain(n) {
		return nil, false
	}
	switch {
	case n.Kind == yaml.SequenceNode:
		return n.Content, true
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		return []*yaml.Node{n}, true
	}
	r.Node(n, "%s is %s; it has to be %s", what, shape(n), form)
	return nil, false
}

// Text returns a text that isn't empty, "" after a problem.
func (r *Reader) Text(n *yaml.Node, what string) string {
	s, ok := r.Scalar(n, what)
	if ok && strings.TrimSpace(s) == "" {
		r.Node(n, "%s is empty", what)
		return ""
	}
	return s
}

// Scalar returns a text; false after a problem.
func (r *Reader) Scalar(n *yaml.Node, what string) (string, bool) {
	switch {
	case !r.plain(n):
		return "", false
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str":
		return n.Value, true
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		r.Node(n, "%s is %s; it has to be a text: put it in quotes", what, shape(n))
	default:
		r.Node(n, "%s is %s; it has to be a text", what, shape(n))
	}
	return "", false
}

// plain refuses what makes YAML more than a tree.
func (r *Reader) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		r.Node(n, "aliases (*name) aren't possible; a text that begins with * has to be in quotes")
		return false
	case n.Anchor != "":
		r.Node(n, "anchors (&name) aren't possible; a text that begins with & has to be in quotes")
		return false
	case n.Style&yaml.TaggedStyle != 0:
		r.Node(n, "tags (%s) aren't possible; a text that begins with ! has to be in quotes", short(n.Tag))
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

// Value reads a value as expressions have them; false after a problem.
func (r *Reader) Value(n *yaml.Node) (Value, bool) {
	if !r.plain(n) {
		return Value{}, false
	}
	if n.Kind == yaml.ScalarNode {
		v := word(n.Value)
		switch {
		case n.Tag == "!!str":
			v = textValue(n.Value)
		case n.Tag == "!!null":
			v = Value{kind: kindNull}
		case n.Tag == "!!bool":
			v = word(strings.ToLower(n.Value))
		}
		switch {
		case v.kind == kindText && n.Tag != "!!str":
			r.Node(n, "%s is %s that has to be written otherwise; a text has to be in quotes", short(n.Value), shape(n))
			return Value{}, false
		case v.kind == kindText && len(v.text) > maxLiteral:
			r.Node(n, "a text has at most %d bytes", maxLiteral)
			return Value{}, false
		}
		return v, true
	}
	r.Node(n, "this is %s; it has to be a value", shape(n))
	return Value{}, false
}

// Path reads the path of one place, "" after a problem.
func (r *Reader) Path(n *yaml.Node, what string) string {
	s := r.Text(n, what)
	if s == "" {
		return ""
	}
	if err := OnePlace(s); err != nil {
		r.Node(n, "%v", err)
		return ""
	}
	return s
}

// OnePlace refuses a path that doesn't name one field. The error is for people.
func OnePlace(path string) error {
	p, err := ParsePattern(path)
	switch {
	case err != nil:
		return err
	case p.Len() == 0:
		return errors.New("a path names a field, such as /status")
	case slices.Contains(p.any, true):
		return errors.New("this looks at one place; * isn't possible here")
	}
	return nil
}
