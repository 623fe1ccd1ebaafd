package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/id"
	"concord/store"
)

const ndjson = "application/x-ndjson"

type auditInput struct {
	From uint64 `query:"from" doc:"Begin with the entry with this seq."`
}

type auditView struct {
	Seq      uint64          `json:"seq" doc:"Counts the company's entries from 1, without gaps."`
	Time     time.Time       `json:"time"`
	User     string          `json:"user,omitempty" doc:"Missing: the operator of the server."`
	Action   string          `json:"action" enum:"document.purge,document.restore,conflict.resolve,conflict.dismiss,proposal.accept,proposal.dismiss,guard.revert,token.revoke,access.denied,backup,import"`
	Document string          `json:"document,omitempty"`
	Detail   json.RawMessage `json:"detail,omitempty"`
	Previous string          `json:"previous" doc:"Hash of the entry before."`
	Hash     string          `json:"hash" doc:"SHA-256 over previous and the entry: the last one stands for all entries."`
}

func auditOf(e store.AuditEntry) auditView {
	v := auditView{
		Seq: e.Seq, Time: e.Time.UTC(), User: e.User, Action: e.Action, Detail: e.Detail,
		Previous: hex.EncodeToString(e.Previous[:]), Hash: hex.EncodeToString(e.Hash[:]),
	}
	if e.Document != (id.DocumentID{}) {
		v.Document = e.Document.String()
	}
	return v
}

func (s *Server) registerAudit(rest huma.API) {
	op := s.operation(rest, "get-audit-log", http.MethodGet, "/v1/audit", "Read the audit log",
		"Who deleted, restored, resolved, revoked, or was kept from something; one JSON object in each line, the oldest first. For admins.")
	op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
		ndjson: {Schema: body{ndjson, reflect.TypeFor[auditView]()}.describe(rest)},
	}}}
	huma.Register(rest, op, func(ctx context.Context, in *auditInput) (*huma.StreamResponse, error) {
		c := callerOn(ctx, "")
		if err := s.opts.Documents.MayAudit(c); err != nil {
			return nil, s.problem("read the audit log", err)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			hc.SetHeader("Content-Type", ndjson)
			hc.SetHeader("Cache-Control", "private, no-cache")
			hc.SetStatus(http.StatusOK)
			lines := json.NewEncoder(hc.BodyWriter())
			err := s.opts.Documents.Audit(ctx, c, in.From, func(e store.AuditEntry) error { return lines.Encode(auditOf(e)) })
			if err != nil && ctx.Err() == nil {
				s.log.Error("read the audit log", "error", err)
				panic(http.ErrAbortHandler) // the client must not take it for the end
			}
		}}, nil
	})
}
