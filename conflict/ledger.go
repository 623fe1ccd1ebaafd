package conflict

import (
	"concord/store"
)

// Store is what the ledger reads; *store.Store is one.
type Store interface {
	Get(company string, t store.Table, key []byte) (value []byte, ok bool, err error)
	Scan(company string, t store.Table, r store.Range, fn func(key, value []byte) error) error
}

// Ledger watches documents and answers questions about their conflicts. It is
// safe for concurrent use.
type Ledger struct {
	store Store
	many  int // see manyWrites; tests lower it
	stats counters
}

// New returns the ledger of a store.
func New(s Store) *Ledger { return &Ledger{store: s, many: manyWrites} }
