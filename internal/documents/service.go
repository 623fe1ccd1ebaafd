package documents

import (
	"context"
	"log/slog"
	"time"

	"concord/crdt"
	"concord/internal/auth"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// Hub is what holds and changes documents; *hub.Hub is one.
type Hub interface {
	Read(ctx context.Context, key store.DocKey, fn func(hub.Reading) error) error
	Edit(ctx context.Context, key store.DocKey, e hub.Edit) (hub.Edited, error)
	Import(ctx context.Context, key store.DocKey, by hub.Author, chunks []byte, records []store.Record) (hub.Imported, error)
	Export(ctx context.Context, key store.DocKey) ([]byte, error)
	Sync(ctx context.Context, s hub.Session, storageID string, doc id.DocumentID, message []byte) (hub.SyncAnswer, error)
	Receipts(ctx context.Context, key store.DocKey, change crdt.Hash) (hub.Receipts, error)
	Purge(ctx context.Context, key store.DocKey, p store.Purge) error
}

// Store is the durable data beside the documents' content; *store.Store is one.
type Store interface {
	Get(company string, t store.Table, key []byte) ([]byte, bool, error)
	Scan(company string, t store.Table, r store.Range, fn func(key, value []byte) error) error
	Put(ctx context.Context, company string, records []store.Record, audit []store.AuditEntry, done func(error)) error
	Document(store.DocKey) (store.Info, bool, error)
	Documents(company string, after id.DocumentID, fn func(store.DocumentInfo) error) error
	DocumentsOf(company, user string, after id.DocumentID, fn func(store.DocumentInfo) error) error
	Attributions(key store.DocKey, from, to uint64, fn func(store.Run) error) error
	Changes(key store.DocKey, from, to uint64, fn func(i uint64, c store.Change) error) error
	Change(key store.DocKey, i uint64) ([]byte, error)
	Snapshot(store.DocKey) (store.Snapshot, bool, error)
	Tombstone(store.DocKey) (store.Tombstone, bool, error)
	Tombstones(company string, after id.DocumentID, fn func(id.DocumentID, store.Tombstone) error) error
	Audit(company string, from uint64, fn func(store.AuditEntry) error) error
}

// Options tunes a Service.
type Options struct {
	MaxAnswer int // bytes of a document, diff or blame as JSON; 0 = 64 MiB

	// Deleted returns the records that tell of the deletion of a document, to be
	// committed with it. nil = there are none.
	Deleted func(key store.DocKey, docType, by string, at time.Time) []store.Record

	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil discards
}

// Service does what callers ask for with the documents of their companies. It is
// safe for concurrent use.
type Service struct {
	hub    Hub
	store  Store
	opts   Options
	denied deniedLog
	decode chan struct{} // a slot for each snapshot that is decoded at a time

	maxLooked int
}

// maxDecodes is how many snapshots are decoded at a time, for old changes.
const maxDecodes = 2

// New returns a service over a hub and its store.
func New(h Hub, s Store, o Options) *Service {
	if o.MaxAnswer == 0 {
		o.MaxAnswer = 64 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{hub: h, store: s, opts: o, decode: make(chan struct{}, maxDecodes), maxLooked: maxLooked}
}

// Caller is for whom something is done.
type Caller struct {
	auth.Principal
	Device string // the storage ID of a client, or what else names the device; "" = unknown
}

func (c Caller) key(doc id.DocumentID) store.DocKey {
	return store.DocKey{Company: c.Company, Document: doc}
}

func (c Caller) author() hub.Author {
	return hub.Author{User: c.User, Device: c.Device, Roles: c.AllRoles()}
}

// Document names a document and its state.
type Document struct {
	ID        id.DocumentID
	Type, Ref string // both empty for a document without a key
	Heads     []crdt.Hash
}

// At names a state: Heads, or what had been received by Time, or the present if
// both are zero.
type At struct {
	Heads []crdt.Hash
	Time  time.Time
}

func (a At) now() bool { return a.Heads == nil && a.Time.IsZero() }
