package conflict

import (
	"concord/internal/id"
	"concord/store"
)

// New records, as guards make them, are written with Insert; Replace writes a
// record whose values stay.

// Insert returns what is to be stored for a new record with its values.
func Insert(r Record, sides []Value) []store.Record { return nil }

// Replace returns what is to be stored for a record that exists and was opened
// at the same time.
func Replace(r Record) store.Record { return store.Record{} }

// PurgeRecords returns what has to be deleted for a document to leave nothing in
// the tables that don't begin with documents.
func (l *Ledger) PurgeRecords(company string, doc id.DocumentID) ([]store.Record, error) {
	return nil, nil
}

// Verify returns functions that look at the ledger's records one by one, for a
// check of the whole file.
func Verify() map[store.Table]func(company string, key, value []byte) error { return nil }
