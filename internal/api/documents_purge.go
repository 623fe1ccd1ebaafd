package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/documents"
)

type purgeInput struct {
	DocumentInput
	Reason string `query:"reason" maxLength:"1024" doc:"Kept with the tombstone and in the audit log." example:"retention period over"`
}

type purgedView struct {
	PurgedAt time.Time  `json:"purgedAt"`
	WipedAt  *time.Time `json:"wipedAt,omitempty" doc:"When nothing of the content was left in the server's file; missing while that is under way."`
	By       string     `json:"by"`
	Reason   string     `json:"reason,omitempty"`
}

func purgedOf(p documents.Purged) purgedView {
	return purgedView{PurgedAt: p.At.UTC(), WipedAt: optionalTime(p.Wiped), By: p.By, Reason: p.Reason}
}

type purgeOutput struct{ Body purgedView }

func (s *Server) registerPurge(rest huma.API) {
	op := s.operation(rest, "delete-document", http.MethodDelete, "/v1/documents/{id}", "Delete a document for good",
		"Its content, history and conflicts. A tombstone stays, so that devices that were offline don't bring it back; they are told. "+
			"Repeat the call, or list deleted documents, to see when the content has been overwritten in the server's file. For admins.")
	op.Tags = []string{"documents"}
	op.Errors = append(op.Errors, http.StatusNotFound)
	huma.Register(rest, op, func(ctx context.Context, in *purgeInput) (*purgeOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		p, err := s.opts.Documents.Purge(ctx, callerOn(ctx, ""), doc, in.Reason)
		if err != nil {
			return nil, s.problem("delete the document", err)
		}
		return &purgeOutput{purgedOf(p)}, nil
	})
}

// listDeleted answers for deleted documents.
func (s *Server) listDeleted(ctx context.Context, in *listInput) (*listOutput, error) {
	list, next, err := s.opts.Documents.Deleted(callerOn(ctx, ""), in.Cursor, in.Limit)
	if err != nil {
		return nil, s.problem("list deleted documents", err)
	}
	out := &listOutput{}
	out.Body.Next = next
	out.Body.Documents = make([]listedView, len(list))
	for i, p := range list {
		deleted := purgedOf(p)
		out.Body.Documents[i] = listedView{DocumentView: viewOf(documents.Document{ID: p.ID}), Deleted: &deleted}
	}
	return out, nil
}
