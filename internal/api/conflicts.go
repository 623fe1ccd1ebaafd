package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"concord/conflict"
	"concord/conflict/guard"
	"concord/internal/auth"
	"concord/internal/documents"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// ShownValue is a value that a document shows, or showed. It is exported so that
// the OpenAPI document has its fields where it is embedded.
type ShownValue struct {
	Op    string `json:"op" doc:"The operation that wrote it, as automerge-js names it." example:"7@0b5cbf4f2a8d4c7e9f1a2b3c4d5e6f70"`
	Value any    `json:"value" doc:"null where the value is too long to be kept here; then cut has its beginning." example:"1200"`
	Cut   string `json:"cut,omitempty" doc:"The beginning of a value of more than 1,024 bytes as JSON."`
}

type conflictValue struct {
	ShownValue
	Action   string     `json:"action" enum:"set,makeMap,makeList,makeText,makeTable,del,inc,mark" doc:"set, make… and del write, inc adds to a counter."`
	Place    string     `json:"place,omitempty" doc:"Of an edit inside a removed object: where."`
	Change   string     `json:"change" doc:"Hash of the change in hex."`
	User     string     `json:"user" doc:"Verified." example:"alice"`
	Device   string     `json:"device,omitempty" doc:"Storage ID of the client, or its peer ID if it has no storage."`
	Received time.Time  `json:"received" doc:"When the server received it."`
	Claimed  *time.Time `json:"claimed,omitempty" doc:"When it was made, as the device says."`
	Removal  bool       `json:"removal,omitempty" doc:"Of a lost edit: it removed the object; the other values are the edits that were lost with it."`
	Winner   bool       `json:"winner,omitempty" doc:"It is the one that won."`
}

type conflictNote struct {
	Time time.Time `json:"time"`
	User string    `json:"user" example:"carol"`
	Text string    `json:"text" example:"Asked the customer: 1,200 is right."`
}

type conflictCloser struct {
	User   string `json:"user" example:"carol"`
	Device string `json:"device,omitempty"`
	Change string `json:"change" doc:"Hash in hex."`
	Op     string `json:"op,omitempty" doc:"The write that covers the conflict."`
}

type conflictEntry struct {
	ID            string          `json:"id" doc:"The same on every server that has the changes." example:"5d41402abc4b2a76b9719d911017c592"`
	Document      string          `json:"document" example:"4NMNnkMhL8jXrdJ9jamS58PAVdXu"`
	URL           string          `json:"url" doc:"The document's automerge URL." example:"automerge:4NMNnkMhL8jXrdJ9jamS58PAVdXu"`
	Type          string          `json:"type,omitempty" example:"invoice"`
	Kind          string          `json:"kind" enum:"update-update,delete-update,lost-edit,guarded" doc:"Different values; a deletion against another write; edits in an object that somebody removed; an edit that a rule undid."`
	Status        string          `json:"status" enum:"open,superseded,resolved,accepted,dismissed" doc:"Superseded: a later write covers all values."`
	Strategy      string          `json:"strategy" doc:"How the document merges while nobody decides." example:"last-write-wins"`
	Field         string          `json:"field" doc:"JSON Pointer with * for each index of a list." example:"/lines/*/price"`
	Path          string          `json:"path" doc:"JSON Pointer of the place, as it was when the conflict was last recorded." example:"/lines/0/price"`
	Before        *ShownValue     `json:"before,omitempty" doc:"What the place held before; missing if nothing."`
	Winner        *ShownValue     `json:"winner,omitempty" doc:"What won: the document shows it while nobody decides or writes anew. Missing if that is nothing."`
	Users         []string        `json:"users" doc:"Who wrote the values; at most 64."`
	Count         int             `json:"count" doc:"How many values there are."`
	Values        []conflictValue `json:"values,omitempty" doc:"When one conflict is asked for, or with values=true."`
	ValuesLeftOut bool            `json:"valuesLeftOut,omitempty" doc:"There are more values: an answer has 10,000 at most. Ask for one conflict, or for CSV."`
	Opened        time.Time       `json:"opened" doc:"When the server received what made it a conflict."`
	Updated       time.Time       `json:"updated"`
	Closed        *time.Time      `json:"closed,omitempty"`
	Closer        *conflictCloser `json:"closer,omitempty"`
	Rule          string          `json:"rule,omitempty" doc:"Of a guarded edit."`
	Proposal      string          `json:"proposal,omitempty" doc:"In the answer to a decision that a rule has undone at once: the conflict of kind guarded that it is until somebody accepts it. The document shows what it did before." example:"7b64fc43298eb1ece677b91697d0ef30"`
	Assignee      string          `json:"assignee,omitempty"`
	Notes         []conflictNote  `json:"notes,omitempty"`
}

