package guard

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"concord/conflict"
	"concord/crdt"
	"concord/internal/id"
	"concord/internal/rules"
	"concord/store"
	"concord/sync/hub"
)

var (
	// ErrNotProposal is returned for a conflict of another kind.
	ErrNotProposal = errors.New("the conflict is no proposal: resolve it")
	// ErrForbidden is returned to who may not decide about a proposal: a user whose
	// own edits of the place would be undone.
	ErrForbidden = errors.New("the decision is for those whom the rules that lock the field except, and for administrators")
	// ErrGone is returned for a proposal to change something inside of what isn't
	// part of the document any more.
	ErrGone = errors.New("what the proposal would change is gone")
)

// Ledger is where proposals are found; *conflict.Ledger is one.
type Ledger interface {
	Get(company string, x conflict.ID, mayOpen func(id.DocumentID) bool) (conflict.Conflict, error)
}

// Editor changes documents; *hub.Hub is one.
type Editor interface {
	Edit(ctx context.Context, key store.DocKey, e hub.Edit) (hub.Edited, error)
}

// Proposals takes people's decisions about edits that were undone. It is safe for
// concurrent use.
type Proposals struct {
	guards *Guards
	ledger Ledger
	editor Editor
	now    func() time.Time

	mu   sync.Mutex
	busy map[decision]bool
}

// decision names a proposal: another company might have it as well.
type decision struct {
	company  string
	proposal conflict.ID
}

// NewProposals returns the decisions about what guards have undone; now nil means
// time.Now.
func NewProposals(g *Guards, l Ledger, e Editor, now func() time.Time) *Proposals {
	if now == nil {
		now = time.Now
	}
	return &Proposals{guards: g, ledger: l, editor: e, now: now, busy: map[decision]bool{}}
}

// By is who decides.
type By struct {
	User, Device string
	Roles        []string
	MayOpen      func(id.DocumentID) bool // nil = all documents
}

// Accept makes the place of a proposal what it was with the edit, whatever it is
// by now, and closes the proposal. Guards don't judge that change; who may decide
// does. The error may be conflict.ErrNotFound, conflict.ErrNotOpen,
// ErrNotProposal, ErrForbidden or ErrGone.
func (p *Proposals) Accept(ctx context.Context, company string, x conflict.ID, by By) (conflict.Conflict, error) {
	return p.decide(ctx, company, x, by, conflict.Accepted)
}

// Dismiss closes a proposal; its author may do that as well. The errors are those
// of Accept.
func (p *Proposals) Dismiss(ctx context.Context, company string, x conflict.ID, by By) (conflict.Conflict, error) {
	return p.decide(ctx, company, x, by, conflict.Dismissed)
}

func (p *Proposals) decide(ctx context.Context, name string, x conflict.ID, by By, status conflict.Status) (conflict.Conflict, error) {
	release, ok := p.claim(decision{name, x})
	if !ok {
		return conflict.Conflict{}, conflict.ErrNotOpen
	}
	defer release()
	c, err := p.ledger.Get(name, x, by.MayOpen)
	switch {
	case err != nil:
		return conflict.Conflict{}, err
	case c.Kind != conflict.Guarded || c.Proposal == nil:
		return conflict.Conflict{}, ErrNotProposal
	case c.Status != conflict.Open:
		return conflict.Conflict{}, conflict.ErrNotOpen
	}
	now := p.now().UTC()
	closed := c
	closed.Status, closed.Updated, closed.Closed = status, now, now
	closed.Closer = &conflict.Closer{User: by.User, Device: by.Device}
	e := hub.Edit{
		By: hub.Author{User: by.User, Device: by.Device, Roles: by.Roles}, Trusted: true,
		Audit: []store.AuditEntry{{
			Time: now, User: by.User, Action: store.ActionDismissProposal, Document: c.Document,
			Detail: detail("proposal", x.String(), "rule", c.Rule, "path", c.Path),
		}},
	}
	if status == conflict.Accepted {
		e.Audit[0].Action, e.Message = store.ActionAcceptProposal, "Accept proposal "+x.String()
		closed.Winner = nil
		if side := c.Sides[0]; side.Action != "del" {
			closed.Winner = &side.Shown
		}
	}
	e.Records = []store.Record{conflict.Replace(closed.Record)}
	e.Last = func(e hub.Ended) ([]store.Record, error) {
		return conflict.Tell(name, closed.Record, closed.Sides, e.Ref, by.User), nil
	}
	e.Write = func(tx *crdt.Tx, r hub.Reading) error { return p.write(tx, r, &c, by, status) }
	if _, err := p.editor.Edit(ctx, store.DocKey{Company: name, Document: c.Document}, e); err != nil {
		return conflict.Conflict{}, fmt.Errorf("decide about proposal %s: %w", x, err)
	}
	return closed, nil
}

