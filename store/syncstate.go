package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"concord/internal/id"
)

// MaxSyncState is the limit in bytes for one encoded sync state.
const MaxSyncState = 1 << 20

// SyncKey names the sync state that the node keeps for one document of one client. It holds the user because a
// storage ID is what a client claims: nobody reaches another user's states with it.
type SyncKey struct {
	Company   string
	User      string // verified user
	StorageID string
	Document  id.DocumentID
}

// SyncState is an encoded sync state. An empty State removes what is stored.
type SyncState struct {
	SyncKey
	State []byte
}

func (k SyncKey) validate() error {
	if err := checkText("company", k.Company, false); err != nil {
		return err
	}
	if err := checkText("user", k.User, false); err != nil {
		return err
	}
	return checkText("storage ID", k.StorageID, false)
}

const clientSize = 16

// key returns the 36-byte key. User and storage ID go in as a hash, which keeps the labels free of clients that never
// changed anything.
func (k SyncKey) key(company uint32) []byte {
	text := append(appendText(make([]byte, 0, 2+len(k.User)+len(k.StorageID)), k.User), k.StorageID...)
	client := sha256.Sum256(text)
	key := append(appendU32(make([]byte, 0, documentKeySize+clientSize), company), k.Document[:]...)
	return append(key, client[:clientSize]...)
}

// PutSyncStates queues sync states as one write. They are never durable before the appends that were submitted
// earlier. Those of purged documents are left out. The slices within states belong to the store until done was called.
func (s *Store) PutSyncStates(ctx context.Context, states []SyncState, done func(error)) error {
	size := 0
	for _, st := range states {
		if err := st.validate(); err != nil {
			return fmt.Errorf("put sync state: %w", err)
		}
		if len(st.State) > MaxSyncState {
			return fmt.Errorf("put sync state of %d bytes, at most %d are allowed: %w", len(st.State), MaxSyncState, ErrInvalid)
		}
		size += len(st.State) + documentKeySize + clientSize
	}
	return s.submit(ctx, size, func(b *batch) error { return b.putSyncStates(states) }, done)
}

func (b *batch) putSyncStates(states []SyncState) error {
	keys, purged := make([][]byte, len(states)), make([]bool, len(states))
	for i := range states {
		company, err := b.mintCompany(states[i].Company)
		if err != nil {
			return fmt.Errorf("put sync state: %w", err)
		}
		keys[i] = states[i].key(company)
		switch err := b.notPurged(keys[i][:documentKeySize]); {
		case errors.Is(err, ErrPurged):
			purged[i] = true
		case err != nil:
			return fmt.Errorf("put sync state: %w", err)
		}
	}
	for i, key := range keys {
		if purged[i] {
			continue
		}
		if len(states[i].State) == 0 {
			b.delete(syncStatesBucket, key)
			continue
		}
		b.put(syncStatesBucket, key, append(make([]byte, 0, len(states[i].State)+crcSize), states[i].State...))
	}
	return nil
}

// SyncState returns a copy of a committed sync state; false when there is none. A purged document is ErrPurged.
func (s *Store) SyncState(key SyncKey) (state []byte, ok bool, err error) {
	err = s.view(nil, func(r reader) error {
		company, known, err := r.company(key.Company)
		if err != nil || !known {
			return err
		}
		k := key.key(company)
		if err := r.notPurged(k[:documentKeySize]); err != nil {
			return err
		}
		v, known, err := r.get(syncStatesBucket, k)
		if err != nil || !known {
			return err
		}
		state, ok = bytes.Clone(v), true
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("read sync state of document %s: %w", key.Document, err)
	}
	return state, ok, nil
}

// SyncStates calls fn for the committed sync states of a document. A purged document is ErrPurged. The rules of Scan
// hold for fn.
func (s *Store) SyncStates(key DocKey, fn func(state []byte) error) error {
	return s.iterate("read sync states", func(r reader, call func(func() error) error) error {
		number, ok, err := r.company(key.Company)
		if err != nil || !ok {
			return err
		}
		if err := r.notPurged(append(appendU32(nil, number), key.Document[:]...)); err != nil {
			return err
		}
		return r.scan(syncStatesBucket, number, Range{Prefix: key.Document[:]}, func(_, state []byte) error {
			return call(func() error { return fn(state) })
		})
	})
}