type ConflictFilter struct {
	Document string    `query:"document" doc:"Document ID or automerge: URL."`
	Type     string    `query:"type" doc:"Type of the documents."`
	Field    string    `query:"field" doc:"As in the field of a conflict."`
	User     string    `query:"user" doc:"Who wrote one of the values."`
	Kind     string    `query:"kind" enum:"update-update,delete-update,lost-edit,guarded"`
	Status   string    `query:"status" enum:"open,superseded,resolved,accepted,dismissed"`
	Assignee string    `query:"assignee"`
	From     time.Time `query:"from" doc:"Opened at this time or later."`
	To       time.Time `query:"to" doc:"Opened before this time."`
}

type conflictsInput struct {
	ConflictFilter
	PageInput
	Values bool `query:"values" doc:"With the values of each."`
}

type conflictsOutput struct {
	Body struct {
		Conflicts []conflictEntry `json:"conflicts" doc:"Opened last first. A page may be short, even empty, without being the last."`
		Next      string          `json:"next,omitempty" doc:"Cursor of the next page; missing on the last one."`
	}
}

type ConflictInput struct {
	ID string `path:"id" maxLength:"128" doc:"ID of the conflict, 32 hex digits." example:"5d41402abc4b2a76b9719d911017c592"`
}

type conflictOutput struct{ Body conflictEntry }

// filter reads the query of a list.
func (f ConflictFilter) filter(p auth.Principal) (conflict.Filter, error) {
	out := conflict.Filter{
		Type: f.Type, Field: f.Field, User: f.User, Kind: conflict.Kind(f.Kind), Status: conflict.Status(f.Status),
		Assignee: f.Assignee, From: f.From, To: f.To, MayOpen: mayOpen(p),
	}
	if f.Document != "" {
		doc, err := id.Parse(strings.TrimPrefix(f.Document, "automerge:"))
		if err != nil {
			return out, huma.Error422UnprocessableEntity("document has no document ID; IDs look like 4NMNnkMhL8jXrdJ9jamS58PAVdXu")
		}
		out.Document = &doc
	}
	return out, nil
}

// mayOpen narrows lists for callers whose token is for some documents only.
func mayOpen(p auth.Principal) func(id.DocumentID) bool {
	if p.Docs == nil {
		return nil
	}
	return func(d id.DocumentID) bool { return p.MayOpen(d.String()) }
}

func (s *Server) registerConflicts(rest huma.API) {
	op := s.operation(rest, "list-conflicts", http.MethodGet, "/v1/conflicts", "List conflicts",
		"Who overwrote whom, and what was lost: concurrent writes to one field, deletions against edits, edits in removed objects, and edits that a rule undid.")
	huma.Register(rest, op, s.listConflicts)
	op = s.operation(rest, "get-conflict", http.MethodGet, "/v1/conflicts/{id}", "Get a conflict with all its values", "")
	op.Errors = append(op.Errors, http.StatusNotFound)
	huma.Register(rest, op, func(ctx context.Context, in *ConflictInput) (*conflictOutput, error) {
		x, err := conflict.ParseID(in.ID)
		if err != nil {
			return nil, errNoConflict
		}
		p := caller(ctx)
		c, err := s.opts.Conflicts.Get(p.Company, x, mayOpen(p))
		if err != nil {
			return nil, s.conflictError("read the conflict", err)
		}
		return &conflictOutput{conflictOf(c.Record, &c)}, nil
	})
	s.registerConflictReports(rest)
	s.registerConflictDecisions(rest)
}

func (s *Server) listConflicts(ctx context.Context, in *conflictsInput) (*conflictsOutput, error) {
	p := caller(ctx)
	f, err := in.filter(p)
	if err != nil {
		return nil, err
	}
	f.Cursor, f.Limit = in.Cursor, in.Limit
	page, err := s.opts.Conflicts.List(p.Company, f)
	if err != nil {
		return nil, s.conflictError("list conflicts", err)
	}
	out := &conflictsOutput{}
	out.Body.Conflicts = make([]conflictEntry, 0, len(page.Records))
	left := maxValues
	for _, r := range page.Records {
		entry := conflictOf(r, nil)
		entry.ValuesLeftOut = in.Values && r.Values > left
		if in.Values && !entry.ValuesLeftOut {
			left -= r.Values
			c, err := s.opts.Conflicts.Get(p.Company, r.ID, nil)
			switch {
			case errors.Is(err, conflict.ErrNotFound):
				continue // it became part of another one, or its document was deleted
			case err != nil:
				return nil, s.conflictError("read a conflict", err)
			}
			c.Notes = nil
			entry = conflictOf(c.Record, &c)
		}
		out.Body.Conflicts = append(out.Body.Conflicts, entry)
	}
	out.Body.Next = page.Next
	return out, nil
}

