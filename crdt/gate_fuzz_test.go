package crdt

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzGate lets up to four actors write changes of arbitrary ops, most of them
// almost right. What the whole gate accepts must save to a document that loads
// as the same content, and what it refuses must leave no trace.
func FuzzGate(f *testing.F) {
	rng := newRand(f)
	for range 40 {
		program := make([]byte, 400)
		for i := range program {
			program[i] = byte(rng.IntN(256))
		}
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 2000 {
			return
		}
		m := gateMachine{program: program, graph: NewGraph(), ops: NewOpSet(), ids: []OpID{{}}}
		for len(m.program) > 0 && len(m.accepted) < 50 {
			m.step(t)
		}
		if len(m.accepted) > 0 {
			m.check(t)
		}
	})
}

type gateMachine struct {
	program  []byte
	graph    *Graph
	ops      *OpSet
	accepted []*Change
	ids      []OpID // of accepted ops and some others; the first is zero
	objects  []OpID
}

var gateActors = []ActorID{"b", "a", "c", "\x00d"}

// byte takes the next instruction.
func (m *gateMachine) byte(n int) int {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return int(b) % n
}

// id returns an op, often a late one, which is likely to be an element.
func (m *gateMachine) id() OpID {
	if n := m.byte(8); n < 6 {
		return m.ids[max(0, len(m.ids)-1-n)]
	}
	return m.ids[m.byte(len(m.ids))]
}

func (m *gateMachine) step(t *testing.T) {
	meta := ChangeMeta{Actor: gateActors[m.byte(len(gateActors))], Seq: 1, StartOp: 1}
	var own []*Change
	for _, c := range m.accepted {
		if c.Actor == meta.Actor {
			own = append(own, c)
			meta.Seq = c.Seq + 1
		}
	}
	if m.byte(4) > 0 {
		meta.Deps = m.graph.StagedHeads()
	} else if len(own) > 0 {
		meta.Deps = []Hash{own[len(own)-1].Hash}
	}
	for _, d := range meta.Deps {
		i, _ := m.graph.index.find(m.graph.hashes, d)
		meta.StartOp = max(meta.StartOp, m.graph.maxOps[i]+1)
	}
	meta.StartOp += uint32(m.byte(12) / 10)
	ids, objects := len(m.ids), len(m.objects)
	var ops []Op
	for i := range m.byte(6) {
		op := m.op()
		op.ID = OpID{meta.StartOp + uint32(i), meta.Actor}
		m.ids = append(m.ids, op.ID)
		if op.Action.makesObject() {
			m.objects = append(m.objects, op.ID)
		}
		ops = append(ops, op)
	}
	c, err := EncodeChange(meta, ops)
	if err == nil {
		err = m.admit(t, c)
	}
	if err != nil {
		m.ids, m.objects = m.ids[:ids], m.objects[:objects]
		return
	}
	m.accepted = append(m.accepted, c)
}

func (m *gateMachine) op() Op {
	op := Op{Action: []Action{0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 1, 1, 1, 3}[m.byte(14)], Key: MapKey(string(rune('a' + m.byte(3))))}
	if m.byte(4) > 0 && len(m.objects) > 0 {
		op.Obj = m.objects[max(0, len(m.objects)-1-m.byte(4))]
		if m.byte(5) > 0 {
			op.Key = ElemKey(m.id())
			op.Insert = m.byte(3) > 0
		}
	}
	switch op.Action {
	case ActionSet:
		op.Value = []Value{IntValue(int64(m.byte(100))), StringValue("ä"), StringValue(""), CounterValue(3), NullValue(), Float64Value(1.5)}[m.byte(6)]
	case ActionIncrement:
		op.Value = IntValue(int64(m.byte(5)))
	case ActionMark:
		if op.HasMarkName = m.byte(2) == 0; op.HasMarkName {
			op.MarkName, op.Value, op.Expand = "m", BoolValue(true), m.byte(2) == 0
		}
	}
	if !op.Insert {
		for range m.byte(3) {
			if id := m.id(); !id.IsZero() {
				op.Preds = append(op.Preds, id)
			}
		}
		if m.byte(2) == 0 && op.Key.IsElem && !op.Key.Elem.IsZero() {
			op.Preds = append(op.Preds, op.Key.Elem)
		}
		slices.SortFunc(op.Preds, OpID.Compare)
		op.Preds = slices.Compact(op.Preds)
	}
	return op
}

func (m *gateMachine) admit(t *testing.T, c *Change) error {
	if err := m.graph.Check(c.Header()); err != nil {
		return err
	}
	before := rowTexts(t, m.ops)
	if err := m.ops.Apply(c, nil); err != nil {
		var refusal *RefusalError
		if !errors.As(err, &refusal) || refusal.Hash != c.Hash {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, rowTexts(t, m.ops)); d != "" {
			t.Fatal("a refused change left a trace:", d)
		}
		return err
	}
	_, err := m.graph.Append(c.Header())
	return err
}

// check saves and loads the document.
func (m *gateMachine) check(t *testing.T) {
	m.graph.Publish(m.graph.Staged())
	chunk, _, err := NextChunk(documentOf(t, m.graph, m.ops, m.accepted))
	if err != nil {
		t.Fatal(err)
	}
	var hashes []Hash
	loaded, _, err := chunk.ParseOpSet(Limits{}, func(c DocumentChange) error {
		hashes = append(hashes, c.Hash)
		return nil
	})
	if err != nil {
		t.Fatalf("the document doesn't load: %v", err)
	}
	for i, c := range m.accepted {
		if hashes[i] != c.Hash {
			t.Fatalf("change %d has hash %s, want %s", i, hashes[i], c.Hash)
		}
	}
	if d := cmp.Diff(rowTexts(t, m.ops), rowTexts(t, loaded)); d != "" {
		t.Fatal(d)
	}
}

// documentOf writes the document of changes that were applied in this order.
func documentOf(t *testing.T, g *Graph, s *OpSet, changes []*Change) []byte {
	t.Helper()
	actors := s.sortedActors()
	w := newDocumentWriter()
	if err := s.rows(actors, func(r *docRow) error { w.addRow(r); return nil }); err != nil {
		t.Fatal(err)
	}
	var headRows []uint32
	heads := g.Heads()
	for _, c := range changes {
		actor, _ := slices.BinarySearch(actors, c.Actor)
		row := changeRow{actor: uint32(actor), seq: c.Seq, maxOp: c.MaxOp(), time: c.Time, message: []byte(c.Message), extra: c.Extra}
		for _, d := range c.Deps {
			i, _ := g.Index(d)
			row.deps = append(row.deps, uint32(i))
		}
		w.addChange(&row)
	}
	for _, h := range heads {
		i, _ := g.Index(h)
		headRows = append(headRows, uint32(i))
	}
	return w.finish(actors, heads, headRows)
}
