package api

import (
	"context"
	"mime"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/documents"
)

const (
	mergePatchType = "application/merge-patch+json"
	jsonPatchType  = "application/json-patch+json"
)

type MatchInput struct {
	IfMatch string `header:"If-Match" maxLength:"66560" doc:"Refuses the change with 412 unless the document is in the state of this ETag."`
}

type patchInput struct {
	DocumentInput
	MatchInput
	StringsInput
	DeviceInput
	ContentType string `header:"Content-Type" hidden:"true"`
	Message     string `query:"message" maxLength:"1024" doc:"Of the change, for its history." example:"Correct the price"`
	RawBody     []byte `contentType:"application/merge-patch+json"`
}

// patchOperation is an operation of a JSON Patch.
type patchOperation struct {
	Op    string `json:"op" enum:"add,remove,replace,move,copy,test"`
	Path  string `json:"path"`
	From  string `json:"from,omitempty"`
	Value any    `json:"value,omitempty"`
}

func (s *Server) registerPatchDocument(rest huma.API) {
	op := s.documentOperation(rest, "patch-document", http.MethodPatch, "/v1/documents/{id}", "Change a document",
		"With a merge patch (RFC 7386) or a JSON Patch (RFC 6902): as one change of the caller's, or not at all. What the patch doesn't touch "+
			"stays as it is, so that it merges with what others do meanwhile. Texts are compared and changed character by character, "+
			"but replaced as a whole when the old or the new one has at most 64 characters and no line break: two people who set a status at once "+
			"then are a conflict, and no mixture of both. Values keep their types where they can: a number over a counter becomes an increment, a date over a timestamp a timestamp. "+
			"move and copy take values with their types along, but not the marks of texts.",
		body{"application/json", reflect.TypeFor[DocumentView]()})
	op.SkipValidateBody = true
	op.Errors = append(op.Errors, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	huma.Register(rest, op, func(ctx context.Context, in *patchInput) (*jsonOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		kind, err := patchKind(in.ContentType)
		if err != nil {
			return nil, err
		}
		d, err := s.opts.Documents.Patch(ctx, callerOn(ctx, in.Device), doc, documents.Patch{
			Kind: kind, Body: in.RawBody, ScalarStrings: in.Strings == "scalar", Message: in.Message, Match: tagMatcher(in.IfMatch, false),
		})
		if err != nil {
			return nil, s.problem("change the document", err)
		}
		return changed(d), nil
	})
	describeBody(rest, op, true, body{mergePatchType, reflect.TypeFor[map[string]any]()}, body{jsonPatchType, reflect.TypeFor[[]patchOperation]()})
}

// changed answers with the state of a document after a change.
func changed(d documents.Document) *jsonOutput {
	out := newJSON(appendObject(nil, viewOf(d)))
	out.ETag = etag(d)
	return out
}

func patchKind(contentType string) (documents.PatchKind, error) {
	switch t, _, _ := mime.ParseMediaType(contentType); t {
	case mergePatchType:
		return documents.MergePatch, nil
	case jsonPatchType:
		return documents.JSONPatch, nil
	}
	return 0, huma.Error415UnsupportedMediaType("say which kind of patch it is: Content-Type " + mergePatchType + " or " + jsonPatchType)
}
