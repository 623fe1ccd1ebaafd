package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"concord/internal/id"
)

func newCatalogue(t testing.TB, extra ...Type) *Catalogue {
	t.Helper()
	c, err := NewCatalogue(extra)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Each built-in type says what it is, and has an example that fits.
func TestBuiltInTypes(t *testing.T) {
	c := newCatalogue(t)
	files, err := schemas.ReadDir("schema")
	if err != nil {
		t.Fatal(err)
	}
	types := c.Types()
	if len(files) != len(types) || len(types) != 22 {
		t.Errorf("%d files and %d types, want 22", len(files), len(types))
	}
	if !slices.IsSortedFunc(types, func(a, b Type) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("types aren't sorted")
	}
	for _, k := range types {
		var s struct {
			Schema      string `json:"$schema"`
			Title       string
			Description string
			Properties  map[string]struct{ Description string }
			Required    []string
			Examples    []json.RawMessage
		}
		if err := json.Unmarshal(k.Schema, &s); err != nil {
			t.Fatal(err)
		}
		if s.Schema != dialect || s.Title == "" || s.Description == "" || k.Summary != s.Description || len(s.Examples) != 1 {
			t.Errorf("%s: schema doesn't say all: %+v", k.Name, s)
			continue
		}
		for name, p := range s.Properties {
			if p.Description == "" {
				t.Errorf("%s: property %s isn't described", k.Name, name)
			}
		}
		if err := c.Validate(k.Name, s.Examples[0]); err != nil {
			t.Errorf("%s: example: %v", k.Name, err)
		}
		var data map[string]any
		if err := json.Unmarshal(s.Examples[0], &data); err != nil {
			t.Fatal(err)
		}
		for name := range data {
			if _, ok := s.Properties[name]; !ok {
				t.Errorf("%s: example has %s, which the schema doesn't describe", k.Name, name)
			}
		}
		if text, ok := data["document"].(string); ok {
			if _, err := id.Parse(text); err != nil {
				t.Errorf("%s: example: %v", k.Name, err)
			}
		}
		// What rules derive may lack what the document lacks.
		err := c.Validate(k.Name, json.RawMessage(`{"own":[1,{}]}`))
		if lenient := err == nil; lenient != (len(s.Required) == 0) || !k.Server && !lenient {
			t.Errorf("%s: data without anything known: %v", k.Name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	c := newCatalogue(t,
		Type{Name: "order:shipped", Schema: json.RawMessage(`{"$defs":{"n":{"type":"integer","minimum":1}},"type":"object",
			"properties":{"lines":{"type":"array","items":{"type":"object","properties":{"count":{"$ref":"#/$defs/n"}}}}},
			"additionalProperties":false,"required":["lines"]}`)},
		Type{Name: "anything:at.all"},
	)
	for _, test := range []struct {
		name, data string
		kind       error
		says       []string
	}{
		{"invoice:paid", `{"total":1,"own":true}`, nil, nil},
		{"invoice:paid", ``, nil, nil},
		{"invoice:paid", `{"total":true}`, ErrInvalid, []string{"/total: got boolean, want null or number or string"}},
		{"invoice:paid", `{"total":true,"number":[],"ref":1}`, ErrInvalid, []string{"/total: ", "/number: ", "/ref: "}},
		{"invoice:paid", `[]`, ErrInvalid, []string{"got array, want object"}},
		{"invoice:paid", `{`, ErrInvalid, []string{"JSON"}},
		{"invoice:paid", "{\"a\":\"\xff\"}", ErrInvalid, []string{"UTF-8"}},
		{"invoice:paid", `{"total":1e999}`, ErrInvalid, []string{"1e999"}},
		{"invoice:paid", `{"a":"` + strings.Repeat("a", MaxData) + `"}`, ErrTooLarge, nil},
		{"user:online", `{}`, ErrInvalid, []string{"missing property 'user'"}},
		{"no:such", `{}`, ErrUnknownType, []string{`"no:such"`}},
		{"order:shipped", `{"lines":[{"count":2},{"count":1}]}`, nil, nil},
		{"order:shipped", `{"lines":[{"count":2},{"count":0}]}`, ErrInvalid, []string{"/lines/1/count: minimum: got 0, want 1"}},
		{"order:shipped", `{"lines":[` + strings.Repeat(`{"count":0},`, 20) + `{}]}`, ErrInvalid, []string{"and 15 more"}},
		{"order:shipped", `{"lines":[],"` + strings.Repeat("x", 1000) + `":1}`, ErrInvalid, []string{"x…"}},
		{"anything:at.all", `{"a":1}`, nil, nil},
		{"anything:at.all", `1`, ErrInvalid, []string{"got number, want object"}},
	} {
		err := c.Validate(test.name, json.RawMessage(test.data))
		if !errors.Is(err, test.kind) {
			t.Errorf("%s %.50s: %v, want %v", test.name, test.data, err, test.kind)
			continue
		}
		for _, text := range test.says {
			if !strings.Contains(err.Error(), text) || len(err.Error()) > 1500 {
				t.Errorf("%s %.50s: %v, want %q", test.name, test.data, err, text)
			}
		}
	}
}

func TestOwnTypesAreBounded(t *testing.T) {
	for _, test := range []struct {
		t    Type
		says string
	}{
		{Type{Name: "invoice:paid"}, "there is one"},
		{Type{Name: "shipped"}, "a name is like"},
		{Type{Name: "Order:shipped"}, "a name is like"},
		{Type{Name: "order:*"}, "a name is like"},
		{Type{Name: "order:" + strings.Repeat("x", MaxType)}, "a name is like"},
		{Type{Name: "order:shipped", Summary: strings.Repeat("x", MaxSummary+1)}, "summary"},
		{Type{Name: "order:shipped", Schema: []byte(`[]`)}, "must be an object"},
		{Type{Name: "order:shipped", Schema: []byte(`{`)}, "isn't JSON"},
		{Type{Name: "order:shipped", Schema: []byte(`{"type":"thing"}`)}, "type"},
		{Type{Name: "order:shipped", Schema: []byte(`{"$schema":"http://json-schema.org/draft-07/schema#"}`)}, "only"},
		{Type{Name: "order:shipped", Schema: []byte(`{"$ref":"https://example.com/a.json"}`)}, "isn't loaded"},
		{Type{Name: "order:shipped", Schema: []byte(`{"$ref":"file:///etc/passwd"}`)}, "isn't loaded"},
		{Type{Name: "order:shipped", Schema: []byte(`{"$ref":"invoice/paid"}`)}, "isn't loaded"},
		{Type{Name: "order:shipped", Schema: []byte(`{"pattern":"("}`)}, "pattern"},
		{Type{Name: "order:shipped", Schema: []byte(`{"title":"` + strings.Repeat("x", MaxSchema) + `"}`)}, "bytes"},
	} {
		if _, err := NewCatalogue([]Type{test.t}); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%.30s %.60s: %v, want %q", test.t.Name, test.t.Schema, err, test.says)
		}
	}
	var many []Type
	for i := range MaxTypes + 1 {
		many = append(many, Type{Name: fmt.Sprint("a:a", i)})
	}
	if _, err := NewCatalogue(many); err == nil {
		t.Error("too many types were taken")
	}
	if _, err := NewCatalogue(many[:MaxTypes]); err != nil {
		t.Error(err)
	}
	if _, ok := newCatalogue(t).Lookup("a:a1"); ok {
		t.Error("an own type is in another catalogue")
	}
}

// Whatever the data, it fits, or the error says where it doesn't.
func FuzzValidate(f *testing.F) {
	c := newCatalogue(f)
	for _, k := range c.Types() {
		var s struct{ Examples []json.RawMessage }
		if err := json.Unmarshal(k.Schema, &s); err != nil {
			f.Fatal(err)
		}
		f.Add(k.Name, []byte(s.Examples[0]))
	}
	f.Add("invoice:paid", []byte(`{"total":1e400}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		err := c.Validate(name, data)
		if _, ok := c.Lookup(name); ok == errors.Is(err, ErrUnknownType) {
			t.Fatalf("type %q: %v", name, err)
		}
		if err != nil && (!errors.Is(err, ErrUnknownType) && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrTooLarge) || len(err.Error()) > 2000) {
			t.Fatalf("error isn't one that is documented: %v", err)
		}
		if err == nil && len(data) > 0 && !json.Valid(data) {
			t.Fatal("data that isn't JSON was let through")
		}
	})
}

// Whatever the schema, there is a type or an error.
func FuzzNewCatalogue(f *testing.F) {
	for _, s := range []string{
		`{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"enum":[1,null]}}}`, `{"$ref":"#"}`, `true`,
		`{"$id":"https://example.com/x","$anchor":"y","$dynamicRef":"#y","pattern":"^a{1,9}$","multipleOf":0.1}`, `{"$id":"a","allOf":[{"$id":"b"}]}`,
		`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`,
	} {
		f.Add([]byte(s), []byte(`{"a":[1,"b",{"c":null}]}`))
	}
	f.Fuzz(func(t *testing.T, schema, data []byte) {
		c, err := NewCatalogue([]Type{{Name: "own:type", Schema: schema}})
		if err != nil {
			return
		}
		if err := c.Validate("own:type", data); err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("error isn't one that is documented: %v", err)
		}
	})
}
