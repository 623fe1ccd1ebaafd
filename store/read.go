package store

import (
	"errors"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// reader reads records within one transaction.
type reader struct {
	tx *bbolt.Tx
}

func (r reader) bucket(def *bucket) (*bbolt.Bucket, error) {
	b := r.tx.Bucket([]byte(def.name))
	if b == nil {
		return nil, fmt.Errorf("bucket %s is missing: %w", def.name, ErrCorrupt)
	}
	return b, nil
}

// lacks tells whether the file is of a format without a bucket, and open for reading only.
func (r reader) lacks(def *bucket) bool {
	if r.tx.Bucket([]byte(def.name)) != nil {
		return false
	}
	version, err := r.format()
	return err == nil && version < def.since
}

// get returns a record's payload, which is valid until the transaction ends.
func (r reader) get(def *bucket, key []byte) (payload []byte, ok bool, err error) {
	b, err := r.bucket(def)
	if err != nil {
		return nil, false, err
	}
	v := b.Get(key)
	if v == nil {
		return nil, false, nil
	}
	payload, err = def.unseal(key, v)
	return payload, err == nil, err
}

// company returns the number of a company.
func (r reader) company(name string) (number uint32, ok bool, err error) {
	return r.number(companiesBucket, []byte(name))
}

func (r reader) number(def *bucket, key []byte) (uint32, bool, error) {
	v, ok, err := r.get(def, key)
	if err != nil || !ok {
		return 0, false, err
	}
	if len(v) != 4 || u32(v) == 0 {
		return 0, false, def.corrupt(key, "number is malformed")
	}
	return u32(v), true, nil
}

// documentKey returns a document's 20-byte key, or false when the company was never seen.
func (r reader) documentKey(d DocKey) ([]byte, bool, error) {
	c, ok, err := r.company(d.Company)
	if err != nil || !ok {
		return nil, false, err
	}
	return append(appendU32(make([]byte, 0, indexedKeySize), c), d.Document[:]...), true, nil
}

// view runs fn in a read transaction. inCallback, if not nil, is true while fn runs code of the caller: a panic of
// that code goes on as it is.
func (s *Store) view(inCallback *bool, fn func(r reader) error) (err error) {
	defer guard(&err, inCallback)()
	group := s.readers.begin()
	defer s.readers.leave(group)
	err = s.db.View(func(tx *bbolt.Tx) error { return fn(reader{tx: tx}) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// guard turns panics of bbolt, and faults on the mapped file, into ErrCorrupt: bbolt trusts the pages that it maps.
// Use as defer guard(&err, nil)().
func guard(err *error, inCallback *bool) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if p := recover(); p != nil {
			if inCallback != nil && *inCallback {
				panic(p)
			}
			*err = panicError(p)
		}
	}
}

func panicError(p any) error {
	return fmt.Errorf("page structure is damaged (%v): %w", p, ErrCorrupt)
}
