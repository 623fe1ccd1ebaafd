package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"concord/conflict"
	"concord/conflict/guard"
	"concord/events"
	"concord/events/derive"
	"concord/internal/api"
	"concord/internal/auth"
	"concord/internal/config"
	"concord/internal/documents"
	"concord/internal/operator"
	"concord/internal/snapshot"
	"concord/presence"
	"concord/store"
	"concord/sync/hub"
)

// node is everything that runs between opening and closing the data folder.
type node struct {
	cfg   config.Serve
	rules *rulesFile
	log   *slog.Logger

	store       *store.Store
	revocations *auth.Revocations
	verifier    *auth.Verifier
	snapshots   func() snapshot.Stats // nil = no snapshots are written
	catalogue   *events.Catalogue
	events      *events.Log
	presence    *presence.Tracker
	guards      *guard.Guards
	deriver     *derive.Deriver
	ledger      *conflict.Ledger
	hub         *hub.Hub
	api         *api.Server

	closers []func() // of what runs, in the order in which it was opened
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
	n := &node{cfg: cfg, rules: rules, log: log}
	told := new(numbered)
	n.store, err = store.Open(cfg.Data, store.Options{OnFailure: fail, OnNumbered: told.tell, OnPurged: told.forget, Logger: log})
	if err != nil {
		return nil, dataAdvice(err, cfg.Data)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if err := n.openAuth(ctx); err != nil {
		return nil, err
	}
	if err := n.openEvents(told); err != nil {
		return nil, err
	}
	if err := n.openHub(); err != nil {
		return nil, err
	}
	n.openAPI(origins, proxies)
	socket, err := operator.Serve(cfg.Data, n.store, log)
	if err != nil {
		return nil, err
	}
	n.closers = append(n.closers, socket.Close)
	return n, nil
}

// close ends what runs, the last first.
func (n *node) close() error {
	for _, end := range slices.Backward(n.closers) {
		end()
	}
	return n.store.Close()
}

func (n *node) openAuth(ctx context.Context) (err error) {
	cfg := n.cfg
	if n.revocations, err = auth.NewRevocations(revocationStore{n.store}, nil); err != nil {
		return err
	}
	n.verifier, err = auth.New(ctx, auth.Options{
		Secret: []byte(cfg.JWTSecret), JWKSURL: cfg.JWKSURL, JWKSFile: cfg.JWKSFile,
		Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Revocations: n.revocations, Logger: n.log,
	})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.verifier.Close)
	return nil
}

// openEvents opens the event log, which told is to tell of events, and presence, which makes some.
func (n *node) openEvents(told *numbered) (err error) {
	if n.rules == nil {
		n.rules = new(rulesFile)
	} else {
		n.log.Info("rules", "file", n.cfg.Rules, "guards", len(n.rules.guards.Guards), "events", len(n.rules.events.Events))
	}
	if n.catalogue, err = n.rules.catalogue(); err != nil {
		return err
	}
	if n.events, err = openEvents(n.cfg, n.store, told, n.catalogue, n.log); err != nil {
		return err
	}
	n.closers = append(n.closers, n.events.Close)
	if n.presence, err = openPresence(n.cfg, n.store, tellTyping(n.events), n.log); err != nil {
		return err
	}
	n.closers = append(n.closers, n.presence.Close)
	return nil
}

// openHub opens the hub and what it tells.
func (n *node) openHub() (err error) {
	options := hubOptions(n.cfg, n.verifier, n.revocations, n.log)
	n.guards = guard.New(n.rules.guards)
	if n.rules.guards != nil {
		options.Guards = n.guards
	}
	if n.deriver, err = derive.Open(n.rules.events, n.store, derive.Options{Logger: n.log}); err != nil {
		return err
	}
	if n.rules.events != nil {
		options.Deriver = n.deriver
	}
	pool, stats, err := openPool(n.cfg, n.store, n.log)
	if err != nil {
		return err
	}
	if pool != nil {
		options.Snapshots = pool
		n.closers = append(n.closers, pool.Close)
	}
	n.snapshots, n.ledger = stats, conflict.New(n.store)
	options.Ledger, options.Presence = n.ledger, syncPresence{n.presence}
	if n.hub, err = hub.New(n.store, options); err != nil {
		return err
	}
	n.closers = append(n.closers, n.hub.Close, runDeriver(n.deriver, n.hub))
	return nil
}

// openAPI makes the face to the network.
func (n *node) openAPI(origins auth.Origins, proxies auth.Proxies) {
	cfg := n.cfg
	n.api = api.New(api.Options{
		Hub: n.hub, Store: n.store, Snapshots: n.snapshots, Derived: n.deriver.Stats,
		Documents: documents.New(n.hub, n.store, documents.Options{Deleted: n.deriver.Deleted, Logger: n.log}),
		Conflicts: n.ledger, Resolver: conflict.NewResolver(n.ledger, n.hub, nil), Proposals: guard.NewProposals(n.guards, n.ledger, n.hub, nil),
		Events: n.events, Catalogue: n.catalogue, EventLimits: eventLimits(cfg), Presence: n.presence,
		Authenticator:    auth.Authenticator{Verifier: n.verifier, Tickets: auth.NewTickets(auth.TicketOptions{Revocations: n.revocations})},
		Revocations:      n.revocations,
		Origins:          origins,
		Proxies:          proxies,
		Connections:      auth.NewConnLimiter(cfg.MaxConnectionsPerIP),
		PingInterval:     time.Duration(cfg.PingInterval),
		PingTimeout:      time.Duration(cfg.PingTimeout),
		HandshakeTimeout: cfg.HandshakeTimeout,
		WriteTimeout:     cfg.WriteTimeout,
		MaxMessage:       int(cfg.MaxMessage),
		Version:          version, Logger: n.log,
	})
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
	err := n.close()
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
