package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// spec is the OpenAPI document as a program reads it.
type spec struct {
	Paths      map[string]map[string]specOperation
	Components struct{ Schemas map[string]schema }
}

type specOperation struct {
	OperationID string
	Parameters  []specParameter
	RequestBody *struct {
		Required bool
		Content  map[string]specMedia
	}
	Responses map[string]struct{ Content map[string]specMedia }

	method, path string
}

type specParameter struct {
	Name, In string
	Required bool
	Schema   schema
}

type specMedia struct{ Schema schema }

// schema is a JSON Schema, of the kinds that the document uses.
type schema map[string]any

// spec reads the OpenAPI document; its operations are sorted by ID.
func (r *rig) spec() (*spec, []specOperation) {
	r.tb.Helper()
	doc := new(spec)
	if err := json.Unmarshal([]byte(r.body("/openapi.json")), doc); err != nil {
		r.tb.Fatal(err)
	}
	var all []specOperation
	for path, methods := range doc.Paths {
		for method, op := range methods {
			op.method, op.path = strings.ToUpper(method), path
			all = append(all, op)
		}
	}
	slices.SortFunc(all, func(a, b specOperation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return doc, all
}

func (s *spec) resolve(of schema) schema {
	if name, ok := of["$ref"].(string); ok {
		return s.Components.Schemas[strings.TrimPrefix(name, "#/components/schemas/")]
	}
	return of
}

// checkAnswer holds an answer against what the document says of it.
func (s *spec) checkAnswer(op specOperation, a answer) error {
	status := strconv.Itoa(a.Status)
	res, ok := op.Responses[status]
	if !ok {
		if res, ok = op.Responses["default"]; !ok {
			return fmt.Errorf("the document has no answer %s", status)
		}
	}
	if len(a.Raw) == 0 {
		return nil
	}
	t, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	media, ok := res.Content[t]
	if !ok {
		return fmt.Errorf("the document has no answer %s of type %s", status, t)
	}
	if t != ndjson && !strings.HasSuffix(t, "json") {
		return nil
	}
	lines := [][]byte{a.Raw}
	if t == ndjson {
		lines = bytes.SplitAfter(bytes.TrimSuffix(a.Raw, []byte("\n")), []byte("\n"))
	}
	for _, line := range lines {
		var v any
		if err := json.Unmarshal(line, &v); err != nil && !strings.Contains(err.Error(), "max depth") {
			return err
		} else if err == nil {
			if err := s.check("", media.Schema, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// check reports the first thing in a value that its schema doesn't allow.
func (s *spec) check(at string, of schema, v any) error {
	of = s.resolve(of)
	if !allowsType(of["type"], v) {
		return fmt.Errorf("%s: %v is no %v", at, v, of["type"])
	}
	if values, ok := of["enum"].([]any); ok && !slices.Contains(values, v) {
		return fmt.Errorf("%s: %v is none of %v", at, v, values)
	}
	switch v := v.(type) {
	case string:
		return checkText(at, of, v)
	case []any:
		items, _ := of["items"].(map[string]any)
		for i, e := range v {
			if err := s.check(fmt.Sprintf("%s/%d", at, i), items, e); err != nil {
				return err
			}
		}
	case map[string]any:
		return s.checkObject(at, of, v)
	}
	return nil
}

func (s *spec) checkObject(at string, of schema, v map[string]any) error {
	required, _ := of["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return fmt.Errorf("%s has no %s", at, name)
		}
	}
	properties, _ := of["properties"].(map[string]any)
	for name, e := range v {
		p, ok := properties[name].(map[string]any)
		if !ok {
			if of["additionalProperties"] == false {
				return fmt.Errorf("%s has a %s, of which the document doesn't know", at, name)
			}
			p, _ = of["additionalProperties"].(map[string]any)
		}
		if err := s.check(at+"/"+name, p, e); err != nil {
			return err
		}
	}
	return nil
}

func checkText(at string, of schema, v string) error {
	if of["format"] == "date-time" {
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	if p, ok := of["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
		return fmt.Errorf("%s: %q isn't like %s", at, v, p)
	}
	return nil
}

// allowsType reports whether a value has a type, or one of several.
func allowsType(t, v any) bool {
	switch t := t.(type) {
	case nil:
		return true
	case []any:
		return slices.ContainsFunc(t, func(one any) bool { return allowsType(one, v) })
	}
	switch v := v.(type) {
	case nil:
		return t == "null"
	case bool:
		return t == "boolean"
	case string:
		return t == "string"
	case float64:
		return t == "number" || t == "integer" && v == float64(int64(v))
	case []any:
		return t == "array"
	}
	return t == "object"
}
