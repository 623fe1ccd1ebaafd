package derive

import (
	"encoding/json"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// consider looks for what a rule says but can't mean. It is called for rules
// without mistakes in their parts.
func (p *parser) consider(r *Rule, at places) {
	if r.Becomes != nil {
		p.Types(r.Becomes, at["becomes"])
	}
	if r.When != nil {
		p.Types(r.When, at["when"])
	}
	if len(r.From) == 1 && len(r.To) == 1 && r.From[0].Same(r.To[0]) {
		p.Node(at["to"], "from and to are the same: that is no change")
	}
	if r.on(Deleted) {
		if r.Room.Users != "" {
			p.Node(at["room"], "when a document is deleted it isn't told what was in it: deleted needs the room company or document")
		}
		if r.When != nil {
			p.Node(at["when"], "when a document is deleted it isn't told what was in it: deleted can't have a condition")
		}
		if len(r.On) == 1 && len(r.Data) > 0 {
			p.Node(at["data"], "when a document is deleted it isn't told what was in it: deleted can't have data")
		}
	}
	if strings.HasSuffix(r.Emit, "*") && len(r.On) == 0 {
		p.Node(at["emit"], "* stands for created, updated or deleted, and goes with on")
		return
	}
	moments := r.On
	if len(moments) == 0 || !strings.HasSuffix(r.Emit, "*") {
		moments = []Moment{""}
	}
	for _, m := range moments {
		p.considerType(r, m, at)
	}
}

// considerType looks whether rules may make events of a type, and of these data.
func (p *parser) considerType(r *Rule, m Moment, at places) {
	name := r.eventType(m)
	t, ok := p.rules.catalogue.Lookup(name)
	switch {
	case !ok:
		p.Node(at["emit"], "there is no event %q; describe it under types:, or take one of %s", name, p.emittable(name))
		return
	case t.Server && !ofDocuments(name):
		p.Node(at["emit"], "events %s are made by the server alone", name)
		return
	case !t.Durable:
		p.Node(at["emit"], "events %s aren't kept, and so can't be committed with a change", name)
		return
	}
	var schema struct {
		Properties           map[string]json.RawMessage
		Required             []string
		AdditionalProperties json.RawMessage
	}
	if json.Unmarshal(t.Schema, &schema) != nil {
		return // true, or false
	}
	_, told := at["data"]
	for _, d := range r.Data {
		if _, known := schema.Properties[d.Name]; known || m == Deleted {
			continue
		}
		if string(schema.AdditionalProperties) == "false" {
			p.Node(p.datum(at["data"], d.Name), "events %s have no field %s", name, d.Name)
		} else if schema.Properties != nil {
			p.Note(p.datum(at["data"], d.Name), "the schema of %s says nothing of %s", name, d.Name)
		}
	}
	for _, key := range schema.Required {
		has := slices.Contains(reserved, key) || m != Deleted && slices.ContainsFunc(r.Data, func(d Datum) bool { return d.Name == key })
		if where := at["emit"]; !has {
			if told {
				where = at["data"]
			}
			p.Node(where, "events %s need the field %s", name, key)
		}
	}
}

// ofDocuments reports whether events tell of moments in the life of documents.
func ofDocuments(name string) bool {
	prefix, moment, _ := strings.Cut(name, ":")
	return prefix == "document" && slices.Contains(moments, Moment(moment))
}

// emittable lists types that rules can emit, those of the same beginning first.
func (p *parser) emittable(name string) string {
	prefix, _, _ := strings.Cut(name, ":")
	var close, others []string
	for _, t := range p.rules.catalogue.Types() {
		switch {
		case !t.Durable || t.Server && !ofDocuments(t.Name):
		case strings.HasPrefix(t.Name, prefix+":"):
			close = append(close, t.Name)
		default:
			others = append(others, t.Name)
		}
	}
	if len(close) > 0 {
		others = nil
	}
	return strings.Join(append(close, others...), ", ")
}

func (p *parser) datum(data *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(data.Content); i += 2 {
		if data.Content[i].Value == name {
			return data.Content[i]
		}
	}
	return data
}
