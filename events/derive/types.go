package derive

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"concord/events"
)

func (p *parser) ownTypes(n *yaml.Node) {
	items, ok := p.Items(n, "types", "a list of types, each beginning with \"- name:\"")
	if !ok {
		return
	}
	for i, item := range items {
		if i == maxTypes {
			p.Node(item, "a file has at most %d types of events", maxTypes)
			return
		}
		p.ownType(item)
	}
}

func (p *parser) ownType(n *yaml.Node) {
	before := p.Count()
	t := events.Type{Durable: true}
	at := n
	fields := p.Fields(n, "a type", "name", "summary", "schema", "durable")
	if fields == nil {
		return
	}
	for _, f := range fields {
		switch f.Key {
		case "name":
			at = f.Value
			t.Name = p.Name(f.Value, "type", p.types)
		case "summary":
			t.Summary = p.Text(f.Value, "summary")
		case "schema":
			if f.Value.Kind != yaml.MappingNode {
				p.Node(f.Value, "schema has to be a JSON Schema, such as {type: object, properties: {…}}")
			} else {
				t.Schema, _ = p.JSON(f.Value)
			}
		case "durable":
			if f.Value.Kind != yaml.ScalarNode || f.Value.Tag != "!!bool" {
				p.Node(f.Value, "durable has to be true or false")
			}
			t.Durable = strings.EqualFold(f.Value.Value, "true")
		}
	}
	if !fields.Has("name") {
		p.Node(n, "the type has no name")
	}
	if p.Count() > before {
		return
	}
	if _, err := events.NewCatalogue([]events.Type{t}); err != nil {
		p.Node(at, "%s", oneLine(err))
		return
	}
	p.rules.Types = append(p.rules.Types, t)
}

// maxReasons is how many reasons why a schema is wrong are told.
const maxReasons = 4

// oneLine puts the reasons of an error, which come in any order, into one line.
func oneLine(err error) string {
	what, rest, _ := strings.Cut(err.Error(), "\n")
	var reasons []string
	for line := range strings.SplitSeq(rest, "\n") {
		if line = strings.TrimLeft(line, " -"); line != "" && !slices.Contains(reasons, line) {
			reasons = append(reasons, line)
		}
	}
	slices.Sort(reasons)
	for _, reason := range reasons[:min(len(reasons), maxReasons)] {
		what += "; " + reason
	}
	return what
}
