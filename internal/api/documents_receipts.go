package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/crdt"
	"concord/sync/hub"
)

type documentReceiptsInput struct {
	DocumentInput
	Change string `query:"change" pattern:"^[0-9a-f]{64}$" doc:"Hash of a change, in hex: how far did it get, and which devices have it?"`
}

type deviceView struct {
	User      string     `json:"user"`
	Device    string     `json:"device" doc:"Storage ID; of a client without one its peer ID, which is known while it is connected."`
	Connected bool       `json:"connected" doc:"It has the document open right now."`
	Heads     []string   `json:"heads" doc:"What it is known to have, in hex. It may have more."`
	Since     *time.Time `json:"since,omitempty" doc:"When it said so."`
	Has       *bool      `json:"has,omitempty" doc:"Whether it has the change that was asked for."`
}

type changeReceiptView struct {
	Hash     string     `json:"hash"`
	Stage    string     `json:"stage" enum:"unknown,received,durable,seen" doc:"unknown: the server doesn't have it, or refused it. received: it isn't safe yet. durable: it is on the server's disk. seen: and on a device other than its author's."`
	User     string     `json:"user,omitempty" doc:"Who brought it."`
	Device   string     `json:"device,omitempty"`
	Received *time.Time `json:"received,omitempty"`
}

type documentReceiptsOutput struct {
	Body struct {
		Heads   []string           `json:"heads" doc:"Of the document, in hex. A device with the same ones has everything."`
		Devices []deviceView       `json:"devices" doc:"Sorted by user and device."`
		More    bool               `json:"more,omitempty" doc:"There are more devices than are listed."`
		Change  *changeReceiptView `json:"change,omitempty"`
	}
}

func (s *Server) registerDocumentReceipts(rest huma.API) {
	op := s.operation(rest, "get-document-receipts", http.MethodGet, "/v1/documents/{id}/receipts", "See which devices have what of a document",
		"Of devices that are away it is what they had when they were here last. What a device has said to have it has saved, if it saves at all.")
	op.Tags = []string{"documents"}
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusGone)
	huma.Register(rest, op, func(ctx context.Context, in *documentReceiptsInput) (*documentReceiptsOutput, error) {
		doc, err := in.document()
		if err != nil {
			return nil, err
		}
		var change crdt.Hash
		_, _ = hex.Decode(change[:], []byte(in.Change)) // its form was checked
		r, err := s.opts.Documents.Receipts(ctx, callerOn(ctx, ""), doc, change)
		if err != nil {
			return nil, s.problem("read the receipts", err)
		}
		out := &documentReceiptsOutput{}
		out.Body.Heads, out.Body.More = texts(r.Heads), r.More
		out.Body.Devices = make([]deviceView, len(r.Devices))
		for i, d := range r.Devices {
			out.Body.Devices[i] = deviceOf(d, in.Change != "")
		}
		if in.Change != "" {
			out.Body.Change = &changeReceiptView{
				Hash: in.Change, Stage: r.Change.Stage.String(), User: r.Change.User, Device: r.Change.Device, Received: optionalTime(r.Change.Received),
			}
		}
		return out, nil
	})
}

func deviceOf(d hub.DeviceHeads, asked bool) deviceView {
	v := deviceView{User: d.User, Device: d.Device, Connected: d.Connected, Heads: texts(d.Heads), Since: optionalTime(d.Since)}
	if asked {
		v.Has = &d.Has
	}
	return v
}
