package guard

import (
	"crypto/sha256"
	"encoding/json"
	"unicode/utf8"

	"concord/conflict"
	"concord/crdt"
	"concord/internal/id"
	"concord/store"
)

// proposing makes the proposals of one answer.
type proposing struct {
	document id.DocumentID
	now      crdt.View
	wanted   []string // heads
	list     []proposal
	audit    []store.AuditEntry
}

type proposal struct {
	record conflict.Record
	side   conflict.Value
}

// proposalID returns the first 16 bytes of SHA-256("guarded" 0x00 ‖ 16B document ‖
// rule ‖ 0x00 ‖ path ‖ 0x00 ‖ 32B change).
func proposalID(doc id.DocumentID, rule, path string, change crdt.Hash) conflict.ID {
	b := append([]byte("guarded\x00"), doc[:]...)
	b = append(append(b, rule...), 0)
	b = append(append(b, path...), 0)
	sum := sha256.Sum256(append(b, change[:]...))
	return conflict.ID(sum[:16])
}

// add adds the proposal to do after all what was undone at a place.
func (p *proposing) add(b *breach, t *target) {
	last := &b.last
	r := conflict.Record{
		ID: proposalID(p.document, b.rule.Name, t.pointer, last.change), Document: p.document,
		Kind: conflict.Guarded, Status: conflict.Open, Type: last.docType,
		Object: "_root", Field: t.field, Path: t.pointer,
		Users: []string{last.user}, Opened: last.received, Updated: last.received,
		Rule: b.rule.Name, Proposal: &conflict.Proposal{Guarded: texts(b.heads), Wanted: p.wanted},
	}
	if n := len(b.way); n > 0 {
		r.Object, r.Key = written(b.way[n-1])
	}
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
	p.list = append(p.list, proposal{r, side})
	p.audit = append(p.audit, store.AuditEntry{
		Time: last.received, User: last.user, Action: store.ActionRevert, Document: p.document,
		Detail: detail("proposal", r.ID.String(), "rule", b.rule.Name, "path", t.pointer, "change", side.Change, "device", last.device),
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

// records returns the proposals as they are stored; none if nothing had to be
// written to bring everything back.
func (p *proposing) records(answer crdt.Hash) (all []store.Record) {
	if answer == (crdt.Hash{}) {
		return nil
	}
	for _, x := range p.list {
		x.record.Proposal.Answer = answer.String()
		records, err := conflict.Insert(x.record, []conflict.Value{x.side})
		if err != nil {
			panic(err) // the ops are those of changes, and the times those of the hub's clock
		}
		all = append(all, records...)
	}
	return all
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
