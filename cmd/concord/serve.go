package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"

	"concord/crdt"
	"concord/internal/api"
	"concord/internal/auth"
	"concord/internal/config"
	"concord/internal/limit"
	"concord/internal/snapshot"
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
