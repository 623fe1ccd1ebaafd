package conflict

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"concord/internal/id"
)

// ID names a conflict within a company.
type ID [16]byte

// ParseID reads 32 hex digits.
func ParseID(s string) (ID, error) {
	var x ID
	if len(s) != 2*len(x) {
		return ID{}, fmt.Errorf("parse conflict ID: want %d hex digits", 2*len(x))
	}
	if _, err := hex.Decode(x[:], []byte(s)); err != nil {
		return ID{}, fmt.Errorf("parse conflict ID: %w", err)
	}
	return x, nil
}

// String returns 32 lower-case hex digits.
func (x ID) String() string { return hex.EncodeToString(x[:]) }

// MarshalText is String.
func (x ID) MarshalText() ([]byte, error) { return []byte(x.String()), nil }

// UnmarshalText is ParseID.
func (x *ID) UnmarshalText(b []byte) (err error) {
	*x, err = ParseID(string(b))
	return err
}

// Kind is what went against what.
type Kind string

// Kinds of conflicts.
const (
	UpdateUpdate Kind = "update-update" // different values were written
	DeleteUpdate Kind = "delete-update" // one side deleted what the other wrote
	LostEdit     Kind = "lost-edit"     // one side removed the object that the other edited
	Guarded      Kind = "guarded"       // a rule undid an edit; the record is a proposal
)

// Status is what has become of a conflict.
type Status string

// Statuses of conflicts; Accepted and Dismissed are those of proposals.
const (
	Open       Status = "open"
	Superseded Status = "superseded" // a later write covers it
	Resolved   Status = "resolved"   // somebody decided
	Accepted   Status = "accepted"
	Dismissed  Status = "dismissed"
)

// Strategy is how documents merge while nobody decides: the write with the
// highest op ID is shown.
const Strategy = "last-write-wins"

// Ops are named COUNTER@ACTOR, with the actor in hex, as automerge-js does;
// the root object is _root.

// Record is what is known of a conflict, but for the values themselves.
type Record struct {
	ID       ID            `json:"-"`
	Document id.DocumentID `json:"-"`
	Kind     Kind          `json:"kind"`
	Status   Status        `json:"status"`
	Type     string        `json:"type,omitempty"` // of the document
	Object   string        `json:"object"`         // that holds the place
	Key      string        `json:"key"`            // "k" and the key of a map, or "e" and the op that inserted the list element
	Field    string        `json:"field"`          // JSON Pointer with "*" for indexes
	Path     string        `json:"path"`           // JSON Pointer, as it was when this was written
	Root     []string      `json:"root,omitempty"` // ops; of a lost edit, the op that made the object
	Before   *Shown        `json:"before,omitempty"`
	Winner   *Shown        `json:"winner,omitempty"` // what the document shows of the conflict; nil = nothing
	Values   int           `json:"values"`           // how many, at most MaxValues
	Users    []string      `json:"users"`            // who wrote them, sorted; at most MaxUsers
	Opened   time.Time     `json:"opened"`           // when the change was received that made it a conflict
	Updated  time.Time     `json:"updated"`          // when the last change was received that it took notice of
	Closed   time.Time     `json:"closed,omitzero"`  // likewise, of its closer
	Closer   *Closer       `json:"closer,omitempty"` // nil while open
	Rule     string        `json:"rule,omitempty"`   // of a proposal
	Proposal *Proposal     `json:"proposal,omitempty"`
	Assignee string        `json:"-"`
}

const (
	// MaxUsers is how many users a record names; further ones are found in its values.
	MaxUsers = 64
	// MaxValues is how many values a record has; further ones are left out.
	MaxValues = 1000
	// MaxValueJSON is how many bytes of a value are kept.
	MaxValueJSON = 1 << 10
	// MaxNote is the limit of a comment in bytes.
	MaxNote = 4 << 10
)

// Shown is a value that a document shows, or showed.
type Shown struct {
	Op    string          `json:"op"`
	Value json.RawMessage `json:"value,omitempty"` // nil if it was cut
	Cut   string          `json:"cut,omitempty"`   // the beginning of what is too long
}

// Closer is the change that closed a conflict.
type Closer struct {
	User   string `json:"user"`
	Device string `json:"device,omitempty"`
	Change string `json:"change"`       // hash
	Op     string `json:"op,omitempty"` // of superseded: the first write after the episode
}

// Proposal is an edit that a rule undid.
type Proposal struct {
	Guarded []string `json:"guarded"` // heads of the document before it
	Wanted  []string `json:"wanted"`  // and with it
	Answer  string   `json:"answer,omitempty"`
}

// Value is one side of a conflict.
type Value struct {
	Shown              // Op is the op that wrote it
	Action   string    `json:"action"`          // set, makeMap, makeList, makeText, makeTable, del, inc; of edits also mark
	Place    string    `json:"place,omitempty"` // of an edit in the object of a lost edit: its field
	Change   string    `json:"change"`          // hash
	User     string    `json:"user"`
	Device   string    `json:"device,omitempty"`
	Received time.Time `json:"received"`
	Claimed  time.Time `json:"claimed,omitzero"` // as the change itself says
	// Removal tells what removed the object of a lost edit from the edits in it.
	Removal bool `json:"removal,omitempty"`
}

// Note is a comment.
type Note struct {
	Time time.Time `json:"time"`
	User string    `json:"user"`
	Text string    `json:"text"`
}

// Conflict is a record with everything that belongs to it.
type Conflict struct {
	Record
	Sides []Value // ascending by op
	Notes []Note  // in the order of their time

	// Undone is what Resolve found that guards have made of the decision: a
	// proposal; the place is what it was. nil = nothing.
	Undone *ID
}
