package events

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	// MaxTypes is how many own types a catalogue can have.
	MaxTypes = 1000

	// MaxSummary is the limit in bytes for the summary of a type.
	MaxSummary = 1 << 10

	// MaxSchema is the limit in bytes for the schema of a type.
	MaxSchema = 64 << 10
)

// Type is a kind of events.
type Type struct {
	Name    string          `json:"name"`    // "invoice:paid"
	Summary string          `json:"summary"` // for people
	Schema  json.RawMessage `json:"schema"`  // JSON Schema 2020-12 of the data; nil: any object
	Durable bool            `json:"durable"` // kept in the log; else live only
	Server  bool            `json:"server"`  // only the server makes such events
}

// Catalogue knows the types of events. It is safe for concurrent use.
type Catalogue struct {
	types []Type // sorted by name
	named map[string]*known
}

type known struct {
	Type
	schema *jsonschema.Schema
}

//go:embed schema/*.json
var schemas embed.FS

// builtin are the types that every catalogue has. The schema of a:b is in schema/a-b.json; its description is the summary.
var builtin = []Type{
	{Name: "conflict:resolved", Durable: true, Server: true},
	{Name: "document:conflict", Durable: true, Server: true},
	{Name: "document:created", Durable: true, Server: true},
	{Name: "document:deleted", Durable: true, Server: true},
	{Name: "document:updated", Durable: true, Server: true},
	{Name: "expense:approved", Durable: true},
	{Name: "expense:rejected", Durable: true},
	{Name: "invoice:paid", Durable: true},
	{Name: "item:added", Durable: true},
	{Name: "notification:new", Durable: true},
	{Name: typeRead, Durable: true, Server: true},
	{Name: typeReceipt, Durable: true, Server: true},
	{Name: "payment:processed", Durable: true},
	{Name: "project:created", Durable: true},
	{Name: "project:deleted", Durable: true},
	{Name: "project:updated", Durable: true},
	{Name: "reorder:triggered", Durable: true},
	{Name: "stock:updated", Durable: true},
	{Name: "task:assigned", Durable: true},
	{Name: "user:offline", Durable: true, Server: true},
	{Name: "user:online", Durable: true, Server: true},
	{Name: "user:typing", Server: true},
}

// Types that package events makes itself.
const (
	typeRead    = "notification:read"
	typeReceipt = "notification:receipt"
)

// builtins returns the catalogue without own types, which is made once.
var builtins = sync.OnceValues(func() (*Catalogue, error) {
	c := &Catalogue{named: make(map[string]*known)}
	for _, t := range builtin {
		schema, err := schemas.ReadFile("schema/" + strings.ReplaceAll(t.Name, ":", "-") + ".json")
		if err != nil {
			return nil, err
		}
		var head struct{ Description string }
		if err := json.Unmarshal(schema, &head); err != nil {
			return nil, fmt.Errorf("type %s: %w", t.Name, err)
		}
		t.Schema, t.Summary = schema, head.Description
		if err := c.add(t); err != nil {
			return nil, err
		}
	}
	return c, nil
})

// NewCatalogue returns the built-in types and some more. The error tells what is wrong with one of these.
func NewCatalogue(extra []Type) (*Catalogue, error) {
	if len(extra) > MaxTypes {
		return nil, fmt.Errorf("catalogue has %d types of its own, at most %d are allowed", len(extra), MaxTypes)
	}
	base, err := builtins()
	if err != nil {
		return nil, fmt.Errorf("built-in types: %w", err)
	}
	c := &Catalogue{types: slices.Clone(base.types), named: make(map[string]*known)}
	for name, k := range base.named {
		c.named[name] = k
	}
	for _, t := range extra {
		if err := c.add(t); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(c.types, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	return c, nil
}

// typeName is the form of own names: "order:shipped".
var typeName = regexp.MustCompile(`^[a-z][a-z0-9_.-]*(:[a-z][a-z0-9_.-]*)+$`)

// add takes a type into the catalogue.
func (c *Catalogue) add(t Type) error {
	if len(t.Name) > MaxType || !typeName.MatchString(t.Name) {
		return fmt.Errorf("type %q: a name is like \"order:shipped\", in lower case, of at most %d bytes", clip(t.Name), MaxType)
	}
	if c.named[t.Name] != nil {
		return fmt.Errorf("type %q: there is one of that name", t.Name)
	}
	if len(t.Summary) > MaxSummary {
		return fmt.Errorf("type %q: summary has %d bytes, at most %d are allowed", t.Name, len(t.Summary), MaxSummary)
	}
	if len(t.Schema) == 0 {
		t.Schema = json.RawMessage(`{"type":"object"}`)
	}
	schema, err := compile(t.Name, t.Schema)
	if err != nil {
		return fmt.Errorf("type %q: schema: %w", t.Name, err)
	}
	c.named[t.Name] = &known{t, schema}
	c.types = append(c.types, t)
	return nil
}

// dialect is the only version of JSON Schema that types can have.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// nothingElse loads no schema: what one refers to is in it.
type nothingElse struct{}

func (nothingElse) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s isn't within the schema, and isn't loaded", url)
}

func compile(name string, text json.RawMessage) (*jsonschema.Schema, error) {
	if len(text) > MaxSchema {
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(text), MaxSchema)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("it isn't JSON: %w", err)
	}
	switch d := doc.(type) {
	case map[string]any:
		if v, ok := d["$schema"]; ok && v != dialect {
			return nil, fmt.Errorf("$schema is %v, only %s is understood", v, dialect)
		}
	case bool:
	default:
		return nil, errors.New("it must be an object")
	}
	url := "concord:///" + strings.ReplaceAll(name, ":", "/")
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nothingElse{})
	if err := c.AddResource(url, doc); err != nil {
		return nil, err
	}
	return c.Compile(url)
}

// Types returns all types, sorted by name.
func (c *Catalogue) Types() []Type { return slices.Clone(c.types) }

// Lookup returns the type of a name.
func (c *Catalogue) Lookup(name string) (Type, bool) {
	k := c.named[name]
	if k == nil {
		return Type{}, false
	}
	return k.Type, true
}
