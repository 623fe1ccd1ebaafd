package derive

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"concord/events"
	"concord/internal/rules"
)

// Limits of a rules file.
const (
	maxRules  = 1000
	maxTypes  = 200 // own types of events
	maxData   = 50  // fields of an event's data
	maxDatum  = 64  // bytes of a field's name
	maxValues = 256 // after from, or to
)

// Parse reads the events of a rules file. The error is a *rules.Error with all
// mistakes that they have; file is how they call it.
func Parse(file string, b []byte) (*Rules, error) {
	r := rules.Open(file, b)
	read := Read(r)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return read, nil
}

// Read reads the sections of the events and their types. After mistakes, which r
// has, the result isn't to be used.
func Read(r *rules.Reader) *Rules {
	p := &parser{Reader: r, rules: &Rules{}, names: map[string]int{}, types: map[string]int{}}
	if n := r.Section("types"); n != nil {
		p.ownTypes(n)
	}
	var err error
	if p.rules.catalogue, err = events.NewCatalogue(p.rules.Types); err != nil {
		p.Node(r.Section("types"), "%v", err)
		return p.rules
	}
	if n := r.Section("events"); n != nil {
		p.events(n)
	}
	p.rules.Notes = r.TakeNotes()
	return p.rules
}

type parser struct {
	*rules.Reader
	rules *Rules
	names map[string]int // line, by name of a rule
	types map[string]int // line, by name of a type
}

func (p *parser) events(n *yaml.Node) {
	items, ok := p.Items(n, "events", "a list of rules, each beginning with \"- name:\"")
	if !ok {
		return
	}
	for i, item := range items {
		if i == maxRules {
			p.Node(item, "a file has at most %d rules for events", maxRules)
			return
		}
		p.rule(item)
	}
}

// places are the nodes of a rule's fields.
type places map[string]*yaml.Node

func (p *parser) rule(n *yaml.Node) {
	before := p.Count()
	r := &Rule{Line: n.Line}
	fields := p.Fields(n, "an event", "name", "type", "field", "from", "to", "becomes", "on", "when", "emit", "room", "data")
	if fields == nil {
		return
	}
	at := places{}
	for _, f := range fields {
		at[f.Key] = f.Value
		p.field(r, f)
	}
	for _, key := range []string{"name", "type", "emit", "room"} {
		if !fields.Has(key) {
			p.Node(n, "the event has no %s", key)
		}
	}
	p.trigger(n, fields)
	if p.Count() == before {
		p.consider(r, at)
	}
	if p.Count() == before {
		p.rules.Events = append(p.rules.Events, r)
	}
}

func (p *parser) field(r *Rule, f rules.Field) {
	switch f.Key {
	case "name":
		r.Name = p.Name(f.Value, "event", p.names)
	case "type":
		r.Type = p.Type(f.Value)
	case "field":
		r.Field = p.Path(f.Value, "field")
	case "from":
		r.From = p.values(f.Value, "from")
	case "to":
		r.To = p.values(f.Value, "to")
	case "becomes":
		r.Becomes = p.Condition(f.Value, "becomes")
	case "on":
		r.On = p.moments(f.Value)
	case "when":
		r.When = p.Condition(f.Value, "when")
	case "emit":
		r.Emit = p.Text(f.Value, "emit")
	case "room":
		r.Room = p.room(f.Value)
	case "data":
		r.Data = p.data(f.Value)
	}
}

// trigger looks whether a rule says in one way what it waits for.
func (p *parser) trigger(n *yaml.Node, fields rules.Fields) {
	var ways []string
	for _, key := range []string{"field", "becomes", "on"} {
		if fields.Has(key) {
			ways = append(ways, key)
		}
	}
	switch {
	case len(ways) == 0:
		p.Node(n, "the event has no field, becomes or on: one of them says what makes it")
	case len(ways) > 1:
		p.Node(n, "the event has %s: one event has one of them", strings.Join(ways, " and "))
	}
	if !fields.Has("field") && (fields.Has("from") || fields.Has("to")) {
		p.Node(n, "from and to are about a field: say which one")
	}
}

func (p *parser) values(n *yaml.Node, what string) []rules.Value {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		var ok bool
		if items, ok = p.Items(n, what, "a value or a list of values"); !ok {
			return nil
		}
	}
	switch {
	case len(items) == 0:
		p.Node(n, "%s names no value; leave it out for any", what)
	case len(items) > maxValues:
		p.Node(n, "%s has at most %d values", what, maxValues)
		return nil
	}
	var values []rules.Value
	for _, item := range items {
		if v, ok := p.Value(item); ok {
			values = append(values, v)
		}
	}
	return values
}

func (p *parser) moments(n *yaml.Node) []Moment {
	items, ok := p.Items(n, "on", "a list such as [created, deleted]")
	if !ok {
		return nil
	}
	if len(items) == 0 {
		p.Node(n, "on names no moment; there are created, updated and deleted")
	}
	var all []Moment
	for _, item := range items {
		m := Moment(p.Text(item, "a moment"))
		switch {
		case m == "":
		case !slices.Contains(moments, m):
			p.Node(item, "%q is no moment; there are created, updated and deleted", m)
		case slices.Contains(all, m):
			p.Node(item, "%s is there twice", m)
		default:
			all = append(all, m)
		}
	}
	return all
}

func (p *parser) room(n *yaml.Node) Room {
	s := p.Text(n, "room")
	users, isUser := strings.CutPrefix(s, events.KindUser+":")
	switch {
	case s == "":
	case s == events.KindCompany:
		return Room{Company: true}
	case s == events.KindDocument:
		return Room{Document: true}
	case !isUser:
		p.Node(n, "%q is no room; there are company, document, and user: with the path of a name, such as user:/assignee", s)
	default:
		if err := rules.OnePlace(users); err != nil {
			p.Node(n, "after user: comes the path of a name, or of a list of names, such as user:/assignee: %v", err)
			break
		}
		return Room{Users: users}
	}
	return Room{}
}

// reserved are the fields of data that the server fills in.
var reserved = []string{"document", "ref", "type", "user"}

func (p *parser) data(n *yaml.Node) []Datum {
	if n.Kind == yaml.MappingNode && len(n.Content) > 2*maxData {
		p.Node(n, "data has at most %d fields", maxData)
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.Node(n, "data has to be fields with paths, such as {total: /total}")
		return nil
	}
	var known []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		known = append(known, n.Content[i].Value)
	}
	var all []Datum
	for _, f := range p.Fields(n, "data", known...) {
		switch {
		case f.Key == "" || len(f.Key) > maxDatum:
			p.Node(f.Value, "the name of a field has 1 to %d bytes", maxDatum)
		case slices.Contains(reserved, f.Key):
			p.Node(f.Value, "%s is filled in by the server; choose another name", f.Key)
		default:
			all = append(all, Datum{f.Key, p.Path(f.Value, f.Key)})
		}
	}
	slices.SortFunc(all, func(a, b Datum) int { return strings.Compare(a.Name, b.Name) })
	return all
}
