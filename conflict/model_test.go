package conflict

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"concord/crdt"
	"concord/fuzz/ledger"
	"concord/internal/id"
)

// model works out the records of a document from its changes alone, straight from
// the definition, by comparing everything with everything.
type model struct {
	doc       id.DocumentID
	changes   []*crdt.Change
	ancestors []map[int]bool
	writes    []*modelWrite
	kinds     map[crdt.OpID]crdt.Action
	places    map[crdt.OpID]modelPlace // of objects
	content   *crdt.OpSet              // for paths alone
}

type modelPlace struct {
	obj crdt.OpID
	key crdt.Key
}

type modelWrite struct {
	crdt.Op
	change, n int
	at        modelPlace
}

// records lists the records of a history, dependencies first.
func modelRecords(doc id.DocumentID, changes []*crdt.Change) []ledger.Record {
	m := &model{doc: doc, changes: changes, kinds: map[crdt.OpID]crdt.Action{{}: crdt.ActionMakeMap}, places: map[crdt.OpID]modelPlace{}, content: crdt.NewOpSet()}
	m.read()
	var records []ledger.Record
	byPlace := map[modelPlace][]*modelWrite{}
	for _, w := range m.writes {
		if m.kinds[w.Obj] != crdt.ActionMakeText {
			byPlace[w.at] = append(byPlace[w.at], w)
		}
	}
	for at, writes := range byPlace {
		records = append(records, m.episodes(at, writes)...)
	}
	for obj := range m.places {
		if r, ok := m.lostEdit(obj, byPlace); ok {
			records = append(records, r)
		}
	}
	return records
}

func (m *model) read() {
	index := map[crdt.Hash]int{}
	for i, c := range m.changes {
		index[c.Hash] = i
		all := map[int]bool{}
		for _, d := range c.Deps {
			all[index[d]] = true
			for a := range m.ancestors[index[d]] {
				all[a] = true
			}
		}
		m.ancestors = append(m.ancestors, all)
		n := 0
		for op := range c.Ops() {
			at := modelPlace{op.Obj, op.Key}
			if op.Insert {
				at.key = crdt.ElemKey(op.ID)
			}
			switch op.Action {
			case crdt.ActionMakeList, crdt.ActionMakeMap, crdt.ActionMakeText, crdt.ActionMakeTable:
				m.kinds[op.ID], m.places[op.ID] = op.Action, at
			}
			m.writes = append(m.writes, &modelWrite{op, i, n, at})
			n++
		}
		if err := m.content.Apply(c, nil); err != nil {
			panic(err)
		}
	}
}

func (m *model) less(u, v *modelWrite) bool {
	if u.change == v.change {
		return u.n < v.n
	}
	return m.ancestors[v.change][u.change]
}

func (m *model) concurrent(u, v *modelWrite) bool { return u != v && !m.less(u, v) && !m.less(v, u) }

func byID(a, b *modelWrite) int { return a.ID.Compare(b.ID) }

func (m *model) episodes(at modelPlace, writes []*modelWrite) (records []ledger.Record) {
	component := map[*modelWrite]int{}
	var parts [][]*modelWrite
	for _, w := range writes {
		if _, ok := component[w]; ok {
			continue
		}
		part := []*modelWrite{w}
		component[w] = len(parts)
		for i := 0; i < len(part); i++ {
			for _, v := range writes {
				if _, ok := component[v]; !ok && m.concurrent(part[i], v) {
					component[v] = len(parts)
					part = append(part, v)
				}
			}
		}
		slices.SortFunc(part, byID)
		parts = append(parts, part)
	}
	slices.SortFunc(parts, func(a, b []*modelWrite) int { return byID(a[0], b[0]) })
	var before []*modelWrite
	for i, part := range parts {
		var root []*modelWrite
		if i > 0 {
			root = m.maximal(parts[i-1])
		}
		r := ledger.Record{Kind: "delete-update", Before: shownOf(before), Root: ids(root)}
		before = append(before, part...)
		r.Winner = shownOf(before)
		var values []*modelWrite
		for _, u := range part {
			differs := false
			for _, v := range part {
				if m.concurrent(u, v) && modelDiffer(u, v) {
					differs = true
					if u.Action != crdt.ActionDelete && v.Action != crdt.ActionDelete {
						r.Kind = "update-update"
					}
				}
			}
			if differs {
				values = append(values, u)
			}
		}
		if len(values) == 0 {
			continue
		}
		m.fill(&r, "conflict", at, values)
		if r.Status == "open" && i+1 < len(parts) {
			r.Status, r.Closer = "superseded", parts[i+1][0].ID.String()
		}
		records = append(records, r)
	}
	return records
}

func (m *model) maximal(part []*modelWrite) (top []*modelWrite) {
	for _, u := range part {
		if !slices.ContainsFunc(part, func(v *modelWrite) bool { return m.less(u, v) }) {
			top = append(top, u)
		}
	}
	return top
}

