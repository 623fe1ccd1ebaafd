package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"concord/conflict"
	"concord/conflict/guard"
	"concord/crdt"
	"concord/events"
	"concord/events/derive"
	"concord/internal/api"
	"concord/internal/auth"
	"concord/internal/config"
	"concord/internal/documents"
	"concord/internal/limit"
	"concord/internal/operator"
	"concord/internal/snapshot"
	"concord/presence"
	"concord/store"
	"concord/sync/hub"
	"concord/sync/protocol"
)

type serveCommand struct {
	config.Serve `embed:""`
}

// Run runs a node until ctx ends or the store fails.
func (c *serveCommand) Run(ctx context.Context, s streams) error {
	cfg := c.Serve
	if cfg.CheckRules {
		return explainRules(cfg.Rules, s)
	}
	rules, err := readRules(cfg.Rules)
	if err != nil {
		return err
	}
	log := newLogger(cfg, s)
	var demo *demoUsers
	if cfg.Dev {
		d, err := prepareDemo(&cfg)
		if err != nil {
			return err
		}
		demo = d
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen or CONCORD_LISTEN", err)
	}
	defer listener.Close()

	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
		floor := make([]byte, heapFloor)
		defer runtime.KeepAlive(floor)
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	n, err := openNode(ctx, cfg, rules, log, fail)
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String(), "data", cfg.Data, "version", version)
	if demo != nil {
		demo.print(s.out, listener.Addr())
	}
	return n.run(ctx, listener)
}

func newLogger(cfg config.Serve, s streams) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // checked when it was parsed
	o := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(s.err, o))
	}
	return slog.New(slog.NewTextHandler(s.err, o))
}

// gcPercent is how much garbage may gather between collections, in percent of
// what is in use. Half of Go's default costs a few percent of throughput and
// keeps the memory of idle connections, and of an attack, a quarter lower. The
// variable GOGC overrules it.
const gcPercent = 50

// heapFloor is a block that is never touched, and so takes address space and no
// memory. It counts as in use: else a node with little in memory would collect
// several times while it opens one big document.
const heapFloor = 16 << 20

// node is everything that runs between opening and closing the data folder.
type node struct {
	cfg      config.Serve
	log      *slog.Logger
	store    *store.Store
	pool     *snapshot.Pool // nil = no snapshots are written
	verifier *auth.Verifier
	presence *presence.Tracker
	events   *events.Log
	hub      *hub.Hub
	operator *operator.Server
	api      *api.Server

	stopDeriver func()
}

