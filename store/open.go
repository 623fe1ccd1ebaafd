package store

import (
	"concord/internal/id"
	"context"
	"time"
)

type Options struct {
	QueueBytes     int64
	RejectionLimit int
	OnFailure      func(error)
	Now            func() time.Time
}

type Store struct{}

func Open(dir string, o Options) (*Store, error) { return nil, ErrClosed }
func (s *Store) Close() error                    { return nil }
func (s *Store) StorageID() string               { return "" }

// Append queues a write for the next group commit and returns at once. See the package comment for done.
// When an error is returned nothing was queued and done isn't called.
// The byte slices belong to the store until done was called.
func (s *Store) Append(ctx context.Context, a Append, done func(error)) error { return ErrClosed }

func (s *Store) Document(key DocKey) (Info, bool, error) { return Info{}, false, ErrClosed }
func (s *Store) Changes(key DocKey, from, to uint64, fn func(i uint64, c Change) error) error {
	return ErrClosed
}
func (s *Store) Change(key DocKey, i uint64) ([]byte, error)                        { return nil, ErrClosed }
func (s *Store) Attributions(key DocKey, from, to uint64, fn func(Run) error) error { return ErrClosed }

// Run is a range of changes that came in one Append.
type Run struct {
	First, Count uint64
	Attribution
}

type SyncKey struct {
	Company, User, StorageID string
	Document                 id.DocumentID
}
type SyncState struct {
	SyncKey
	State []byte
}

func (s *Store) PutSyncStates(ctx context.Context, states []SyncState, done func(error)) error {
	return ErrClosed
}
func (s *Store) SyncState(key SyncKey) ([]byte, bool, error) { return nil, false, ErrClosed }

type Rejection struct {
	Seq                          uint64
	Company                      string
	Document                     id.DocumentID
	Hash                         Hash
	User, Device, Reason, Detail string
	First, Last                  time.Time
	Count                        uint64
}

func (s *Store) PutRejection(ctx context.Context, r Rejection, done func(error)) error {
	return ErrClosed
}
func (s *Store) Rejections(company string, limit int, before uint64) ([]Rejection, error) {
	return nil, ErrClosed
}

type RevocationKind string

const (
	RevokeUser  RevocationKind = "user"
	RevokeToken RevocationKind = "token"
)

type Revocation struct {
	Company   string
	Kind      RevocationKind
	ID        string
	At, Until time.Time
	By        string
}

func (s *Store) PutRevocation(ctx context.Context, r Revocation, done func(error)) error {
	return ErrClosed
}
func (s *Store) Revocations() ([]Revocation, error) { return nil, ErrClosed }
