package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/conflict"
)

type conflictGroup struct {
	Name  string `json:"name" example:"/lines/*/price"`
	Count int    `json:"count"`
	Open  int    `json:"open"`
}

type conflictSummary struct {
	From    *time.Time      `json:"from,omitempty"`
	To      *time.Time      `json:"to,omitempty"`
	Total   int             `json:"total"`
	Status  map[string]int  `json:"status"`
	Kinds   map[string]int  `json:"kinds"`
	Days    []conflictGroup `json:"days" doc:"In UTC, in their order."`
	Fields  []conflictGroup `json:"fields" doc:"Most conflicts first, at most 100; likewise types and users."`
	Types   []conflictGroup `json:"types"`
	Users   []conflictGroup `json:"users" doc:"Pairs of users who wrote different values."`
	Closing struct {
		Count  int     `json:"count" doc:"Conflicts that are closed."`
		Median float64 `json:"medianSeconds"`
		P90    float64 `json:"p90Seconds"`
		Max    float64 `json:"maxSeconds"`
	} `json:"closing" doc:"How long conflicts were open."`
	Incomplete bool `json:"incomplete,omitempty" doc:"There were too many to look at all of them; ask for a shorter time."`
}

type conflictSummaryInput struct {
	From time.Time `query:"from" doc:"Opened at this time or later."`
	To   time.Time `query:"to" doc:"Opened before this time."`
}

type conflictSummaryOutput struct{ Body conflictSummary }

func (s *Server) registerConflictReports(rest huma.API) {
	op := s.operation(rest, "summarize-conflicts", http.MethodGet, "/v1/conflicts/summary", "Count conflicts",
		"By day, field, type of document and pair of users, and how long they were open.")
	huma.Register(rest, op, func(ctx context.Context, in *conflictSummaryInput) (*conflictSummaryOutput, error) {
		p := caller(ctx)
		sum, err := s.opts.Conflicts.Summary(p.Company, in.From, in.To, mayOpen(p))
		if err != nil {
			return nil, s.conflictError("count conflicts", err)
		}
		return &conflictSummaryOutput{summaryOf(sum)}, nil
	})

	op = s.operation(rest, "export-conflicts", http.MethodGet, "/v1/conflicts.csv", "Get conflicts as CSV",
		"Takes the filters of the list. Cells that a spreadsheet would run as formulas have an apostrophe in front.")
	op.Responses = map[string]*huma.Response{"200": {Description: "A line of titles, and one for each value of each conflict.", Content: map[string]*huma.MediaType{"text/csv": {}}}}
	huma.Register(rest, op, func(ctx context.Context, in *ConflictFilter) (*huma.StreamResponse, error) {
		p := caller(ctx)
		f, err := in.filter(p)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			c.SetHeader("Content-Type", "text/csv; charset=utf-8; header=present")
			c.SetHeader("Content-Disposition", `attachment; filename="conflicts.csv"`)
			if err := s.opts.Conflicts.CSV(c.Context(), c.BodyWriter(), p.Company, f); err != nil && c.Context().Err() == nil {
				s.log.Error("stream conflicts", "company", p.Company, "error", err)
				panic(http.ErrAbortHandler) // so that a part isn't taken for the whole
			}
		}}, nil
	})
}

func summaryOf(sum conflict.Summary) conflictSummary {
	out := conflictSummary{
		From: optionalTime(sum.From), To: optionalTime(sum.To), Total: sum.Total, Status: map[string]int{}, Kinds: map[string]int{},
		Days: groupsOf(sum.ByDay), Fields: groupsOf(sum.ByField), Types: groupsOf(sum.ByType), Users: groupsOf(sum.ByUsers),
		Incomplete: sum.Incomplete,
	}
	for k, n := range sum.ByStatus {
		out.Status[string(k)] = n
	}
	for k, n := range sum.ByKind {
		out.Kinds[string(k)] = n
	}
	d := sum.TimeToEnd
	out.Closing.Count, out.Closing.Median, out.Closing.P90, out.Closing.Max = d.Count, d.Median.Seconds(), d.P90.Seconds(), d.Max.Seconds()
	return out
}

func groupsOf(groups []conflict.Group) []conflictGroup {
	out := make([]conflictGroup, len(groups))
	for i, g := range groups {
		out[i] = conflictGroup(g)
	}
	return out
}