// openNode joins the parts. fail ends the process when a commit fails.
func openNode(ctx context.Context, cfg config.Serve, rules *rulesFile, log *slog.Logger, fail context.CancelCauseFunc) (_ *node, err error) {
	origins, err := auth.ParseOrigins(cfg.AllowOrigin)
	if err != nil {
		return nil, fmt.Errorf("--allow-origin (CONCORD_ALLOW_ORIGIN): %w", err)
	}
	proxies, err := auth.ParseProxies(texts(cfg.TrustedProxies))
	if err != nil {
		return nil, fmt.Errorf("--trusted-proxies (CONCORD_TRUSTED_PROXIES): %w", err)
	}
	told := new(numbered)
	st, err := store.Open(cfg.Data, store.Options{OnFailure: fail, OnNumbered: told.tell, OnPurged: told.forget, Logger: log})
	if err != nil {
		return nil, dataAdvice(err, cfg.Data)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.Close())
		}
	}()
	revocations, err := auth.NewRevocations(revocationStore{st}, nil)
	if err != nil {
		return nil, err
	}
	verifier, err := auth.New(ctx, auth.Options{
		Secret: []byte(cfg.JWTSecret), JWKSURL: cfg.JWKSURL, JWKSFile: cfg.JWKSFile,
		Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Revocations: revocations, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			verifier.Close()
		}
	}()
	options := hubOptions(cfg, verifier, revocations, log)
	if rules == nil {
		rules = new(rulesFile)
	} else {
		log.Info("rules", "file", cfg.Rules, "guards", len(rules.guards.Guards), "events", len(rules.events.Events))
	}
	guards := guard.New(rules.guards)
	if rules.guards != nil {
		options.Guards = guards
	}
	deriver, err := derive.Open(rules.events, st, derive.Options{Logger: log})
	if err != nil {
		return nil, err
	}
	if rules.events != nil {
		options.Deriver = deriver
	}
	pool, stats, err := openPool(cfg, st, log)
	if err != nil {
		return nil, err
	}
	if pool != nil {
		options.Snapshots = pool
		defer func() {
			if err != nil {
				pool.Close()
			}
		}()
	}
	ledger := conflict.New(st)
	options.Ledger = ledger
	catalogue, err := rules.catalogue()
	if err != nil {
		return nil, err
	}
	eventLog, err := openEvents(cfg, st, told, catalogue, log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			eventLog.Close()
		}
	}()
	tracker, err := openPresence(cfg, st, tellTyping(eventLog), log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			tracker.Close()
		}
	}()
	options.Presence = syncPresence{tracker}
	h, err := hub.New(st, options)
	if err != nil {
		return nil, err
	}
	server := api.New(api.Options{
		Hub: h, Store: st, Snapshots: stats, Derived: deriver.Stats,
		Documents: documents.New(h, st, documents.Options{
			Deleted: deriver.Deleted, Purged: eventLog.Forget, Logger: log,
		}),
		Conflicts: ledger, Resolver: conflict.NewResolver(ledger, h, nil), Proposals: guard.NewProposals(guards, ledger, h, nil),
		Events: eventLog, Catalogue: catalogue, EventLimits: eventLimits(cfg), Presence: tracker,
		Authenticator:    auth.Authenticator{Verifier: verifier, Tickets: auth.NewTickets(auth.TicketOptions{Revocations: revocations})},
		Revocations:      revocations,
		Origins:          origins,
		Proxies:          proxies,
		Connections:      auth.NewConnLimiter(cfg.MaxConnectionsPerIP),
		PingInterval:     time.Duration(cfg.PingInterval),
		PingTimeout:      time.Duration(cfg.PingTimeout),
		HandshakeTimeout: cfg.HandshakeTimeout,
		WriteTimeout:     cfg.WriteTimeout,
		MaxMessage:       int(cfg.MaxMessage),
		Version:          version, Logger: log,
	})
	socket, err := operator.Serve(cfg.Data, st, log)
	if err != nil {
		h.Close()
		return nil, err
	}
	return &node{
		operator: socket, cfg: cfg, log: log, store: st, pool: pool, verifier: verifier, presence: tracker, events: eventLog, hub: h,
		stopDeriver: runDeriver(deriver, h), api: server,
	}, nil
}

// openPool starts what writes snapshots; nil when nothing is to.
func openPool(cfg config.Serve, st *store.Store, log *slog.Logger) (*snapshot.Pool, func() snapshot.Stats, error) {
	if cfg.SnapshotWorkers == 0 {
		return nil, nil, nil
	}
	changes := uint64(cfg.SnapshotChanges)
	pool, err := snapshot.NewPool(st, snapshot.Options{
		Workers: cfg.SnapshotWorkers, Policy: snapshot.Policy{Changes: changes, ColdChanges: min(changes, coldChanges)}, Log: log,
	})
	if err != nil {
		return nil, nil, err
	}
	return pool, pool.Stats, nil
}

// coldChanges is how many changes without a snapshot are let be in a document
// that nobody edits.
const coldChanges = 16

func texts(prefixes []config.Prefix) []string {
	all := make([]string, len(prefixes))
	for i, p := range prefixes {
		all[i] = p.String()
	}
	return all
}

// frameOverhead is the room in a frame around a single change. A change that
// doesn't fit with it could be received compressed, but never be relayed.
const frameOverhead = 512

