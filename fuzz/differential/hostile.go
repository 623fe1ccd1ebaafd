package differential

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"concord/crdt"
	"concord/fuzz/history"
)

// attacker makes changes that are mostly wrong, on top of a history, and keeps
// those that the gate accepts.
type attacker struct {
	rng      *rand.Rand
	doc      document
	accepted []*crdt.Change
	refused  map[crdt.Reason]int

	actors []crdt.ActorID
	ids    []crdt.OpID // of all ops, and some of none
	keys   []crdt.Key
	models []crdt.Op // to begin with
}

// attack extends a history by what the gate accepts of so many tries. Each
// refusal has to leave the document as it was.
func attack(rng *rand.Rand, h *history.History, tries int) (*history.History, map[crdt.Reason]int, error) {
	a := attacker{rng: rng, refused: map[crdt.Reason]int{}, ids: []crdt.OpID{{}, {}, {}}}
	if err := a.doc.read(h.Changes, h.InOrder(rng), nil); err != nil {
		return nil, nil, err
	}
	for _, c := range h.Changes {
		a.add(c)
	}
	for range tries {
		if err := a.try(); err != nil {
			return nil, nil, err
		}
	}
	extended := &history.History{Changes: a.accepted, Oddities: h.Oddities | beyondGo}
	var fresh document
	if err := fresh.read(extended.Changes, extended.InOrder(rng), nil); err != nil {
		return nil, nil, fmt.Errorf("accepted one by one, but not again: %w", err)
	}
	if err := a.doc.describe(nil); err != nil {
		return nil, nil, err
	}
	return extended, a.refused, differ(compareText(a.doc.dump, fresh.dump), "refusals leave traces")
}

// add makes a change part of what later ones can refer to.
func (a *attacker) add(c *crdt.Change) {
	a.accepted = append(a.accepted, c)
	if !slices.Contains(a.actors, c.Actor) {
		a.actors = append(a.actors, c.Actor)
	}
	for op := range c.Ops() {
		a.ids = append(a.ids, op.ID)
		a.keys = append(a.keys, op.Key, crdt.ElemKey(op.ID))
		a.models = append(a.models, op)
	}
}

// try makes one change and has the gate judge it.
func (a *attacker) try() error {
	c, err := a.change()
	if err == nil {
		var applied bool
		if applied, err = a.judge(c); err == nil && applied {
			a.add(c)
			return nil
		}
	}
	var refusal *crdt.RefusalError
	switch {
	case err == nil: // known, or waits for others
		return nil
	case !errors.As(err, &refusal):
		return fmt.Errorf("refused without a reason: %w", err)
	}
	a.refused[refusal.Reason]++
	return nil
}

// judge reports whether a change has become part of the document.
func (a *attacker) judge(c *crdt.Change) (bool, error) {
	known := a.doc.doc.Has(c.Hash)
	err := a.doc.doc.Apply(c)
	return !known && a.doc.doc.Has(c.Hash), err
}

// change makes a change that would be right, with something wrong in it.
func (a *attacker) change() (*crdt.Change, error) {
	meta := crdt.ChangeMeta{
		Deps: slices.Clone(a.doc.doc.Heads()), Actor: a.actors[a.rng.IntN(len(a.actors))], StartOp: 1, Seq: 1,
	}
	for _, c := range a.accepted {
		meta.StartOp = max(meta.StartOp, c.MaxOp()+1)
		if c.Actor == meta.Actor {
			meta.Seq = c.Seq + 1
		}
	}
	if a.rng.IntN(4) == 0 {
		meta.Actor, meta.Seq = crdt.ActorID([]byte{byte(a.rng.IntN(256)), 7}), 1
	}
	if a.rng.IntN(6) == 0 {
		a.spoilMeta(&meta)
	}
	ops := make([]crdt.Op, 1+a.rng.IntN(3))
	for i := range ops {
		ops[i] = a.op(crdt.OpID{Counter: meta.StartOp + uint32(i), Actor: meta.Actor})
	}
	c, err := crdt.EncodeChange(meta, ops)
	if err == nil && a.rng.IntN(6) == 0 {
		return a.garble(c)
	}
	return c, err
}

func (a *attacker) spoilMeta(m *crdt.ChangeMeta) {
	switch a.rng.IntN(5) {
	case 0:
		m.Seq += uint32(a.rng.IntN(3) - 1)
	case 1:
		m.StartOp = []uint32{0, 1, m.StartOp - 1, m.StartOp + 1, m.StartOp + 5, 1 << 16, 1 << 31, 1<<32 - 1}[a.rng.IntN(8)]
	case 2:
		m.Deps = nil
	case 3:
		m.Deps = []crdt.Hash{a.accepted[a.rng.IntN(len(a.accepted))].Hash}
	case 4:
		m.Deps = append(m.Deps, m.Deps...)
	}
}

// op repeats an earlier op as if it were to be done again, with fields of
// others in it.
func (a *attacker) op(id crdt.OpID) crdt.Op {
	a.ids[0] = id // refers to itself
	op := a.model()
	op.Preds = slices.Clone(op.Preds)
	switch {
	case op.Insert || a.rng.IntN(3) == 0:
		op.Preds = nil
	case a.rng.IntN(3) == 0:
		op.Preds = []crdt.OpID{op.ID}
	}
	for range a.rng.IntN(4) {
		a.spoil(&op)
	}
	if a.rng.IntN(8) > 0 {
		slices.SortFunc(op.Preds, crdt.OpID.Compare)
	}
	return op
}

func (a *attacker) model() crdt.Op { return a.models[a.rng.IntN(len(a.models))] }

func (a *attacker) id() crdt.OpID {
	id := a.ids[a.rng.IntN(len(a.ids))]
	if a.rng.IntN(10) == 0 {
		id.Counter += uint32(a.rng.IntN(5) - 2)
	}
	if a.rng.IntN(10) == 0 {
		id.Actor = a.actors[a.rng.IntN(len(a.actors))]
	}
	return id
}

func (a *attacker) spoil(op *crdt.Op) {
	other := a.model()
	switch a.rng.IntN(12) {
	case 0:
		op.Obj = a.id()
	case 1:
		op.Obj, op.Key = other.Obj, other.Key
	case 2:
		op.Key = a.keys[a.rng.IntN(len(a.keys))]
	case 3:
		op.Key = crdt.ElemKey(a.id())
	case 4:
		op.Insert = !op.Insert
	case 5:
		op.Action, op.Value = crdt.Action(a.rng.IntN(8)), crdt.NullValue()
	case 6:
		op.Action, op.Value = other.Action, other.Value
		op.HasMarkName, op.MarkName, op.Expand = other.HasMarkName, other.MarkName, other.Expand
	case 7, 8:
		op.Preds = append(op.Preds, a.id())
	case 9:
		op.Preds = other.Preds
	case 10:
		op.Obj, op.Key, op.Preds = other.Obj, other.Key, []crdt.OpID{other.ID}
	case 11:
		op.HasMarkName, op.MarkName = a.rng.IntN(2) == 0, "bold"
		op.Expand = a.rng.IntN(2) == 0
	}
}

// garble changes single bytes of a change and makes its checksum right again.
func (a *attacker) garble(c *crdt.Change) (*crdt.Change, error) {
	b := slices.Clone(c.Bytes())
	for range 1 + a.rng.IntN(2) {
		b[9+a.rng.IntN(len(b)-9)] = byte(a.rng.Uint32() >> a.rng.IntN(8))
	}
	hash := sha256.Sum256(b[8:])
	copy(b[4:8], hash[:])
	return crdt.ParseChange(b, crdt.Limits{})
}
