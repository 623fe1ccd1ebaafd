package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"concord/conflict"
	"concord/conflict/guard"
	"concord/events"
	"concord/events/derive"
	"concord/internal/auth"
	"concord/internal/documents"
	"concord/internal/snapshot"
	"concord/presence"
	"concord/store"
	"concord/sync/hub"
	"concord/sync/wire"
)

// Store is what the REST endpoints and the metrics read; *store.Store is one.
type Store interface {
	Rejections(company string, limit int, before uint64) ([]store.Rejection, error)
	Stats() store.Stats
}

// Options are the parts that a Server joins. All are needed but those of which a
// comment tells what their zero value means.
type Options struct {
	Hub              *hub.Hub
	Store            Store
	Documents        *documents.Service
	Snapshots        func() snapshot.Stats // nil = no snapshots are written
	Derived          func() derive.Stats   // nil = no rules make events
	Conflicts        *conflict.Ledger
	Resolver         *conflict.Resolver
	Proposals        *guard.Proposals
	Events           *events.Log
	Catalogue        *events.Catalogue
	EventLimits      EventLimits
	Presence         *presence.Tracker
	Authenticator    auth.Authenticator
	Revocations      *auth.Revocations
	Origins          auth.Origins
	Proxies          auth.Proxies
	Connections      *auth.ConnLimiter
	PingInterval     time.Duration
	PingTimeout      time.Duration
	HandshakeTimeout time.Duration // for the first message on an event connection; 0 = 10 s
	WriteTimeout     time.Duration // for a client to take an answer, and again for every 64 KiB of it; 0 = 10 s
	MaxMessage       int           // bytes of a body; 0 = 16 MiB
	Version          string
	Logger           *slog.Logger // nil discards
}

// Server answers HTTP. It is safe for concurrent use.
type Server struct {
	opts     Options
	log      *slog.Logger
	frames   *frameBudget
	bodies   *bodyBudget
	audience *audience
	visitors *visitors
	handler  http.Handler
	ready    atomic.Bool
	metrics  *prometheus.Registry
	refusals *prometheus.CounterVec
}

// New returns a server that is ready. Revocations reach open connections from then on.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 16 << 20
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 10 * time.Second
	}
	if o.HandshakeTimeout == 0 {
		o.HandshakeTimeout = 10 * time.Second
	}
	o.EventLimits = o.EventLimits.withDefaults()
	s := &Server{opts: o, log: o.Logger, frames: newFrameBudget(), bodies: newBodyBudget(), audience: newAudience(o.Revocations.Revoked)}
	s.visitors = newVisitors(o.Presence)
	s.ready.Store(true)
	s.metrics = s.newMetrics()
	o.Revocations.Subscribe(s.disconnectRevoked)

	mux := http.NewServeMux()
	config := huma.DefaultConfig("Concord", o.Version)
	config.Info.Description = "Collaborative document sync for ERP systems."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
	}
	config.CreateHooks = nil // no $schema links in the bodies
	config.DocsPath = ""     // the library's own page loads scripts from elsewhere
	rest := humago.New(eventRoutes{mux}, config)
	s.registerTickets(rest)
	s.registerRejections(rest)
	s.registerRevocations(rest)
	s.registerDocuments(rest)
	s.registerConflicts(rest)
	s.registerEvents(rest)
	s.registerHealth(rest)
	illustrate(rest.OpenAPI())
	mux.Handle("GET /docs", docsHandler(rest.OpenAPI()))
	mux.HandleFunc("GET /v1/sync", s.serveSync)
	mux.HandleFunc("GET /v1/events", s.serveEvents)
	mux.HandleFunc("GET /asyncapi.yaml", serveAsyncAPI)
	mux.Handle("GET /metrics", s.metricsHandler())
	mux.HandleFunc("GET /{$}", s.serveIndex)
	s.handler = bounded(o.Origins.CORS(nowhere(mux)), o.WriteTimeout)
	return s
}

// Handler returns the root of all endpoints.
func (s *Server) Handler() http.Handler { return s.handler }

// Drain makes /ready answer 503, so that a load balancer sends nobody here, and
// ends the connections in good order, see hub.Hub.Drain.
func (s *Server) Drain(ctx context.Context) error {
	s.ready.Store(false)
	// The hub comes first: what it still takes is told before those who hear it have gone.
	err := s.opts.Hub.Drain(ctx)
	return errors.Join(err, s.audience.drain(ctx))
}

// disconnectRevoked closes the connections that a revocation covers.
func (s *Server) disconnectRevoked(r auth.Revocation) {
	n := s.opts.Hub.Disconnect(func(session hub.Session) bool {
		return r.Covers(principalOf(session))
	}, wire.CloseUnauthenticated, errRevoked.Reason)
	n += s.audience.disconnect(r.Covers, errRevoked)
	s.log.Info("revoked", "company", r.Company, "kind", string(r.Kind), "id", r.ID, "by", r.By, "connections", n)
}

// serveIndex says what is where, for a person who opens the server's address.
func (s *Server) serveIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Concord " + s.opts.Version + `

GET  /v1/sync      WebSocket for automerge-repo clients
GET  /v1/events    WebSocket or server-sent events: what happens, live; /asyncapi.yaml describes it
GET  /docs         the REST endpoints, readable; /openapi.json for programs
GET  /health       is the process up?     GET /ready    does it take connections?
GET  /metrics      Prometheus
`))
}

// closeFor returns how a refused credential ends a WebSocket.
func closeFor(err error) *wire.CloseError {
	code := wire.CloseUnauthenticated
	var ae *auth.Error
	if errors.As(err, &ae) && ae.Temporary() {
		code = wire.CloseTryLater
	}
	return wire.NewCloseError(code, auth.PublicMessage(err))
}
