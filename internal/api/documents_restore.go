package api

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/documents"
)

type restoreInput struct {
	DocumentInput
	MatchInput
	DeviceInput
	Body struct {
		At      string    `json:"at,omitempty" maxLength:"66560" doc:"The state to bring back: its heads in hex, joined by dots. Either this or time."`
		Time    time.Time `json:"time,omitempty" doc:"The state to bring back: what the server had received by then."`
		Path    string    `json:"path,omitempty" maxLength:"8192" doc:"JSON Pointer to the part to bring back; all of the document if it is left out."`
		Message string    `json:"message,omitempty" maxLength:"1024" doc:"Of the change that does it."`
	}
}

func (s *Server) registerRestore(rest huma.API) {
	op := s.documentOperation(rest, "restore-document", http.MethodPost, "/v1/documents/{id}/restore", "Bring back an earlier state",
		"By a change of the caller's that undoes what came after it, with the types of all values, and with as few edits as that takes. Nothing goes from the history.",
		body{"application/json", reflect.TypeFor[DocumentView]()})
	op.MaxBodyBytes = smallBody
	op.Errors = append(op.Errors, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge)
	huma.Register(rest, op, func(ctx context.Context, in *restoreInput) (*jsonOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		at, err := stateOf(in.Body.At, in.Body.Time)
		var d documents.Document
		if err == nil {
			d, err = s.opts.Documents.Restore(ctx, callerOn(ctx, in.Device), doc, documents.Restore{
				At: at, Path: in.Body.Path, Message: in.Body.Message, Match: tagMatcher(in.IfMatch, false),
			})
		}
		if err != nil {
			return nil, s.problem("restore the document", err)
		}
		return changed(d), nil
	})
}
