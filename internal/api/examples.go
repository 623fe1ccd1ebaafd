package api

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed examples.json
var examplesFile []byte

// example is a call of an operation, as the OpenAPI document shows it. The
// examples can be made one after the other in a company without documents.
type example struct {
	Operation   string            `json:"operation"`
	As          string            `json:"as,omitempty"` // role of the caller
	Parameters  map[string]string `json:"parameters,omitempty"`
	ContentType string            `json:"contentType,omitempty"` // of the body; JSON unless given
	Body        json.RawMessage   `json:"body,omitempty"`        // a string if it isn't JSON
	Bytes       []byte            `json:"bodyBase64,omitempty"`  // instead of Body, if it can't be a string
	Status      int               `json:"status"`
	Answer      json.RawMessage   `json:"answer,omitempty"` // of lines of JSON the first one; a string if it isn't JSON
}

func examples() []example {
	var all []example
	if err := json.Unmarshal(examplesFile, &all); err != nil {
		panic("api: examples: " + err.Error()) // a mistake in the file
	}
	return all
}

// illustrate puts the examples into the OpenAPI document.
func illustrate(doc *huma.OpenAPI) {
	operations := make(map[string]*huma.Operation)
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if op != nil {
				operations[op.OperationID] = op
			}
		}
	}
	for _, e := range examples() {
		op := operations[e.Operation]
		if op == nil {
			panic("api: example of an unknown operation " + e.Operation) // a mistake in the file
		}
		e.show(op)
	}
}

// show adds an example to its operation. The first one of several gives the
// parameters.
func (e example) show(op *huma.Operation) {
	for _, p := range op.Parameters {
		if v, ok := e.Parameters[p.Name]; ok && p.Example == nil {
			p.Example = v
		}
	}
	if op.RequestBody != nil {
		showIn(op.RequestBody.Content, e.ContentType, e.Body)
		if e.Bytes != nil {
			showIn(op.RequestBody.Content, e.ContentType, json.RawMessage(`"(bytes)"`))
		}
	}
	if res := op.Responses[fmt.Sprint(e.Status)]; res != nil {
		showIn(res.Content, "", e.Answer)
	}
}

// showIn sets the example of a content type; "" is the only one there is.
func showIn(content map[string]*huma.MediaType, contentType string, value json.RawMessage) {
	for t, media := range content {
		if (t == contentType || contentType == "") && media.Example == nil && value != nil {
			media.Example = value
		}
	}
}
