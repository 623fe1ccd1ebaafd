package guard

import (
	"bytes"
	"testing"

	"concord/conflict"
	"concord/crdt"
	"concord/fuzz/ledger"
	"concord/store"
	"concord/sync/hub"
)

// newDecisionRig is a rig with a ledger and people who decide.
func newDecisionRig(t *testing.T) (r *rig, l *conflict.Ledger, resolver *conflict.Resolver, proposals *Proposals) {
	t.Helper()
	r = newRig(t, finalInvoices)
	r.hub.Close()
	l = conflict.New(r.store)
	var err error
	if r.hub, err = hub.New(r.store, hub.Options{Guards: r.taken, Ledger: l}); err != nil {
		t.Fatal(err)
	}
	return r, l, conflict.NewResolver(l, r.hub, nil), NewProposals(r.taken.guards, l, r.hub, nil)
}

// told returns what the events tell of a company's conflicts.
func (r *rig) told() *ledger.Told {
	r.t.Helper()
	told, err := ledger.NewTold()
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.store.Scan("acme", store.TableEvents, store.Range{}, func(_, value []byte) error { return told.Take(bytes.Clone(value)) })
	if err != nil {
		r.t.Fatal(err)
	}
	return told
}

// A user decides a conflict who may not: the answer names the proposal that his
// decision is, and the events tell of that.
func TestDecisionThatARuleUndoes(t *testing.T) {
	r, l, resolver, proposals := newDecisionRig(t)
	key := r.create(map[string]any{"status": crdt.StringValue("draft"), "total": 1})
	ann, ben := r.join(key, "ann", "device a"), r.join(key, "ben", "device b")
	a, b := ann.set("/total", 10), ben.set("/total", 20)
	ann.sync(a)
	ben.sync(b)
	ann.pull()
	ann.sync(ann.set("/status", "posted"))
	page, err := l.List("acme", conflict.Filter{})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("conflicts: %+v, %v", page, err)
	}
	x := page.Records[0].ID
	decided, err := resolver.Resolve(t.Context(), "acme", x, conflict.Choice{Value: []byte("30")}, conflict.By{User: "ann"})
	if err != nil || decided.Status != conflict.Resolved || decided.Undone == nil {
		t.Fatalf("resolved: %+v, %v", decided, err)
	}
	p, err := l.Get("acme", *decided.Undone, nil)
	if err != nil || p.Kind != conflict.Guarded || p.Status != conflict.Open || string(p.Sides[0].Value) != "30" {
		t.Errorf("proposal: %+v, %v", p, err)
	}
	ben.pull()
	if got := ben.json(); got != `{"status":"posted","total":20}` && got != `{"status":"posted","total":10}` {
		t.Errorf("the document is %s", got)
	}
	told := r.told()
	if got := told.Known[p.ID.String()]; got != (ledger.Outcome{Status: "open", Winner: p.Winner.Op, Values: 1}) || !told.Notices[p.ID.String()]["ann"] {
		t.Errorf("told of the proposal: %+v, to %v", got, told.Notices[p.ID.String()])
	}
	if got := told.Known[x.String()]; got.Status != "resolved" {
		t.Errorf("told of the conflict: %+v", got)
	}
	if _, err := proposals.Accept(t.Context(), "acme", p.ID, By{User: "eve", Roles: []string{"accountant"}}); err != nil {
		t.Fatal(err)
	}
	told = r.told()
	if got := told.Known[p.ID.String()]; got != (ledger.Outcome{Status: "accepted", Winner: p.Sides[0].Op, Values: 1}) || len(told.Room) != len(told.Known) {
		t.Errorf("told of what was accepted: %+v", got)
	}
	ben.pull()
	if got := ben.json(); got != `{"status":"posted","total":30}` {
		t.Errorf("the document is %s", got)
	}
}

// Whom no rule locks out gets no proposal.
func TestDecisionThatStands(t *testing.T) {
	r, l, resolver, proposals := newDecisionRig(t)
	key := r.create(map[string]any{"status": crdt.StringValue("draft"), "total": 1})
	ann, ben := r.join(key, "ann", "device a"), r.join(key, "ben", "device b")
	a, b := ann.set("/total", 10), ben.set("/total", 20)
	ann.sync(a)
	ben.sync(b)
	ann.pull()
	ann.sync(ann.set("/status", "posted"))
	page, err := l.List("acme", conflict.Filter{})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("conflicts: %+v, %v", page, err)
	}
	by := conflict.By{User: "eve", Roles: []string{"accountant"}}
	decided, err := resolver.Resolve(t.Context(), "acme", page.Records[0].ID, conflict.Choice{Value: []byte("30")}, by)
	if err != nil || decided.Undone != nil || decided.Status != conflict.Resolved {
		t.Errorf("resolved: %+v, %v", decided, err)
	}
	ann.pull()
	ann.sync(ann.set("/total", 5))
	guarded, err := l.List("acme", conflict.Filter{Kind: conflict.Guarded})
	if err != nil || len(guarded.Records) != 1 {
		t.Fatalf("proposals: %+v, %v", guarded, err)
	}
	x := guarded.Records[0].ID
	if _, err := proposals.Dismiss(t.Context(), "acme", x, By{User: "ann"}); err != nil {
		t.Fatal(err)
	}
	if got := r.told().Known[x.String()]; got.Status != "dismissed" {
		t.Errorf("told of the proposal: %+v", got)
	}
}
