package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/documents"
	"concord/internal/id"
	"concord/store"
)

// registerDocuments adds everything under /v1/documents, and the audit log.
func (s *Server) registerDocuments(rest huma.API) {
	s.registerOpenDocument(rest)
	s.registerListDocuments(rest)
	s.registerGetDocument(rest)
	s.registerPatchDocument(rest)
	s.registerHistory(rest)
	s.registerDiff(rest)
	s.registerBlame(rest)
	s.registerRestore(rest)
	s.registerExport(rest)
	s.registerImport(rest)
	s.registerSyncDocument(rest)
	s.registerDocumentReceipts(rest)
	s.registerPurge(rest)
	s.registerAudit(rest)
}

// DeviceInput is what every operation that changes documents takes besides its own.
type DeviceInput struct {
	Device string `header:"Concord-Storage-Id" maxLength:"256" pattern:"^[ -~]*$" doc:"Names the device in history and blame. Of an automerge-repo client its storage ID." example:"erp-backend"`
}

// DocumentInput names a document.
type DocumentInput struct {
	ID string `path:"id" maxLength:"128" doc:"Document ID or automerge: URL." example:"4NMNnkMhL8jXrdJ9jamS58PAVdXu"`
}

// document returns the ID in the path.
func (in DocumentInput) document() (id.DocumentID, error) {
	doc, err := id.Parse(strings.TrimPrefix(in.ID, "automerge:"))
	if err != nil {
		return doc, huma.Error422UnprocessableEntity("the path has no document ID: " + err.Error() + "; IDs look like 4NMNnkMhL8jXrdJ9jamS58PAVdXu")
	}
	return doc, nil
}

func callerOn(ctx context.Context, device string) documents.Caller {
	return documents.Caller{Principal: caller(ctx), Device: device}
}

// DocumentView is how a document is named in answers.
type DocumentView struct {
	ID    string   `json:"id" doc:"Document ID." example:"4NMNnkMhL8jXrdJ9jamS58PAVdXu"`
	URL   string   `json:"url" doc:"What automerge-repo's find takes."`
	Type  string   `json:"type,omitempty" doc:"Missing in a document without a key, as the next one."`
	Ref   string   `json:"ref,omitempty"`
	Heads []string `json:"heads" doc:"Change hashes in hex, sorted: the state of the document."`
}

func viewOf(d documents.Document) DocumentView {
	return DocumentView{ID: d.ID.String(), URL: id.URL{Document: d.ID}.String(), Type: d.Type, Ref: d.Ref, Heads: texts(d.Heads)}
}

// texts returns things as texts, never nil.
func texts[T fmt.Stringer](things []T) []string {
	all := make([]string, len(things))
	for i, t := range things {
		all[i] = t.String()
	}
	return all
}

// AuthorView says who brought a change.
type AuthorView struct {
	User     string     `json:"user" doc:"Whose token brought it."`
	Device   string     `json:"device,omitempty" doc:"Storage ID of the client, if known."`
	Received time.Time  `json:"received" doc:"When the server received it."`
	Claimed  *time.Time `json:"claimed,omitempty" doc:"When it was made, by the clock of the author's device."`
}

