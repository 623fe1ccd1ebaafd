package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/documents"
	"concord/store"
)

type historyInput struct {
	DocumentInput
	PageInput
}

type fieldView struct {
	Field string `json:"field" doc:"Path with * for each index of a list: the same for all elements." example:"/lines/*/price"`
	Path  string `json:"path" doc:"Where it is now, or would be if it hadn't been removed." example:"/lines/0/price"`
}

type entryView struct {
	Hash  string   `json:"hash" doc:"Change hash in hex: the heads of the state right after it, for at, from, to and restore."`
	Deps  []string `json:"deps" doc:"The changes that its author had seen last."`
	Actor string   `json:"actor"`
	Seq   uint32   `json:"seq" doc:"Counts the actor's changes."`
	AuthorView
	Message       string      `json:"message,omitempty"`
	Ops           int         `json:"ops" doc:"Operations in it."`
	Fields        []fieldView `json:"fields" doc:"What it wrote: of texts the text as a whole."`
	FieldsLeftOut bool        `json:"fieldsLeftOut,omitempty" doc:"It wrote more than are listed."`
}

type historyOutput struct {
	Body struct {
		Changes []entryView `json:"changes" doc:"In the order in which the server received them, the newest first."`
		Next    string      `json:"next,omitempty" doc:"Pass it as cursor for the changes before these."`
	}
}

func (s *Server) registerHistory(rest huma.API) {
	op := s.operation(rest, "get-history", http.MethodGet, "/v1/documents/{id}/history", "List a document's changes",
		"Who changed what, and when.")
	op.Tags = []string{"documents"}
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusGone)
	huma.Register(rest, op, func(ctx context.Context, in *historyInput) (*historyOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		h, err := s.opts.Documents.History(ctx, callerOn(ctx, ""), doc, in.Cursor, in.Limit)
		if err != nil {
			return nil, s.problem("read the history", err)
		}
		out := &historyOutput{}
		out.Body.Next = h.Next
		out.Body.Changes = make([]entryView, len(h.Entries))
		for i, e := range h.Entries {
			out.Body.Changes[i] = entryOf(e)
		}
		return out, nil
	})
}

func entryOf(e documents.Entry) entryView {
	v := entryView{
		Hash: e.Hash.String(), Deps: texts(e.Deps), Actor: e.Actor.String(), Seq: e.Seq,
		AuthorView: authorOf(store.Attribution{User: e.User, Device: e.Device, Received: e.Received}),
		Message:    e.Message, Ops: e.Ops, Fields: make([]fieldView, len(e.Fields)), FieldsLeftOut: e.FieldsLeftOut,
	}
	v.Claimed = optionalTime(e.Claimed)
	for i, f := range e.Fields {
		v.Fields[i] = fieldView(f)
	}
	return v
}

type diffInput struct {
	DocumentInput
	From string `query:"from" required:"true" maxLength:"66560" doc:"Heads in hex, joined by dots, as in an ETag."`
	To   string `query:"to" maxLength:"66560" doc:"Likewise; the present if it is left out."`
}

type diffView struct {
	From    []string         `json:"from"`
	To      []string         `json:"to"`
	Changes []differenceView `json:"changes" doc:"Can be performed one after the other."`
}

type differenceView struct {
	Path   string `json:"path" doc:"Of a splice or mark, the text's." example:"/lines/0/price"`
	Action string `json:"action" enum:"put,insert,delete,increment,splice,mark" doc:"splice: characters of a text were replaced."`
	Index  *int   `json:"index,omitempty" doc:"Of a splice or mark, in UTF-16 code units."`
	Length *int   `json:"length,omitempty" doc:"Of a mark."`
	Name   string `json:"name,omitempty" doc:"Of a mark."`
	Before any    `json:"before,omitempty" doc:"Missing where there was nothing."`
	After  any    `json:"after,omitempty" doc:"Missing where there is nothing any more."`
}

