package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsPage string

// docsPolicy keeps the page from loading anything: it is complete in itself.
const docsPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type docsOperation struct {
	ID, Method, Path, Summary, Description string
	Secured                                bool
	Parts                                  []docsPart
}

// docsPart is what an operation takes, answers or fails with.
type docsPart struct {
	Title, Note, Example string
	Fields               []docsField
}

type docsField struct {
	Name, Type, Description, Example string
	Required, Inner                  bool // Inner: of the object, or of the entries of the list, above it
}

// docsHandler renders the OpenAPI document for people, once.
func docsHandler(doc *huma.OpenAPI) http.Handler {
	var page bytes.Buffer
	t := template.Must(template.New("docs").Parse(docsPage))
	if err := t.Execute(&page, map[string]any{
		"Title": doc.Info.Title, "Version": doc.Info.Version, "Description": doc.Info.Description, "Operations": docsOperations(doc),
	}); err != nil {
		panic("api: docs page: " + err.Error()) // a mistake in the template
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", docsPolicy)
		_, _ = w.Write(page.Bytes())
	})
}

func docsOperations(doc *huma.OpenAPI) []docsOperation {
	var all []docsOperation
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				all = append(all, docsOperation{
					ID: op.OperationID, Method: op.Method, Path: path, Summary: op.Summary, Description: op.Description,
					Secured: len(op.Security) > 0, Parts: docsParts(op, doc.Components.Schemas),
				})
			}
		}
	}
	return all
}

func docsParts(op *huma.Operation, schemas huma.Registry) []docsPart {
	var parts []docsPart
	var fields []docsField
	for _, p := range op.Parameters {
		f := docsField{Name: p.Name, Type: docsType(p.Schema), Description: p.Description, Required: p.Required}
		if p.Example != nil {
			f.Example = fmt.Sprint(p.Example)
		}
		fields = append(fields, f)
	}
	if len(fields) > 0 {
		parts = append(parts, docsPart{Title: "Parameters", Fields: fields})
	}
	if op.RequestBody != nil {
		parts = append(parts, docsBodies("Body", op.RequestBody.Content, schemas)...)
	}
	var failures []string
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if !strings.HasPrefix(status, "2") {
			if status != "default" {
				failures = append(failures, status)
			}
			continue
		}
		bodies := docsBodies("Answer "+status, op.Responses[status].Content, schemas)
		if len(bodies) == 0 {
			bodies = []docsPart{{Title: "Answer " + status, Note: op.Responses[status].Description}}
		}
		parts = append(parts, bodies...)
	}
	if len(failures) > 0 {
		parts = append(parts, docsPart{Title: "Errors", Note: strings.Join(failures, ", ") + ", as application/problem+json (RFC 9457)"})
	}
	return parts
}

// docsBodies describes each type that a body may have.
func docsBodies(title string, content map[string]*huma.MediaType, schemas huma.Registry) []docsPart {
	var parts []docsPart
	for _, t := range slices.Sorted(maps.Keys(content)) {
		part := docsPart{Title: title, Note: t, Fields: docsFields(schemas, content[t].Schema, false)}
		if example, ok := content[t].Example.(json.RawMessage); ok {
			var b bytes.Buffer
			if err := json.Indent(&b, example, "", "  "); err != nil {
				panic("api: example: " + err.Error()) // a mistake in the file
			}
			part.Example = b.String()
		}
		parts = append(parts, part)
	}
	return parts
}

// docsFields lists an object's properties, and those of the objects in it; of a
// list those of its objects.
func docsFields(schemas huma.Registry, s *huma.Schema, inner bool) []docsField {
	if s != nil && s.Ref != "" {
		s = schemas.SchemaFromRef(s.Ref)
	}
	if s != nil && s.Items != nil {
		return docsFields(schemas, s.Items, inner)
	}
	if s == nil {
		return nil
	}
	var fields []docsField
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		fields = append(fields, docsField{Name: name, Type: docsType(p), Description: p.Description, Required: slices.Contains(s.Required, name), Inner: inner})
		if !inner {
			fields = append(fields, docsFields(schemas, p, true)...)
		}
	}
	return fields
}

// docsType describes which values a schema takes.
func docsType(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	text := s.Type
	switch {
	case s.Ref != "":
		text = "object"
	case s.Items != nil:
		text = "array of " + docsType(s.Items)
	case text == "":
		text = "any JSON"
	}
	if s.Format != "" {
		text += " (" + s.Format + ")"
	}
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, fmt.Sprint(v))
		}
		text = strings.Join(values, " or ")
	}
	if s.Minimum != nil && s.Maximum != nil {
		text += fmt.Sprintf(", %v to %v", *s.Minimum, *s.Maximum)
	}
	if s.Default != nil {
		text += fmt.Sprintf(", %v unless given", s.Default)
	}
	return text
}
