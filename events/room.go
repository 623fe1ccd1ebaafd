package events

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"concord/internal/id"
)

// Kinds of rooms.
const (
	KindUser     = "user"
	KindCompany  = "company"
	KindDocument = "document"
)

// maxName is the limit in bytes for the name in a room, which is that for names of users and companies.
const maxName = 256

// Room is where an event goes: to a user, to everybody of a company, or to those who have subscribed to a document.
type Room struct {
	Kind string
	Name string // of the user or the company, or the document's ID
}

// String returns the room as it is written, "user:alice".
func (r Room) String() string { return r.Kind + ":" + r.Name }

// UserRoom returns the room of all devices of a user.
func UserRoom(user string) string { return Room{KindUser, user}.String() }

// CompanyRoom returns the room of all users of a company.
func CompanyRoom(company string) string { return Room{KindCompany, company}.String() }

// DocumentRoom returns the room of those who look at a document.
func DocumentRoom(doc id.DocumentID) string { return Room{KindDocument, doc.String()}.String() }

// ParseRoom reads a room, or returns ErrInvalid. The ID of a document comes out in its one form.
func ParseRoom(s string) (Room, error) {
	kind, name, _ := strings.Cut(s, ":")
	switch {
	case name == "" || len(name) > maxName || !utf8.ValidString(name):
		return Room{}, fmt.Errorf("room has a name of %d bytes, 1 to %d of UTF-8 are allowed: %w", len(name), maxName, ErrInvalid)
	case kind == KindUser, kind == KindCompany:
		return Room{kind, name}, nil
	case kind != KindDocument:
		return Room{}, fmt.Errorf("room is of no kind that there is, %s:, %s: or %s: are: %w", KindUser, KindCompany, KindDocument, ErrInvalid)
	}
	doc, err := id.Parse(name)
	if err != nil {
		return Room{}, fmt.Errorf("room names no document: %w: %w", err, ErrInvalid)
	}
	return Room{kind, doc.String()}, nil
}
