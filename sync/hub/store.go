package hub

import (
	"context"

	"concord/store"
)

// Store is what the hub needs of the durable change log; *store.Store is one.
// done functions are called in the order of the writes, once each, after the fsync.
type Store interface {
	StorageID() string
	Document(store.DocKey) (store.Info, bool, error)
	Changes(key store.DocKey, from, to uint64, fn func(i uint64, c store.Change) error) error
	Change(key store.DocKey, i uint64) ([]byte, error)
	Attributions(key store.DocKey, from, to uint64, fn func(store.Run) error) error
	ViewChunk(key store.DocKey, fn func(store.Snapshot) error) error
	ViewGraph(key store.DocKey, fn func(store.Snapshot) error) error
	AppendAll(ctx context.Context, list []store.Append, done func(error)) error
	SyncState(store.SyncKey) ([]byte, bool, error)
	SyncStates(key store.DocKey, fn func(state []byte) error) error
	PutSyncStates(ctx context.Context, states []store.SyncState, done func(error)) error
	PutRejection(ctx context.Context, r store.Rejection, done func(error)) error
	Get(company string, t store.Table, key []byte) (value []byte, ok bool, err error)
	Purge(ctx context.Context, key store.DocKey, p store.Purge, done func(error)) error
	Put(ctx context.Context, company string, records []store.Record, audit []store.AuditEntry, done func(error)) error
}

// Snapshots writes documents' snapshots in the background; *snapshot.Pool is one.
// Its methods don't wait.
type Snapshots interface {
	// Due reports whether a document is worth a new snapshot. cold = nobody is
	// editing it.
	Due(info store.Info, cold bool) bool
	// Want asks for one.
	Want(key store.DocKey, cold bool)
}
