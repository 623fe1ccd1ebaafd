package api

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/documents"
)

type StateInput struct {
	At   string    `query:"at" maxLength:"66560" doc:"An earlier state: its heads in hex, joined by dots, as in an ETag."`
	Time time.Time `query:"time" doc:"An earlier state: what the server had received by then."`
}

type PathInput struct {
	Path string `query:"path" maxLength:"8192" doc:"JSON Pointer (RFC 6901) to a part of the document; empty means all of it." example:"/lines/0/price"`
}

type getInput struct {
	DocumentInput
	StateInput
	PathInput
	IfNoneMatch string `header:"If-None-Match" maxLength:"66560" doc:"Answers 304 without content if the document is still in this state."`
}

type contentView struct {
	DocumentView
	Content any `json:"content" doc:"The document, or what path names, as JSON. Texts are strings, counters numbers, timestamps strings as of Date.toJSON, bytes base64."`
}

func (s *Server) registerGetDocument(rest huma.API) {
	op := s.documentOperation(rest, "get-document", http.MethodGet, "/v1/documents/{id}", "Read a document",
		"As it is, or as it was. The ETag names the state.", body{"application/json", reflect.TypeFor[contentView]()})
	op.Responses["304"] = &huma.Response{Description: "The document is in the state of If-None-Match"}
	op.Errors = append(op.Errors, http.StatusRequestEntityTooLarge)
	huma.Register(rest, op, func(ctx context.Context, in *getInput) (*jsonOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		at, err := stateOf(in.At, in.Time)
		if err != nil {
			return nil, s.problem("read the document", err)
		}
		c, err := s.opts.Documents.Get(ctx, callerOn(ctx, ""), doc, documents.Wanted{At: at, Path: in.Path, Has: tagMatcher(in.IfNoneMatch, true)})
		if err != nil {
			return nil, s.problem("read the document", err)
		}
		out := newJSON(nil)
		out.ETag = etag(c.Document)
		if in.At == "" && in.Time.IsZero() {
			out.LastModified = c.Last.Received.UTC()
		}
		if c.JSON == nil {
			out.Status, out.ContentType = http.StatusNotModified, ""
			return out, nil
		}
		out.Body = appendObject(nil, viewOf(c.Document), rawField{"content", c.JSON})
		return out, nil
	})
}
