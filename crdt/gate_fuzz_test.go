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
		m := gateMachine{program: program, graph: NewGraph(), ops: NewOpSet(), ids: []OpID{{}}, kinds: make(map[OpID]Action)}
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
	kinds    map[OpID]Action
	places   []gatePlace // of accepted ops that aren't deletions
}

// gatePlace is an op with its key or element.
type gatePlace struct {
	obj, id OpID
	key     Key
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
	ids, objects, places := len(m.ids), len(m.objects), len(m.places)
	var ops []Op
	for range m.byte(6) {
		next := OpID{meta.StartOp + uint32(len(ops)), meta.Actor}
		if m.byte(4) > 0 {
			ops = append(ops, m.rightOps(next)...)
		} else {
			ops = append(ops, m.op(next))
		}
		for i := len(m.ids) - ids; i < len(ops); i++ {
			m.note(OpID{meta.StartOp + uint32(i), meta.Actor}, &ops[i])
		}
	}
	c, err := EncodeChange(meta, ops)
	if err == nil {
		err = m.admit(t, c)
	}
	if err != nil {
		m.ids, m.objects, m.places = m.ids[:ids], m.objects[:objects], m.places[:places]
		return
	}
	m.accepted = append(m.accepted, c)
}

func (m *gateMachine) note(id OpID, op *Op) {
	m.ids = append(m.ids, id)
	if op.Action.makesObject() {
		m.objects = append(m.objects, id)
		m.kinds[id] = op.Action
	}
	key := op.Key
	if op.Insert {
		key = ElemKey(id)
	}
	if op.Action != ActionDelete {
		m.places = append(m.places, gatePlace{op.Obj, id, key})
	}
}

// rightOps returns ops of which most are acceptable, if the author knows all
// that was accepted: edits of a text or list, or of what has a value already.
func (m *gateMachine) rightOps(next OpID) []Op {
	if len(m.places) == 0 {
		return []Op{{Action: ActionMakeText, Key: MapKey("text")}}
	}
	if m.byte(10) == 0 { // an object inside one that is made after it
		parent := OpID{next.Counter + 1, next.Actor}
		inner := Op{Action: []Action{ActionMakeMap, ActionMakeText, ActionSet}[m.byte(3)], Obj: parent, Key: MapKey("k")}
		return []Op{inner, {Action: ActionMakeMap, Key: MapKey("outer")}}
	}
	p := m.places[m.byte(len(m.places))]
	if n := len(m.places); m.byte(2) == 0 {
		p = m.places[n-1-m.byte(min(n, 20))]
	}
	if kind := m.kinds[p.id]; kind == ActionMakeText || kind == ActionMakeList {
		return m.typed(p.id, OpID{}, next)
	}
	if p.key.IsElem && m.byte(2) == 0 {
		return m.typed(p.obj, p.key.Elem, next)
	}
	op := Op{Action: []Action{ActionSet, ActionDelete, ActionDelete, ActionIncrement, ActionMakeMap}[m.byte(5)], Obj: p.obj, Key: p.key}
	m.value(&op)
	all := m.byte(3) == 0
	for _, other := range m.places {
		if other.obj == p.obj && other.key == p.key && (all || other.id == p.id) {
			op.Preds = append(op.Preds, other.id)
		}
	}
	slices.SortFunc(op.Preds, OpID.Compare)
	return []Op{op}
}

// typed returns inserts one after the other, deletions of them from either end,
// or a mark around them.
func (m *gateMachine) typed(obj, after, next OpID) (ops []Op) {
	first := next
	n := 1 + m.byte(20)
	for i := range n {
		op := Op{Action: ActionSet, Obj: obj, Key: ElemKey(after), Insert: true, Value: StringValue("x")}
		if m.kinds[obj] == ActionMakeText && m.byte(10) == 0 {
			op = Op{Action: ActionMark, Obj: obj, Key: op.Key, Insert: true, HasMarkName: true, MarkName: "m", Value: IntValue(int64(i))}
		} else if len(ops) > 0 && ops[len(ops)-1].Action == ActionMark && ops[len(ops)-1].HasMarkName {
			op = Op{Action: ActionMark, Obj: obj, Key: op.Key, Insert: true, Expand: m.byte(2) == 0}
			if at := m.places[m.byte(len(m.places))]; at.obj == obj && m.byte(2) == 0 {
				op.Key = at.key
			}
		}
		ops = append(ops, op)
		if m.byte(8) > 0 {
			after = next
		}
		next.Counter++
	}
	down := m.byte(2) == 0
	for i := range m.byte(n + 1) {
		elem := OpID{first.Counter + uint32(i), first.Actor}
		if down {
			elem.Counter = first.Counter + uint32(n-1-i)
		}
		ops = append(ops, Op{Action: ActionDelete, Obj: obj, Key: ElemKey(elem), Preds: []OpID{elem}})
	}
	return ops
}

// op returns an arbitrary op.
func (m *gateMachine) op(next OpID) Op {
	op := Op{Action: []Action{0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 1, 1, 1, 3}[m.byte(14)], Key: MapKey(string(rune('a' + m.byte(3))))}
	if m.byte(4) > 0 && len(m.objects) > 0 {
		op.Obj = m.objects[max(0, len(m.objects)-1-m.byte(4))]
		if m.byte(5) > 0 {
			op.Key = ElemKey(m.id())
			op.Insert = m.byte(3) > 0
		}
	}
	if m.byte(8) == 0 { // an object that a later op makes, or this one
		op.Obj = OpID{next.Counter + uint32(m.byte(4)), next.Actor}
	}
	m.value(&op)
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

// value gives an op a value that fits its action.
func (m *gateMachine) value(op *Op) {
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
	for _, s := range []*OpSet{m.ops, loaded} {
		for i := range s.objects {
			if list := s.objects[i].list; list != nil {
				checkSequence(t, s, list)
			}
		}
	}
	m.compareViews(t, loaded)
}

// compareViews reads both op sets, at present and before the last changes.
func (m *gateMachine) compareViews(t *testing.T, loaded *OpSet) {
	t.Helper()
	last := m.accepted[len(m.accepted)-1-m.byte(len(m.accepted))]
	clock, err := m.graph.Clock([]Hash{last.Hash})
	if err != nil {
		t.Fatal(err)
	}
	all, err := m.graph.Clock(m.graph.Heads())
	if err != nil {
		t.Fatal(err)
	}
	now := m.ops.View()
	for _, views := range [][2]View{{now, loaded.View()}, {now, m.ops.At(all)}, {m.ops.At(clock), loaded.At(clock)}} {
		for _, obj := range append([]OpID{{}}, m.objects...) {
			a, b := views[0], views[1]
			if got, want := string(b.AppendTypedJSON(nil, obj)), string(a.AppendTypedJSON(nil, obj)); got != want {
				t.Fatalf("object %s is %s, want %s", obj, got, want)
			}
			if got, want := b.Len(obj), a.Len(obj); got != want {
				t.Fatalf("object %s has length %d, want %d", obj, got, want)
			}
			if d := cmp.Diff(slices.Collect(a.Spans(obj)), slices.Collect(b.Spans(obj)), cmp.AllowUnexported(Value{})); d != "" {
				t.Fatal(d)
			}
			for i := range m.places {
				if p := &m.places[i]; p.obj == obj {
					if d := cmp.Diff(a.Conflicts(obj, p.key), b.Conflicts(obj, p.key), cmp.AllowUnexported(Value{})); d != "" {
						t.Fatal(d)
					}
				}
			}
		}
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
