package guard

import (
	"slices"
	"time"

	"concord/crdt"
	"concord/internal/rules"
	"concord/sync/hub"
)

// applied is what is kept of a change that broke a rule.
type applied struct {
	index        int
	docType      string
	change       crdt.Hash
	op           crdt.OpID // its first
	user, device string
	received     time.Time
	claimed      time.Time
}

func lastApplied(a hub.Applied) applied {
	return applied{
		index: a.Index, docType: a.Type, change: a.Change.Hash,
		op: crdt.OpID{Counter: a.Change.StartOp, Actor: a.Change.Actor}, user: a.User, device: a.Device,
		received: a.Received, claimed: claimed(a.Change.Time),
	}
}

// claimed returns the time that a change names, zero if it names none that can be
// written.
func claimed(seconds int64) time.Time {
	const lastYear = 253_402_300_799 // 9999-12-31T23:59:59Z
	if seconds <= 0 || seconds > lastYear {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// Answer returns what brings the places back at which rules were broken. A place
// whose content is what it was isn't mentioned: later changes have undone it.
func (j *judge) Answer([]hub.Violation) *hub.Answer {
	if len(j.broken) == 0 {
		return nil
	}
	now := j.content.View()
	for _, b := range j.broken {
		b.way = b.standing(now)
	}
	var targets []target
	var broken []*breach
	for _, b := range disjoint(j.broken) {
		if t, ok := b.target(now); ok {
			targets, broken = append(targets, t), append(broken, b)
		}
	}
	if len(targets) == 0 {
		return nil
	}
	p := &proposing{
		company: j.company, ref: j.ref, document: j.document, graph: j.graph, content: j.content, now: now, wanted: texts(j.graph.StagedHeads()),
	}
	goals := make([]goal, len(targets))
	for i := range targets {
		goals[i] = targets[i].goal
		p.add(broken[i], &targets[i])
	}
	j.proposed = p
	return &hub.Answer{
		Message: cut("Guard: "+names(broken), maxMessage),
		Write:   func(tx *crdt.Tx) error { return bring(tx, now, goals) },
		Records: p.records,
		Audit:   p.audit,
	}
}

const maxMessage = 256 // bytes

// standing returns the way to the nearest place around a breach whose object is
// there in both states.
func (b *breach) standing(now crdt.View) []step {
	way := b.way
	for n := len(way); n > 0; n-- {
		if obj := way[n-1].object; b.base.Reach(obj) == crdt.Shown && now.Reach(obj) == crdt.Shown {
			return way[:n]
		}
	}
	return nil
}

// target is a place to be brought back.
type target struct {
	goal
	pointer, field string

	guarded crdt.Item // what the place has to be
	has     bool      // and whether it is to be there at all
	wanted  crdt.Item // what it has become
	wants   bool
}

// target returns how to bring a place back; false if nothing has to be done.
func (b *breach) target(now crdt.View) (t target, ok bool) {
	t.goal = goal{b.way, b.base}
	t.guarded, t.has = itemAt(b.base, b.way)
	t.wanted, t.wants = itemAt(now, b.way)
	if t.has == t.wants && (!t.has || slices.Equal(rules.AppendContent(nil, b.base, t.guarded), rules.AppendContent(nil, now, t.wanted))) {
		return t, false
	}
	t.pointer, t.field = pathOf(now, b.way)
	if t.has && !t.wants {
		t.pointer, t.field = pathOf(b.base, b.way)
	}
	return t, true
}

func itemAt(v crdt.View, way []step) (crdt.Item, bool) {
	if len(way) == 0 {
		return v.Root(), true
	}
	s := way[len(way)-1]
	if !s.key.IsElem {
		return v.Field(s.object, s.key.Name)
	}
	values := v.Conflicts(s.object, s.key)
	if len(values) == 0 {
		return crdt.Item{}, false
	}
	return values[len(values)-1], true
}

// pathOf returns the JSON Pointer of a place, and its field.
func pathOf(v crdt.View, way []step) (pointer, field string) {
	if len(way) == 0 {
		return "", ""
	}
	s := way[len(way)-1]
	pointer, _ = v.Path(s.object, s.key)
	field, _ = v.FieldPath(s.object, s.key)
	return pointer, field
}

// texts returns hashes in hex.
func texts(hashes []crdt.Hash) []string {
	all := make([]string, len(hashes))
	for i, h := range hashes {
		all[i] = h.String()
	}
	return all
}
