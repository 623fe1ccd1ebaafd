package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"concord/internal/documents"
)

const octets = "application/octet-stream"

func (s *Server) registerExport(rest huma.API) {
	op := s.documentOperation(rest, "export-document", http.MethodGet, "/v1/documents/{id}/export", "Get a document as an Automerge file",
		"With its whole history; Automerge.load of any current version reads it.", body{contentType: octets})
	huma.Register(rest, op, func(ctx context.Context, in *DocumentInput) (*exportOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		file, err := s.opts.Documents.Export(ctx, callerOn(ctx, ""), doc)
		if err != nil {
			return nil, s.problem("export the document", err)
		}
		return &exportOutput{
			ContentType: octets, Disposition: `attachment; filename="` + doc.String() + `.automerge"`, CacheControl: "private, no-cache", Body: file,
		}, nil
	})
}

type exportOutput struct {
	ContentType  string `header:"Content-Type" hidden:"true"`
	Disposition  string `header:"Content-Disposition"`
	CacheControl string `header:"Cache-Control" hidden:"true"`
	Body         []byte
}

type importInput struct {
	DeviceInput
	Type    string `query:"type" maxLength:"64" doc:"The document's key; with ref." example:"invoice"`
	Ref     string `query:"ref" maxLength:"256" example:"2026-0816"`
	ID      string `query:"id" maxLength:"128" doc:"The document to merge the file into, which may be a new one. Else it is the one with the key, or one with a random ID."`
	RawBody []byte
}

type importView struct {
	DocumentView
	New     int           `json:"new" doc:"Changes that were taken."`
	Known   int           `json:"known" doc:"Changes that the document had."`
	Waiting int           `json:"waiting" doc:"Changes that weren't taken, because they depend on others that neither file nor document has."`
	Refused []refusalView `json:"refused" doc:"Changes that aren't taken. The others are."`
}

type refusalView struct {
	Hash   string `json:"hash"`
	Reason string `json:"reason" doc:"Stable code, as in rejections."`
	Detail string `json:"detail"`
}

type importOutput struct {
	Body importView
}

func (s *Server) registerImport(rest huma.API) {
	op := s.documentOperation(rest, "import-document", http.MethodPost, "/v1/documents/import", "Merge an Automerge file into a document",
		"Any concatenation of saved documents and changes. Known changes do no harm, so that it can be repeated. All changes count as brought by the caller.",
		body{"application/json", reflect.TypeFor[importView]()})
	op.SkipValidateBody = true
	op.Errors = append(op.Errors, http.StatusConflict, http.StatusRequestEntityTooLarge)
	huma.Register(rest, op, func(ctx context.Context, in *importInput) (*importOutput, error) {
		file := documents.Import{File: in.RawBody, Type: in.Type, Ref: in.Ref}
		if in.ID != "" {
			doc, err := DocumentInput{ID: in.ID}.document()
			if err != nil {
				return nil, err
			}
			file.ID = &doc
		}
		done, err := s.opts.Documents.Import(ctx, callerOn(ctx, in.Device), file)
		if err != nil {
			return nil, s.problem("import the file", err)
		}
		out := &importOutput{importView{DocumentView: viewOf(done.Document), New: done.New, Known: done.Known, Waiting: done.Waiting, Refused: []refusalView{}}}
		for _, r := range done.Refused {
			out.Body.Refused = append(out.Body.Refused, refusalView{r.Hash.String(), string(r.Reason), r.Detail})
		}
		return out, nil
	})
}

type syncInput struct {
	DocumentInput
	Device  string `header:"Concord-Storage-Id" maxLength:"256" pattern:"^[ -~]*$" doc:"The client's storage ID. The server remembers under it what the client has; without it every exchange begins anew."`
	RawBody []byte
}

type syncOutput struct {
	Status      int
	ContentType string `header:"Content-Type" hidden:"true"`
	Refused     string `header:"Concord-Refused" doc:"Hashes of changes in the message that aren't taken, joined by commas; see GET /v1/rejections."`
	Body        []byte
}

func (s *Server) registerSyncDocument(rest huma.API) {
	op := s.documentOperation(rest, "sync-document", http.MethodPost, "/v1/documents/{id}/sync", "Exchange one sync message",
		"For devices that wake up for a moment: takes what generateSyncMessage of Automerge returns and answers with the message for "+
			"receiveSyncMessage, or 204 when there is nothing to say. Repeat until both sides are silent. Changes are durable when the answer comes. "+
			"Begin each exchange with decodeSyncState(encodeSyncState(state)), or with a new state: a state that agreed in the last one asks nothing.",
		body{contentType: octets})
	op.SkipValidateBody = true
	op.Responses["204"] = &huma.Response{Description: "Nothing to say"}
	op.Errors = append(op.Errors, http.StatusRequestEntityTooLarge)
	huma.Register(rest, op, func(ctx context.Context, in *syncInput) (*syncOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		c := callerOn(ctx, in.Device)
		answer, err := s.opts.Documents.Sync(ctx, c, Session(c.Principal), doc, in.RawBody)
		if err != nil {
			return nil, s.problem("sync the document", err)
		}
		out := &syncOutput{Status: http.StatusOK, ContentType: octets, Body: answer.Message}
		var refused []string
		for _, r := range answer.Refused[:min(len(answer.Refused), maxRefusedHeader)] {
			refused = append(refused, r.Hash.String())
		}
		out.Refused = strings.Join(refused, ",")
		if len(answer.Message) == 0 {
			out.Status, out.ContentType, out.Body = http.StatusNoContent, "", nil
		}
		return out, nil
	})
}

// maxRefusedHeader is how many hashes are named in a header.
const maxRefusedHeader = 32