// claim keeps everybody else from deciding about a proposal.
func (p *Proposals) claim(key decision) (release func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[key] {
		return nil, false
	}
	p.busy[key] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.busy, key)
	}, true
}

// write looks whether somebody may decide, and writes what is accepted.
func (p *Proposals) write(tx *crdt.Tx, r hub.Reading, c *conflict.Conflict, by By, status conflict.Status) error {
	way, err := wayOf(r.Content, c.Object, c.Key)
	if err != nil {
		return err
	}
	author := slices.Contains(c.Users, by.User) && status == conflict.Dismissed
	if !author && !p.guards.mayEdit(c.Type, way, by.Roles) {
		return ErrForbidden
	}
	if status != conflict.Accepted {
		return nil
	}
	heads := make([]crdt.Hash, len(c.Proposal.Wanted))
	for i, text := range c.Proposal.Wanted {
		if heads[i], err = crdt.ParseHash(text); err != nil {
			return err
		}
	}
	wanted, err := r.At(heads)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	if n := len(way); n > 0 {
		if obj := way[n-1].object; r.View.Reach(obj) != crdt.Shown || wanted.Reach(obj) != crdt.Shown {
			return ErrGone
		}
	}
	return bring(tx, r.Content.View(), []goal{{way, wanted}})
}

// mayEdit reports whether no rule would keep a user from editing a place, whatever
// the document's state.
func (g *Guards) mayEdit(docType string, way []step, roles []string) bool {
	if slices.Contains(roles, "admin") || slices.Contains(roles, "service") {
		return true
	}
	for _, rule := range g.byType[docType] {
		locks := func(p rules.Pattern) bool { return match(p, way) != apart }
		if !rule.excepts(roles) && slices.ContainsFunc(rule.Lock, locks) {
			return false
		}
	}
	return true
}

// wayOf returns the way to a place as the ledger writes it.
func wayOf(content *crdt.OpSet, object, key string) ([]step, error) {
	if key == "" {
		return nil, nil
	}
	obj, err := parseOp(object)
	if err != nil {
		return nil, err
	}
	s := step{object: obj, key: crdt.MapKey(key[1:])}
	if key[0] == 'e' {
		elem, err := parseOp(key[1:])
		if err != nil {
			return nil, err
		}
		s.key = crdt.ElemKey(elem)
	}
	w := ways{content: content}
	return append(slices.Clip(w.object(obj).steps), s), nil
}

func parseOp(s string) (crdt.OpID, error) {
	if s == "_root" {
		return crdt.OpID{}, nil
	}
	counter, actor, _ := strings.Cut(s, "@")
	n, err := strconv.ParseUint(counter, 10, 32)
	if err != nil {
		return crdt.OpID{}, fmt.Errorf("read op %q of a proposal: %w", s, err)
	}
	b, err := hex.DecodeString(actor)
	if err != nil {
		return crdt.OpID{}, fmt.Errorf("read op %q of a proposal: %w", s, err)
	}
	return crdt.OpID{Counter: uint32(n), Actor: crdt.ActorID(b)}, nil
}
