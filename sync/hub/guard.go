package hub

import (
	"concord/crdt"
	"concord/store"
)

// Guards are rules about what changes may do.
type Guards interface {
	// For returns the guard of a document type; nil when there is no rule for it. It is asked once for changes that come
	// together.
	For(company, docType string) Guard
}

// Guard judges the changes of one type of documents. It is called with the document's lock held.
type Guard interface {
	// Judge returns how a change breaks rules; before is the content without it. Changes of the server's own are not
	// judged.
	Judge(a Applied, before crdt.View) []Violation
	// Answer says what the server changes back, after the last of the changes that came together; nil for nothing.
	Answer(all []Violation) *Answer
}

// Violation is what a guard notes of a change. It is the guard's own.
type Violation any

// Answer is a change by the server, committed together with the changes that it answers.
type Answer struct {
	Message string
	Write   func(*crdt.Tx) error
	// Records is called with the hash of the answer, the zero hash if nothing was written.
	Records func(answer crdt.Hash) []store.Record
	Audit   []store.AuditEntry
}