func ids(writes []*modelWrite) []string {
	texts := []string{}
	for _, w := range writes {
		texts = append(texts, w.ID.String())
	}
	return texts
}

// shownOf returns the value that is shown after some writes at one place.
func shownOf(writes []*modelWrite) string {
	var best *modelWrite
	for _, w := range writes {
		hidden := w.Action == crdt.ActionDelete || w.Action == crdt.ActionIncrement
		for _, by := range writes {
			if slices.Contains(by.Preds, w.ID) && (by.Action != crdt.ActionIncrement || w.Value.Code() != crdt.ValueCounter) {
				hidden = true
			}
		}
		if !hidden && (best == nil || byID(best, w) < 0) {
			best = w
		}
	}
	if best == nil {
		return ""
	}
	return best.ID.String()
}

func modelDiffer(u, v *modelWrite) bool {
	return differ(crdt.Write{Action: u.Action, Value: u.Value}, crdt.Write{Action: v.Action, Value: v.Value})
}

// fill fills in what all kinds have. values are ascending.
func (m *model) fill(r *ledger.Record, prefix string, at modelPlace, values []*modelWrite) {
	r.Object = ledger.OpText(at.obj)
	key := "k" + at.key.Name
	r.Key = at.key.Name
	if at.key.IsElem {
		r.Elem = at.key.Elem.String()
		key = "e" + r.Elem
	}
	hash := sha256.New()
	hash.Write([]byte(prefix + "\x00" + string(m.doc[:]) + r.Object + "\x00" + key + "\x00"))
	for _, op := range r.Root {
		hash.Write([]byte(op + "\x00"))
	}
	r.ID = hex.EncodeToString(hash.Sum(nil)[:16])
	r.Field, _ = m.content.View().FieldPath(at.obj, at.key)
	r.Values = make([]ledger.Value, len(values))
	for i, w := range values {
		r.Values[i] = ledger.Value{Op: w.ID.String(), Action: w.Action.String()}
		if w.Action == crdt.ActionSet || w.Action == crdt.ActionIncrement || w.Action == crdt.ActionMark {
			r.Values[i].Value = w.Value.AppendJSON(nil)
		}
	}
	r.Status = "open"
	var closer *crdt.Change
	for i, c := range m.changes {
		covers := !slices.ContainsFunc(values, func(w *modelWrite) bool { return w.change != i && !m.ancestors[i][w.change] })
		if covers && strings.HasPrefix(c.Message, "Resolve conflict "+r.ID) && (closer == nil ||
			cmp.Or(cmp.Compare(c.StartOp, closer.StartOp), strings.Compare(string(c.Actor), string(closer.Actor)), cmp.Compare(c.Seq, closer.Seq)) < 0) {
			closer = c
			r.Status, r.Closer = "resolved", c.Hash.String()
		}
	}
}

func (m *model) lostEdit(obj crdt.OpID, byPlace map[modelPlace][]*modelWrite) (ledger.Record, bool) {
	at := m.places[obj]
	if m.kinds[obj] == crdt.ActionMakeTable || m.kinds[at.obj] == crdt.ActionMakeText {
		return ledger.Record{}, false
	}
	type key struct {
		change int
		at     modelPlace
	}
	values, edits := map[crdt.OpID]*modelWrite{}, map[key]*modelWrite{}
	for _, r := range byPlace[at] {
		if r.Action == crdt.ActionIncrement || !slices.Contains(r.Preds, obj) {
			continue
		}
		for _, w := range m.writes {
			if !m.within(w.Obj, obj) || !m.concurrent(r, w) {
				continue
			}
			values[r.ID] = r
			k := key{w.change, w.at}
			if m.kinds[w.Obj] == crdt.ActionMakeText {
				k.at.key = crdt.Key{}
			}
			if last := edits[k]; last == nil || byID(last, w) < 0 {
				edits[k] = w
			}
		}
	}
	if len(values) == 0 {
		return ledger.Record{}, false
	}
	for _, w := range edits {
		values[w.ID] = w
	}
	var list []*modelWrite
	for _, w := range values {
		list = append(list, w)
	}
	slices.SortFunc(list, byID)
	r := ledger.Record{Kind: "lost-edit", Before: obj.String(), Root: []string{obj.String()}}
	m.fill(&r, "lost-edit", at, list)
	if r.Status != "open" {
		return r, true
	}
	var closer *modelWrite
	for _, w := range byPlace[at] {
		after := !slices.ContainsFunc(list, func(v *modelWrite) bool { return !m.less(v, w) })
		if after && (closer == nil || byID(w, closer) < 0) {
			closer = w
			r.Status, r.Closer = "superseded", w.ID.String()
		}
	}
	return r, true
}

// within reports whether an object is another or inside it.
func (m *model) within(obj, around crdt.OpID) bool {
	for obj != around {
		at, ok := m.places[obj]
		if !ok {
			return false
		}
		obj = at.obj
	}
	return true
}