func authorOf(a store.Attribution) AuthorView {
	return AuthorView{User: a.User, Device: a.Device, Received: a.Received.UTC()}
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// etag returns a state as an entity tag.
func etag(d documents.Document) string { return `"` + documents.Tag(d.Heads) + `"` }

// tagMatcher returns what a list of entity tags (If-Match, If-None-Match) is
// true of; nil for no list. Weak tags match if weak is set.
func tagMatcher(list string, weak bool) func(tag string) bool {
	if list = strings.TrimSpace(list); list == "" {
		return nil
	}
	return func(tag string) bool {
		for entry := range strings.SplitSeq(list, ",") {
			entry = strings.TrimSpace(entry)
			if rest, ok := strings.CutPrefix(entry, "W/"); ok && weak {
				entry = rest
			}
			if entry == "*" || entry == `"`+tag+`"` {
				return true
			}
		}
		return false
	}
}

// stateOf reads the parameters that name a state.
func stateOf(heads string, t time.Time) (documents.At, error) {
	at := documents.At{Time: t}
	var err error
	if heads != "" {
		at.Heads, err = documents.ParseHeads(heads)
	}
	return at, err
}

// problem turns an error of the documents into an answer.
func (s *Server) problem(doing string, err error) error {
	var own *documents.Error
	if !errors.As(err, &own) {
		var status huma.StatusError
		switch {
		case errors.As(err, &status):
			return err
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			return huma.NewError(http.StatusRequestTimeout, "the request ended before it was done")
		}
		return s.internal(doing, err)
	}
	status := http.StatusUnprocessableEntity
	switch own.Kind {
	case documents.ErrForbidden:
		status = http.StatusForbidden
	case documents.ErrNotFound:
		status = http.StatusNotFound
	case documents.ErrPurged:
		status = http.StatusGone
	case documents.ErrChanged:
		tag := http.Header{"Etag": {`"` + documents.Tag(own.Heads) + `"`}}
		return huma.ErrorWithHeaders(huma.NewError(http.StatusPreconditionFailed, own.Message), tag)
	case documents.ErrConflict:
		status = http.StatusConflict
	case documents.ErrTooLarge:
		status = http.StatusRequestEntityTooLarge
	case documents.ErrUnavailable:
		return huma.ErrorWithHeaders(huma.NewError(http.StatusServiceUnavailable, own.Message), http.Header{"Retry-After": {"5"}})
	}
	return huma.NewError(status, own.Message)
}

// jsonOutput is an answer that is put together by hand: values of documents may
// be nested deeper than encoding/json goes.
type jsonOutput struct {
	Status       int
	ContentType  string    `header:"Content-Type" hidden:"true"`
	CacheControl string    `header:"Cache-Control" hidden:"true"`
	ETag         string    `header:"ETag" doc:"The heads of the state, for If-Match, If-None-Match and at."`
	LastModified time.Time `header:"Last-Modified" hidden:"true"`
	Location     string    `header:"Location" hidden:"true"`
	Body         []byte
}

func newJSON(body []byte) *jsonOutput {
	return &jsonOutput{Status: http.StatusOK, ContentType: "application/json", CacheControl: "private, no-cache", Body: body}
}

// rawField is a field whose value is JSON already; one without a value is left out.
type rawField struct {
	name  string
	value []byte
}

// appendObject appends an object with the fields of a struct and further ones.
func appendObject(b []byte, object any, fields ...rawField) []byte {
	var head bytes.Buffer
	e := json.NewEncoder(&head)
	e.SetEscapeHTML(false)
	if err := e.Encode(object); err != nil {
		panic("api: " + err.Error()) // a struct of ours has a field that can't be JSON
	}
	start := len(b)
	b = append(b, bytes.TrimSuffix(head.Bytes(), []byte("}\n"))...)
	for _, f := range fields {
		if f.value == nil {
			continue
		}
		if len(b) > start+1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f.name...), `":`...)
		b = append(b, f.value...)
	}
	return append(b, '}')
}

// appendList appends a list of objects.
func appendList[T any](b []byte, list []T, appendOne func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendOne(b, v)
	}
	return append(b, ']')
}

// body is what an operation takes or answers besides JSON that huma describes.
type body struct {
	contentType string
	schema      reflect.Type // nil = bytes
}

// documentOperation describes an operation on documents.
func (s *Server) documentOperation(rest huma.API, id, method, path, summary, description string, answer body) huma.Operation {
	op := s.operation(rest, id, method, path, summary, description)
	op.Tags = []string{"documents"}
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusGone)
	op.MaxBodyBytes = int64(s.opts.MaxMessage)
	op.BodyReadTimeout = bodyTimeout
	op.Responses = map[string]*huma.Response{"200": {
		Description: "OK", Content: map[string]*huma.MediaType{answer.contentType: {Schema: answer.describe(rest)}},
	}}
	return op
}

func (b body) describe(rest huma.API) *huma.Schema {
	if b.schema == nil {
		return &huma.Schema{Type: "string", Format: "binary"}
	}
	return rest.OpenAPI().Components.Schemas.Schema(b.schema, true, "")
}

// describeBody says what an operation takes, instead of bytes.
func describeBody(rest huma.API, op huma.Operation, required bool, bodies ...body) {
	item := rest.OpenAPI().Paths[op.Path]
	registered := map[string]*huma.Operation{"PUT": item.Put, "POST": item.Post, "PATCH": item.Patch}[op.Method]
	registered.RequestBody.Required = required
	registered.RequestBody.Content = map[string]*huma.MediaType{}
	for _, b := range bodies {
		registered.RequestBody.Content[b.contentType] = &huma.MediaType{Schema: b.describe(rest)}
	}
}
