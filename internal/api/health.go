package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type healthOutput struct {
	Body struct {
		Status  string `json:"status" example:"ok"`
		Service string `json:"service" example:"concord"`
	}
}

type socketHealthOutput struct {
	Body struct {
		Status           string `json:"status" example:"ok"`
		Service          string `json:"service" example:"websocket"`
		ConnectedClients int    `json:"connectedClients"`
	}
}

func (s *Server) registerHealth(rest huma.API) {
	health := func(service string) *healthOutput {
		out := &healthOutput{}
		out.Body.Status, out.Body.Service = "ok", service
		return out
	}
	huma.Register(rest, huma.Operation{OperationID: "health", Method: http.MethodGet, Path: "/health", Summary: "Is the process up?"},
		func(context.Context, *struct{}) (*healthOutput, error) { return health("concord"), nil })
	huma.Register(rest, huma.Operation{OperationID: "ready", Method: http.MethodGet, Path: "/ready", Summary: "Does the node take connections?",
		Errors: []int{http.StatusServiceUnavailable}},
		func(context.Context, *struct{}) (*healthOutput, error) {
			if !s.ready.Load() {
				return nil, huma.Error503ServiceUnavailable("the server is restarting; come back in a moment")
			}
			return health("concord"), nil
		})
	huma.Register(rest, huma.Operation{OperationID: "health-websocket", Method: http.MethodGet, Path: "/health/websocket", Summary: "How many clients are connected?"},
		func(context.Context, *struct{}) (*socketHealthOutput, error) {
			out := &socketHealthOutput{}
			out.Body.Status, out.Body.Service = "ok", "websocket"
			out.Body.ConnectedClients = s.opts.Hub.Stats().Peers + s.audience.count(viaSocket, viaStream)
			return out, nil
		})
}