func (s *Server) registerDiff(rest huma.API) {
	op := s.documentOperation(rest, "get-diff", http.MethodGet, "/v1/documents/{id}/diff", "Compare two states of a document", "",
		body{"application/json", reflect.TypeFor[diffView]()})
	op.Errors = append(op.Errors, http.StatusRequestEntityTooLarge)
	huma.Register(rest, op, func(ctx context.Context, in *diffInput) (*jsonOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		var from, to documents.At
		if from.Heads, err = documents.ParseHeads(in.From); err == nil && in.To != "" {
			to.Heads, err = documents.ParseHeads(in.To)
		}
		var d documents.Diff
		if err == nil {
			d, err = s.opts.Documents.Diff(ctx, callerOn(ctx, ""), doc, from, to)
		}
		if err != nil {
			return nil, s.problem("compare the states", err)
		}
		head := struct {
			From []string `json:"from"`
			To   []string `json:"to"`
		}{texts(d.From), texts(d.To)}
		return newJSON(appendObject(nil, head, rawField{"changes", appendList(nil, d.Differences, appendDifference)})), nil
	})
}

func appendDifference(b []byte, d documents.Difference) []byte {
	v := differenceView{Path: d.Path, Action: d.Action, Name: d.Name}
	switch d.Action {
	case "mark":
		v.Length = &d.Length
		fallthrough
	case "splice":
		v.Index = &d.Index
	}
	return appendObject(b, v, rawField{"before", d.Before}, rawField{"after", d.After})
}

type blameInput struct {
	DocumentInput
	StateInput
	PathInput
	Limit int `query:"limit" minimum:"1" maximum:"100000" default:"1000" doc:"How many values at most."`
}

type blameView struct {
	Heads   []string     `json:"heads"`
	Values  []blamedView `json:"values"`
	LeftOut bool         `json:"leftOut,omitempty" doc:"There are more values; ask for parts with path, or raise limit."`
}

type blamedView struct {
	Path   string `json:"path"`
	Index  *int   `json:"index,omitempty" doc:"Of a part of a text, in UTF-16 code units."`
	Length *int   `json:"length,omitempty" doc:"Of a part of a text."`
	Hash   string `json:"hash" doc:"The change that wrote it."`
	AuthorView
	Value any `json:"value,omitempty" doc:"The value, or the part of a text."`
}

func (s *Server) registerBlame(rest huma.API) {
	op := s.documentOperation(rest, "get-blame", http.MethodGet, "/v1/documents/{id}/blame", "Say who wrote each value of a document",
		"Texts come in parts, each written by one change. A counter's author is who made it.",
		body{"application/json", reflect.TypeFor[blameView]()})
	op.Errors = append(op.Errors, http.StatusRequestEntityTooLarge)
	huma.Register(rest, op, func(ctx context.Context, in *blameInput) (*jsonOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		at, err := stateOf(in.At, in.Time)
		var blame documents.Blame
		if err == nil {
			blame, err = s.opts.Documents.Blame(ctx, callerOn(ctx, ""), doc, at, in.Path, in.Limit)
		}
		if err != nil {
			return nil, s.problem("read the authors", err)
		}
		head := struct {
			Heads   []string `json:"heads"`
			LeftOut bool     `json:"leftOut,omitempty"`
		}{texts(blame.Heads), blame.LeftOut}
		return newJSON(appendObject(nil, head, rawField{"values", appendList(nil, blame.Values, appendBlamed)})), nil
	})
}

func appendBlamed(b []byte, v documents.Blamed) []byte {
	out := blamedView{
		Path: v.Path, Hash: v.Hash.String(),
		AuthorView: authorOf(store.Attribution{User: v.User, Device: v.Device, Received: v.Received}),
	}
	out.Claimed = optionalTime(v.Claimed)
	if v.Length > 0 {
		out.Index, out.Length = &v.Index, &v.Length
	}
	return appendObject(b, out, rawField{"value", v.Value})
}
