package guard

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"concord/conflict"
	"concord/crdt"
	"concord/internal/id"
	"concord/store"
)

// proposing makes the proposals of one answer.
type proposing struct {
	company  string
	ref      string
	document id.DocumentID
	graph    *crdt.Graph
	content  *crdt.OpSet
	now      crdt.View // before the answer
	wanted   []string  // heads
	list     []proposal
	audit    []store.AuditEntry
}

type proposal struct {
	record  conflict.Record
	side    conflict.Value
	deleted *element // that has to be made anew; nil for other places
}

// element is one that a list had.
type element struct {
	list  crdt.OpID
	index int
}

// maxPath is how many bytes of a path are kept.
const maxPath = 4 << 10

// proposalID returns the first 16 bytes of SHA-256("guarded" 0x00 ‖ 16B document ‖
// rule ‖ 0x00 ‖ object ‖ 0x00 ‖ key ‖ 0x00 ‖ 32B change), object and key as in the
// record.
func proposalID(doc id.DocumentID, rule, object, key string, change crdt.Hash) conflict.ID {
	b := append([]byte("guarded\x00"), doc[:]...)
	for _, s := range []string{rule, object, key} {
		b = append(append(b, s...), 0)
	}
	sum := sha256.Sum256(append(b, change[:]...))
	return conflict.ID(sum[:16])
}

// add adds the proposal to do after all what was undone at a place.
func (p *proposing) add(b *breach, t *target) {
	last := &b.last
	r := conflict.Record{
		Document: p.document,
		Kind:     conflict.Guarded, Status: conflict.Open, Type: last.docType,
		Object: "_root", Field: cut(t.field, maxPath), Path: cut(t.pointer, maxPath),
		Users: []string{last.user}, Opened: last.received, Updated: last.received,
		Rule: b.rule.Name, Proposal: &conflict.Proposal{Guarded: texts(b.heads), Wanted: p.wanted},
	}
	if n := len(b.way); n > 0 {
		r.Object, r.Key = written(b.way[n-1])
	}
	r.ID = proposalID(p.document, r.Rule, r.Object, r.Key, last.change)
	if t.has {
		before := conflict.Show(b.base, t.guarded)
		r.Before, r.Winner = &before, &before
	}
	side := conflict.Value{
		Shown: conflict.Shown{Op: last.op.String()}, Action: "del", Change: last.change.String(),
		User: last.user, Device: last.device, Received: last.received, Claimed: last.claimed,
	}
	if t.wants {
		side.Shown, side.Action = conflict.Show(p.now, t.wanted), actions[t.wanted.Kind]
	}
	x := proposal{record: r, side: side}
	if n := len(b.way); n > 0 && b.way[n-1].key.IsElem && t.has && !t.wants {
		s := b.way[n-1]
		index, _, _ := b.base.IndexOf(s.object, s.key.Elem)
		x.deleted = &element{s.object, index}
	}
	p.list = append(p.list, x)
	p.audit = append(p.audit, store.AuditEntry{
		Time: last.received, User: last.user, Action: store.ActionRevert, Document: p.document,
		Detail: detail("proposal", r.ID.String(), "rule", b.rule.Name, "path", r.Path, "change", side.Change, "device", last.device),
	})
}

var actions = map[crdt.Kind]string{
	crdt.KindScalar: "set", crdt.KindMap: "makeMap", crdt.KindList: "makeList", crdt.KindText: "makeText", crdt.KindTable: "makeTable",
}

// written returns how the ledger writes an object and a key in it.
func written(s step) (object, key string) {
	if object = s.object.String(); s.object.IsZero() {
		object = "_root"
	}
	if s.key.IsElem {
		return object, "e" + s.key.Elem.String()
	}
	return object, "k" + s.key.Name
}

// detail returns a JSON object of names and texts, in pairs.
func detail(pairs ...string) json.RawMessage {
	fields := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fields[pairs[i]] = pairs[i+1]
		}
	}
	b, _ := json.Marshal(fields) // texts can always be written
	return b
}

// records returns the proposals as they are stored, and the events that tell of
// them; none if nothing had to be written to bring everything back.
func (p *proposing) records(answer crdt.Hash) (all []store.Record) {
	if answer == (crdt.Hash{}) {
		return nil
	}
	p.remade()
	for _, x := range p.list {
		x.record.Proposal.Answer = answer.String()
		records, err := conflict.Insert(x.record, []conflict.Value{x.side})
		if err != nil {
			panic(err) // the ops are those of changes, and the times those of the hub's clock
		}
		all = append(all, records...)
		all = append(all, conflict.Tell(p.company, x.record, []conflict.Value{x.side}, p.ref, x.side.User)...)
	}
	return all
}

// remade gives proposals to delete an element the element that the answer, which
// was staged last, has made in its place.
func (p *proposing) remade() {
	deleted := map[crdt.OpID][]*proposal{} // by list
	for i := range p.list {
		if e := p.list[i].deleted; e != nil {
			deleted[e.list] = append(deleted[e.list], &p.list[i])
		}
	}
	answer := p.graph.Staged() - 1
	actor, _ := p.graph.Author(answer)
	start := p.graph.StartOp(answer)
	for list, proposals := range deleted {
		slices.SortFunc(proposals, func(a, b *proposal) int { return a.deleted.index - b.deleted.index })
		for e := range p.content.View().Elements(list, 0) {
			if e.ID.Actor == actor && e.ID.Counter >= start && len(proposals) > 0 {
				_, proposals[0].record.Key = written(step{list, crdt.ElemKey(e.ID)})
				proposals = proposals[1:]
			}
		}
	}
}

// cut shortens a text to n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