var errNoConflict = huma.Error404NotFound("there is no such conflict")

// conflictError turns what the ledger says into an answer.
func (s *Server) conflictError(doing string, err error) error {
	switch {
	case errors.Is(err, conflict.ErrNotFound), errors.Is(err, hub.ErrNotFound), errors.Is(err, store.ErrPurged):
		return errNoConflict
	case errors.Is(err, conflict.ErrNotOpen):
		return huma.Error409Conflict("the conflict isn't open any more; read it again to see what became of it")
	case errors.Is(err, guard.ErrForbidden):
		return huma.Error403Forbidden(guard.ErrForbidden.Error())
	case errors.Is(err, guard.ErrGone):
		return huma.Error409Conflict(guard.ErrGone.Error())
	case errors.Is(err, conflict.ErrCursor):
		return huma.Error422UnprocessableEntity("cursor is none that an earlier page has given; leave it out to begin anew")
	case errors.Is(err, conflict.ErrChoice):
		return huma.Error422UnprocessableEntity(plain(err, conflict.ErrChoice))
	case errors.Is(err, conflict.ErrNote):
		return huma.Error422UnprocessableEntity(plain(err, conflict.ErrNote))
	case errors.Is(err, guard.ErrNotProposal):
		return huma.Error422UnprocessableEntity(guard.ErrNotProposal.Error())
	}
	return s.problem(doing, documents.Refusal(err))
}

// plain returns what an error says between "resolve conflict ID: ", or the like,
// and its kind: the caller knows both.
func plain(err, kind error) string {
	text := strings.TrimSuffix(err.Error(), ": "+kind.Error())
	if i := strings.Index(text, ": "); i >= 0 && strings.Contains(text[:i], " conflict ") {
		return text[i+len(": "):]
	}
	return text
}

// maxValues is how many values of conflicts are in one answer.
const maxValues = 10_000

// conflictOf shows a record; c adds what belongs to it, nil = nothing.
func conflictOf(r conflict.Record, c *conflict.Conflict) conflictEntry {
	e := conflictEntry{
		ID: r.ID.String(), Document: r.Document.String(), URL: "automerge:" + r.Document.String(), Type: r.Type,
		Kind: string(r.Kind), Status: string(r.Status), Strategy: conflict.Strategy, Field: r.Field, Path: r.Path,
		Before: shownOf(r.Before), Winner: shownOf(r.Winner), Users: r.Users, Count: r.Values,
		Opened: r.Opened, Updated: r.Updated, Closed: optionalTime(r.Closed), Rule: r.Rule, Assignee: r.Assignee,
	}
	if e.Users == nil {
		e.Users = []string{}
	}
	if r.Closer != nil {
		e.Closer = &conflictCloser{User: r.Closer.User, Device: r.Closer.Device, Change: r.Closer.Change, Op: r.Closer.Op}
	}
	if c == nil {
		return e
	}
	if c.Undone != nil {
		e.Proposal = c.Undone.String()
	}
	e.ValuesLeftOut = len(c.Sides) > maxValues
	for _, v := range c.Sides[:min(len(c.Sides), maxValues)] {
		e.Values = append(e.Values, conflictValue{
			ShownValue: *shownOf(&v.Shown), Action: v.Action, Place: v.Place, Change: v.Change, User: v.User, Device: v.Device,
			Received: v.Received, Claimed: optionalTime(v.Claimed), Removal: v.Removal, Winner: r.Winner != nil && r.Winner.Op == v.Op,
		})
	}
	for _, n := range c.Notes {
		e.Notes = append(e.Notes, conflictNote(n))
	}
	return e
}

func shownOf(v *conflict.Shown) *ShownValue {
	if v == nil {
		return nil
	}
	out := &ShownValue{Op: v.Op, Cut: v.Cut}
	if v.Value != nil {
		out.Value = v.Value
	}
	return out
}
