package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/documents"
)

type KeyInput struct {
	Type string `path:"type" maxLength:"64" doc:"A lower-case letter, then letters, digits and hyphens." example:"invoice"`
	Ref  string `path:"ref" maxLength:"256" doc:"The ERP's own key of the document, percent-encoded." example:"2026-0815"`
}

type StringsInput struct {
	Strings string `query:"strings" enum:"text,scalar" default:"text" doc:"What strings become: texts, which several people can edit at the same time, as in automerge-js 3; or scalars, which are replaced as a whole."`
}

type openInput struct {
	KeyInput
	StringsInput
	DeviceInput
	RawBody []byte `contentType:"application/json"`
}

// openBody is what the body of openInput is.
type openBody struct {
	Content map[string]any `json:"content,omitempty" doc:"What a new document holds. Nothing is done with it if the document is there."`
}

func (s *Server) registerOpenDocument(rest huma.API) {
	op := s.documentOperation(rest, "open-document", http.MethodPut, "/v1/documents/{type}/{ref}", "Get or create a document by its key",
		"Answers the same document every time, to everybody in the company: 201 to the one who made it, 200 to all others. "+
			"The server makes the first change, so that two clients never begin one document twice. Deleting a document frees its key.",
		body{"application/json", reflect.TypeFor[DocumentView]()})
	op.SkipValidateBody = true
	op.Errors = append(op.Errors, http.StatusConflict, http.StatusRequestEntityTooLarge)
	op.Responses["201"] = &huma.Response{Description: "Created", Content: op.Responses["200"].Content}
	huma.Register(rest, op, func(ctx context.Context, in *openInput) (*jsonOutput, error) {
		o := documents.Opening{ScalarStrings: in.Strings == "scalar"}
		var err error
		if o.Content, err = contentIn(in.RawBody); err != nil {
			return nil, err
		}
		doc, made, err := s.opts.Documents.Open(ctx, callerOn(ctx, in.Device), in.Type, in.Ref, o)
		if err != nil {
			return nil, s.problem("open the document", err)
		}
		out := newJSON(appendObject(nil, viewOf(doc)))
		out.ETag, out.Location = etag(doc), "/v1/documents/"+doc.ID.String()
		if made {
			out.Status = http.StatusCreated
		}
		return out, nil
	})
	describeBody(rest, op, false, body{"application/json", reflect.TypeFor[openBody]()})
}

// contentIn returns the content in a body; nil if there is none.
func contentIn(raw []byte) (json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var in struct{ Content json.RawMessage }
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, huma.Error400BadRequest("the body is no JSON: " + err.Error())
		}
		return nil, huma.Error422UnprocessableEntity(`the body has to be an object such as {"content": {"status": "draft"}}`)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, huma.Error400BadRequest("the body has something after its JSON value")
	}
	if string(in.Content) == "null" {
		return nil, nil
	}
	return in.Content, nil
}
