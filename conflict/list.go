package conflict

import (
	"time"

	"concord/internal/id"
)

// Filter says which conflicts to list; zero fields ask for everything.
type Filter struct {
	Document *id.DocumentID
	Type     string // of the document
	Field    string // see Record.Field
	User     string // one of Record.Users
	Kind     Kind
	Status   Status
	Assignee string
	From, To time.Time // when it was opened: From inclusive, To exclusive

	// MayOpen narrows the answer to some documents; nil = all of the company.
	MayOpen func(id.DocumentID) bool

	Cursor string // of the page before; "" = the first page
	Limit  int    // records on a page, 1 to MaxLimit; 0 = 100
}

// MaxLimit is the largest page.
const MaxLimit = 1000

// Page is a part of a list.
type Page struct {
	Records []Record
	Next    string // cursor of the next page; "" = this is the last one
}

// List returns conflicts, those opened last first. The work for a page is
// bounded, so that it may have fewer records than the limit, or none, and yet a
// next one. The error may be ErrCursor.
func (l *Ledger) List(company string, f Filter) (Page, error) { return Page{}, nil }

// Get returns a conflict with its values and notes. mayOpen narrows the answer
// to some documents; nil = all. The error may be ErrNotFound.
func (l *Ledger) Get(company string, x ID, mayOpen func(id.DocumentID) bool) (Conflict, error) {
	return Conflict{}, ErrNotFound
}
