package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/store"
)

type rejection struct {
	Seq      uint64    `json:"seq" doc:"Grows with time; pass the last one as before to read on."`
	Document string    `json:"document"`
	Hash     string    `json:"hash" doc:"Change hash in hex; zeros when the chunk was too broken to have one."`
	User     string    `json:"user"`
	Device   string    `json:"device" doc:"Storage ID of the client, or its peer ID if it has no storage."`
	Reason   string    `json:"reason" doc:"Stable code."`
	Detail   string    `json:"detail"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Count    uint64    `json:"count" doc:"How often it was offered."`
}

type rejectionsInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Before uint64 `query:"before" doc:"Only rejections with a smaller seq; 0 starts with the newest."`
}

type rejectionsOutput struct {
	Body struct {
		Rejections []rejection `json:"rejections" doc:"Newest first."`
	}
}

func (s *Server) registerRejections(rest huma.API) {
	op := s.operation(rest, "list-rejections", http.MethodGet, "/v1/rejections", "List changes that were refused",
		"Admins and services see those of the whole company, everybody else their own.")
	huma.Register(rest, op, func(ctx context.Context, in *rejectionsInput) (*rejectionsOutput, error) {
		p := caller(ctx)
		all, err := s.rejections(p.Company, in.Limit, in.Before, func(r store.Rejection) bool {
			return p.IsAdmin() || p.IsService() || r.User == p.User
		})
		if err != nil {
			return nil, s.internal("list rejections", err)
		}
		out := &rejectionsOutput{}
		out.Body.Rejections = make([]rejection, 0, len(all))
		for _, r := range all {
			out.Body.Rejections = append(out.Body.Rejections, rejection{
				Seq: r.Seq, Document: r.Document.String(), Hash: hex.EncodeToString(r.Hash[:]), User: r.User, Device: r.Device,
				Reason: r.Reason, Detail: r.Detail, First: r.First, Last: r.Last, Count: r.Count,
			})
		}
		return out, nil
	})
}

// rejections pages through the store's list until limit entries are to be shown.
func (s *Server) rejections(company string, limit int, before uint64, show func(store.Rejection) bool) ([]store.Rejection, error) {
	var shown []store.Rejection
	for len(shown) < limit {
		page, err := s.opts.Store.Rejections(company, limit, before)
		if err != nil || len(page) == 0 {
			return shown, err
		}
		for _, r := range page {
			if show(r) && len(shown) < limit {
				shown = append(shown, r)
			}
		}
		before = page[len(page)-1].Seq
	}
	return shown, nil
}

// internal logs a fault of ours and returns what the caller may know of it.
func (s *Server) internal(doing string, err error) error {
	s.log.Error(doing, "error", err)
	return huma.Error500InternalServerError("the server failed to " + doing + "; its log says why")
}