func hubOptions(cfg config.Serve, verifier *auth.Verifier, revocations *auth.Revocations, log *slog.Logger) hub.Options {
	return hub.Options{
		MaxMessage: int(cfg.MaxMessage), MaxInflated: int(cfg.MaxInflated),
		DocumentCache: int64(cfg.DocumentCache), MaxDocuments: cfg.MaxDocumentsPerConnection,
		MessageRate: cfg.MessageRate, MessageBurst: cfg.MessageBurst,
		Ephemerals:       limit.Rates(cfg.EphemeralRate),
		HandshakeTimeout: cfg.HandshakeTimeout, WriteTimeout: cfg.WriteTimeout,
		Changes:  crdt.Limits{ChunkBytes: min(int(cfg.MaxInflated), int(cfg.MaxMessage)-frameOverhead), Ops: cfg.MaxOps, Deps: cfg.MaxDeps, Rows: cfg.MaxRows},
		Orphans:  crdt.OrphanLimits{Changes: cfg.MaxOrphans, Bytes: int(cfg.MaxOrphanBytes)},
		Messages: protocol.Limits{Heads: cfg.MaxHeads, Need: cfg.MaxNeed},
		Authenticate: func(ctx context.Context, token string) (hub.Session, error) {
			p, err := verifier.Verify(ctx, token)
			if err != nil {
				return hub.Session{}, errors.New(auth.PublicMessage(err))
			}
			return api.Session(p), nil
		},
		Revoked: api.Revoked(revocations),
		Logger:  log,
	}
}

// restTimeout is how long REST calls that are under way have when the server stops.
const restTimeout = 3 * time.Second

// run serves until ctx ends, then drains. The error is the cause of a failed
// store; a signal is no error.
func (n *node) run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           n.api.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	var cause error
	select {
	case <-ctx.Done():
		if err := context.Cause(ctx); errors.Is(err, store.ErrFailed) {
			cause = dataAdvice(err, n.cfg.Data)
			n.log.Error("the data folder takes no more writes; the server ends so that nothing is acknowledged that isn't safe",
				"data", n.cfg.Data, "error", err)
		}
	case err := <-served:
		cause = fmt.Errorf("serve: %w", err)
	}
	n.presence.Close() // nobody goes offline because the server does
	if cause == nil {
		n.drain()
		ctx, cancel := context.WithTimeout(context.Background(), restTimeout)
		_ = server.Shutdown(ctx) // lets REST calls end; WebSockets are none of its business
		cancel()
	}
	_ = server.Close()
	n.operator.Close()
	n.stopDeriver()
	n.hub.Close()
	n.events.Close()
	if n.pool != nil {
		n.pool.Close()
	}
	n.verifier.Close()
	err := n.store.Close()
	if cause != nil {
		return cause
	}
	if err == nil {
		n.log.Info("stopped")
	}
	return err
}

// drain lets what is under way finish.
func (n *node) drain() {
	n.log.Info("draining", "timeout", n.cfg.DrainTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.DrainTimeout)
	defer cancel()
	if err := n.api.Drain(ctx); err != nil {
		n.log.Warn("not everything was drained in time; clients will send the rest again", "error", err)
	}
}

// revocationStore keeps revocations in the store.
type revocationStore struct{ store *store.Store }

// Load returns all revocations.
func (s revocationStore) Load() ([]auth.Revocation, error) {
	stored, err := s.store.Revocations()
	if err != nil {
		return nil, err
	}
	all := make([]auth.Revocation, len(stored))
	for i, r := range stored {
		all[i] = auth.Revocation{Company: r.Company, Kind: auth.RevocationKind(r.Kind), ID: r.ID, At: r.At, Until: r.Until, By: r.By}
	}
	return all, nil
}

// Save returns once the revocation is durable.
func (s revocationStore) Save(ctx context.Context, r auth.Revocation) error {
	done := make(chan error, 1)
	err := s.store.PutRevocation(ctx, store.Revocation{
		Company: r.Company, Kind: store.RevocationKind(r.Kind), ID: r.ID, At: r.At, Until: r.Until, By: r.By,
	}, func(err error) { done <- err })
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
