package hub

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"concord/crdt"
	"concord/internal/limit"
	"concord/sync/protocol"
)

// Options configures a Hub. The zero value of every field but Authenticate is usable.
type Options struct {
	MaxMessage       int           // bytes of one frame; 0 = 16 MiB
	DocumentCache    int64         // bytes of change graphs and op sets kept for idle documents; 0 = 256 MiB
	StagedBytes      int64         // bytes of changes waiting for their commit, over all documents; 0 = 32 MiB
	MaxDocuments     int           // documents open per connection; 0 = 10,000
	MaxInflated      int           // bytes of the changes of one message, once inflated; 0 = 64 MiB
	MessageRate      int           // messages per second and user; faster ones wait; 0 = unlimited
	MessageBurst     int           // messages that a user may send at once; 0 = five seconds' worth
	Ephemerals       limit.Rates   // ephemeral messages that are relayed; further ones are dropped
	HandshakeTimeout time.Duration // time to send a join; 0 = 10 s
	WriteTimeout     time.Duration // time for one frame to be taken by the client; 0 = 10 s
	SaveInterval     time.Duration // how often sync states are saved; 0 = 2 s

	Changes  crdt.Limits
	Orphans  crdt.OrphanLimits
	Messages protocol.Limits

	// Authenticate verifies a token that a client sends to stay connected.
	// nil = tokens can't be refreshed in band.
	Authenticate func(ctx context.Context, token string) (Session, error)

	// Revoked reports whether a session has been revoked since its token was
	// verified; whoever revokes makes that true first and then calls
	// Hub.Disconnect. nil = nothing is ever revoked.
	Revoked func(Session) bool

	// Snapshots is told of documents that are worth a new snapshot. nil = none
	// are written.
	Snapshots Snapshots

	// Ledger watches all changes. nil = nobody does.
	Ledger Ledger

	// Guards judge the changes that clients send. nil = everything goes.
	Guards Guards

	// Deriver makes records of what changes do. nil = nothing is derived.
	Deriver Deriver

	// Presence is told who has joined. nil = nobody is.
	Presence Presence

	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil = time.Now
}

func (o Options) withDefaults() Options {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.MaxMessage, 16<<20)
	def(&o.MaxDocuments, 10_000)
	def(&o.MaxInflated, 64<<20)
	def(&o.MessageBurst, 5*o.MessageRate)
	if o.DocumentCache == 0 {
		o.DocumentCache = 256 << 20
	}
	if o.StagedBytes == 0 {
		o.StagedBytes = 32 << 20
	}
	dur(&o.HandshakeTimeout, 10*time.Second)
	dur(&o.WriteTimeout, 10*time.Second)
	dur(&o.SaveInterval, 2*time.Second)
	if o.Presence == nil {
		o.Presence = nobody{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.MaxMessage < 0, o.DocumentCache < 0, o.StagedBytes < 0, o.MaxDocuments < 0, o.MaxInflated < 0, o.MessageRate < 0, o.MessageBurst < 0,
		o.Ephemerals.Connection < 0, o.Ephemerals.User < 0, o.Ephemerals.Company < 0:
		return errors.New("hub options: limits must not be negative")
	}
	return nil
}
