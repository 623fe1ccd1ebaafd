package conflict

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// Editor changes documents; *hub.Hub is one.
type Editor interface {
	Edit(ctx context.Context, key store.DocKey, e hub.Edit) (hub.Edited, error)
}

// Resolver takes people's decisions. It is safe for concurrent use.
type Resolver struct {
	ledger *Ledger
	editor Editor
	now    func() time.Time

	mu   sync.Mutex
	busy map[claim]bool // conflicts about which somebody is deciding
}

type claim struct {
	company  string
	conflict ID
}

// NewResolver returns a resolver of a ledger's conflicts; now nil means time.Now.
func NewResolver(l *Ledger, e Editor, now func() time.Time) *Resolver {
	if now == nil {
		now = time.Now
	}
	return &Resolver{ledger: l, editor: e, now: now, busy: map[claim]bool{}}
}

// Choice is a decision: exactly one field is set.
type Choice struct {
	// Keep names the op of a value to be kept, a deletion included. Of a lost edit
	// it is KeepEdits or KeepRemoval, or the op of any edit or removal.
	Keep string
	// Value is written as JSON. Not for lost edits.
	Value json.RawMessage
}

// What may be kept of a lost edit.
const (
	KeepEdits   = "edits"   // the object comes back as it was when it was removed, with the edits
	KeepRemoval = "removal" // it stays removed
)

// By is who decides.
type By struct {
	User, Device string
	Roles        []string                 // what guards know of the user
	MayOpen      func(id.DocumentID) bool // nil = all documents
}

func (b By) author() hub.Author { return hub.Author{User: b.User, Device: b.Device, Roles: b.Roles} }

// Resolve writes a change that decides a conflict, and returns the conflict
// after it. A visible value is kept by removing the others, so that an object
// stays the one that people edit; one that isn't visible any more is made again,
// and a deleted element of a list is inserted again. The error may be
// ErrNotFound, ErrNotOpen or ErrChoice.
//
// Guards judge the change like any edit of the user's. Where they undo it, the
// conflict is resolved nevertheless, and Undone names the proposal that is open
// instead.
func (r *Resolver) Resolve(ctx context.Context, company string, x ID, c Choice, by By) (Conflict, error) {
	release, ok := r.claim(claim{company, x})
	if !ok {
		return Conflict{}, fmt.Errorf("resolve conflict %s: %w", x, ErrNotOpen)
	}
	defer release()
	now, err := r.ledger.Get(company, x, by.MayOpen)
	if err != nil {
		return Conflict{}, err
	}
	d, err := decisionOf(&now, c)
	if err != nil {
		return Conflict{}, fmt.Errorf("resolve conflict %s: %w", x, err)
	}
	detail := mustJSON(map[string]string{"conflict": x.String(), "decision": d.what})
	answered := false
	edited, err := r.editor.Edit(ctx, store.DocKey{Company: company, Document: now.Document}, hub.Edit{
		Last: func(e hub.Ended) ([]store.Record, error) {
			answered = e.Answered
			return nil, nil
		},
		By: by.author(), Message: resolvePrefix + x.String() + ": " + d.what, Empty: true, Write: d.write,
		Audit: []store.AuditEntry{{
			Time: r.now(), User: by.User, Action: store.ActionResolve, Document: now.Document, Detail: detail,
		}},
	})
	if err != nil {
		return Conflict{}, fmt.Errorf("resolve conflict %s: %w", x, err)
	}
	decided, err := r.ledger.Get(company, x, by.MayOpen)
	if err == nil && answered && edited.Change != nil {
		decided.Undone, err = r.ledger.proposalOf(company, now.Document, edited.Change.Hash.String())
	}
	return decided, err
}

// maxProposals is how many proposals a change leads to, about.
const maxProposals = 100

// proposalOf returns the latest proposal that guards have made of a change, which
// has just been committed; nil if there is none.
func (l *Ledger) proposalOf(company string, doc id.DocumentID, change string) (*ID, error) {
	page, err := l.List(company, Filter{Document: &doc, Kind: Guarded, Limit: maxProposals})
	if err != nil {
		return nil, err
	}
	for _, p := range page.Records {
		c, err := l.Get(company, p.ID, nil)
		if err != nil {
			return nil, err
		}
		if len(c.Sides) > 0 && c.Sides[0].Change == change {
			return &p.ID, nil
		}
	}
	return nil, nil
}

// claim keeps everybody else from deciding about a conflict.
func (r *Resolver) claim(c claim) (release func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[c] {
		return nil, false
	}
	r.busy[c] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.busy, c)
	}, true
}

// Assign says who is to look at a conflict; an empty user takes that back. The
// error may be ErrNotFound or ErrNote.
func (r *Resolver) Assign(ctx context.Context, company string, x ID, user string, by By) (Conflict, error) {
	const longest = 256
	if len(user) > longest || !utf8.ValidString(user) {
		return Conflict{}, fmt.Errorf("assign conflict %s: the name has more than %d bytes: %w", x, longest, ErrNote)
	}
	return r.annotate(ctx, company, x, by, func(c *Conflict) (store.Record, error) {
		set := store.Record{Table: store.TableConflictNotes, Key: append(recordKey(c.Document, x), assigneeSuffix...)}
		if user != "" {
			set.Value = []byte(user)
		}
		return set, nil
	})
}

// maxNotes is how many comments a conflict may have.
const maxNotes = 1000

// Comment adds a note. The error may be ErrNotFound or ErrNote.
func (r *Resolver) Comment(ctx context.Context, company string, x ID, text string, by By) (Conflict, error) {
	if text == "" || len(text) > MaxNote || !utf8.ValidString(text) {
		return Conflict{}, fmt.Errorf("comment on conflict %s: want 1 to %d bytes of UTF-8: %w", x, MaxNote, ErrNote)
	}
	return r.annotate(ctx, company, x, by, func(c *Conflict) (store.Record, error) {
		if len(c.Notes) >= maxNotes {
			return store.Record{}, fmt.Errorf("it has %d comments: %w", maxNotes, ErrNote)
		}
		now := r.now().UTC()
		key := binary.BigEndian.AppendUint64(recordKey(c.Document, x), max(1, timeNumber(now)))
		key = append(key, rand.Text()[:8]...)
		return store.Record{Table: store.TableConflictNotes, Key: key, Value: mustJSON(Note{now, by.User, text})}, nil
	})
}

// annotate puts a record beside a conflict, in the order of the document's
// writes.
func (r *Resolver) annotate(ctx context.Context, company string, x ID, by By, record func(*Conflict) (store.Record, error)) (Conflict, error) {
	c, err := r.ledger.Get(company, x, by.MayOpen)
	if err != nil {
		return Conflict{}, err
	}
	put, err := record(&c)
	if err == nil {
		_, err = r.editor.Edit(ctx, store.DocKey{Company: company, Document: c.Document}, hub.Edit{By: by.author(), Records: []store.Record{put}})
	}
	if err != nil {
		return Conflict{}, fmt.Errorf("annotate conflict %s: %w", x, err)
	}
	return r.ledger.Get(company, x, by.MayOpen)
}
