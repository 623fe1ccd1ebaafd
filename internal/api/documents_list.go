package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/documents"
)

type PageInput struct {
	Cursor string `query:"cursor" maxLength:"1024" doc:"next of the page before; leave it out to begin."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

type listInput struct {
	PageInput
	Type         string    `query:"type" maxLength:"64" example:"invoice"`
	Ref          string    `query:"ref" maxLength:"256" doc:"Needs type." example:"2026-0815"`
	ChangedSince time.Time `query:"changed_since" doc:"Received by the server at or after this time." example:"2026-01-01T00:00:00Z"`
	EditedBy     string    `query:"edited_by" maxLength:"256" doc:"A user who has ever changed the document." example:"alice"`
	Deleted      bool      `query:"deleted" doc:"List deleted documents instead; other filters don't apply. For admins and services."`
}

type listedView struct {
	DocumentView
	Changes uint64      `json:"changes" doc:"How many changes the document has."`
	Bytes   uint64      `json:"bytes" doc:"Their size."`
	Last    *AuthorView `json:"last,omitempty" doc:"Who brought the latest change; missing in deleted documents, as everything but the ID and deleted."`
	Deleted *purgedView `json:"deleted,omitempty"`
}

type listOutput struct {
	Body struct {
		Documents []listedView `json:"documents" doc:"By ID; of one type by ref."`
		Next      string       `json:"next,omitempty" doc:"Pass it as cursor for the next page. A page may be short or empty without being the last: that one has no next."`
	}
}

func (s *Server) registerListDocuments(rest huma.API) {
	op := s.operation(rest, "list-documents", http.MethodGet, "/v1/documents", "List documents",
		"Those that the token may open. Filters can be combined.")
	op.Tags = []string{"documents"}
	huma.Register(rest, op, func(ctx context.Context, in *listInput) (*listOutput, error) {
		if in.Deleted {
			return s.listDeleted(ctx, in)
		}
		page, err := s.opts.Documents.List(ctx, callerOn(ctx, ""), documents.Filter{
			Type: in.Type, Ref: in.Ref, ChangedSince: in.ChangedSince, EditedBy: in.EditedBy, Cursor: in.Cursor, Limit: in.Limit,
		})
		if err != nil {
			return nil, s.problem("list documents", err)
		}
		out := &listOutput{}
		out.Body.Next = page.Next
		out.Body.Documents = make([]listedView, len(page.Documents))
		for i, d := range page.Documents {
			last := authorOf(d.Last)
			out.Body.Documents[i] = listedView{DocumentView: viewOf(d.Document), Changes: d.Changes, Bytes: d.Bytes, Last: &last}
		}
		return out, nil
	})
}
