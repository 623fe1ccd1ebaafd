package crdt

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// madeOps holds the ops of some changes as the changes tell them.
type madeOps struct {
	places  map[PlaceKey][]Op // ascending
	makes   map[OpID]Op
	removed map[OpID][]OpID // by what they removed; ascending
}

func opsOf(changes []*Change) madeOps {
	m := madeOps{make(map[PlaceKey][]Op), make(map[OpID]Op), make(map[OpID][]OpID)}
	for _, c := range changes {
		for op := range c.Ops() {
			p := placeKeyOf(op)
			m.places[p] = append(m.places[p], op)
			switch op.Action {
			case ActionMakeMap, ActionMakeList, ActionMakeText:
				m.makes[op.ID] = op
			case ActionIncrement:
				continue
			}
			for _, pred := range op.Preds {
				m.removed[pred] = append(m.removed[pred], op.ID)
			}
		}
	}
	for _, ops := range m.places {
		slices.SortFunc(ops, func(a, b Op) int { return a.ID.Compare(b.ID) })
	}
	for _, ids := range m.removed {
		slices.SortFunc(ids, OpID.Compare)
	}
	return m
}

func placeKeyOf(op Op) PlaceKey {
	if op.Insert {
		return PlaceKey{op.Obj, ElemKey(op.ID)}
	}
	return PlaceKey{op.Obj, op.Key}
}

// writes returns what Writes should yield, and with marks what Within should.
func (m madeOps) writes(p PlaceKey, from uint32, marks bool) []Write {
	var writes []Write
	for _, op := range m.places[p] {
		if op.ID.Counter >= from && (marks || op.Action != ActionMark) {
			writes = append(writes, Write{op.ID, op.Action, op.Value})
		}
	}
	return writes
}

// inside reports whether an object is another one or in it.
func (m madeOps) inside(obj, other OpID) bool {
	for ; obj != other; obj = m.makes[obj].Obj {
		if obj.IsZero() {
			return false
		}
	}
	return true
}

func collectWrites(seq iter.Seq[Write]) (all []Write) {
	for w := range seq {
		w.Value = w.Value.Clone()
		all = append(all, w)
	}
	return all
}

// TestWritesAgainstChanges compares what an op set says of the ops at a place,
// in an object and around it with the changes that made them.
func TestWritesAgainstChanges(t *testing.T) {
	rng := newRand(t)
	for range 60 {
		h := newRandomHistory(t, rng)
		for range 25 {
			h.add(t, h.next(t), nil)
		}
		m := opsOf(h.changes)
		d := New()
		d.SetActor("any")
		if err := d.Apply(h.changes...); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*OpSet{h.ops, applyAll(t, otherOrder(rng, h.changes)), load(t, d.Save()).ops} {
			compareWrites(t, rng, s, m, h.graph.MaxOp())
		}
	}
}

func compareWrites(t *testing.T, rng *rand.Rand, s *OpSet, m madeOps, top uint32) {
	t.Helper()
	for p := range m.places {
		from := uint32(rng.IntN(int(top) + 2))
		if diff := cmp.Diff(m.writes(p, from, false), collectWrites(s.Writes(p.Object, p.Key, from))); diff != "" {
			t.Fatalf("writes at %v from %d: %s", p, from, diff)
		}
	}
	objects := append(slices.Collect(maps.Keys(m.makes)), Root)
	for _, obj := range objects {
		from := uint32(rng.IntN(int(top) + 2))
		want, got := make(map[PlaceKey][]Write), make(map[PlaceKey][]Write)
		for p := range m.places {
			if w := m.writes(p, from, true); m.inside(p.Object, obj) && len(w) > 0 {
				want[p] = w
			}
		}
		for p, w := range s.Within(obj, from) {
			w.Value = w.Value.Clone()
			got[p] = append(got[p], w)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("within %s from %d: %s", obj, from, diff)
		}
		compareObject(t, s, m, obj)
	}
	if _, ok := s.KindOf(OpID{top + 1, "x"}); ok {
		t.Error("an unknown object has a kind")
	}
}

func compareObject(t *testing.T, s *OpSet, m madeOps, obj OpID) {
	t.Helper()
	made := m.makes[obj]
	parent, key, ok := s.Place(obj)
	if want := placeKeyOf(made); ok == obj.IsZero() || ok && (PlaceKey{parent, key} != want) {
		t.Fatalf("%s hangs at %v in %s, %t, want %v", obj, key, parent, ok, want)
	}
	if kind, ok := s.KindOf(obj); !ok || kind != made.Action.kind() {
		t.Fatalf("%s is a %s, %t, want %s", obj, kind, ok, made.Action)
	}
	if obj.IsZero() {
		return
	}
	if diff := cmp.Diff(m.removed[obj], slices.Collect(s.Removals(obj))); diff != "" {
		t.Fatalf("removals of %s: %s", obj, diff)
	}
	var tokens []string
	for at := obj; !at.IsZero(); at = m.makes[at].Obj {
		token := m.makes[at].Key.Name
		if m.makes[at].Key.IsElem {
			token = "*"
		}
		tokens = append(tokens, token)
	}
	slices.Reverse(tokens)
	if got, ok := s.View().FieldPath(parent, key); !ok || got != "/"+strings.Join(tokens, "/") {
		t.Fatalf("%s is at %s, %t, want %v", obj, got, ok, tokens)
	}
}

// hammered returns the changes of some people who write one field again and
// again, mostly without having seen each other's last writes.
func hammered(tb testing.TB, rng *rand.Rand, n int) []*Change {
	tb.Helper()
	h := &randomHistory{testDoc: newTestDoc(tb), rng: rng, seqs: make(map[ActorID]uint32)}
	last := make(map[ActorID]*Change)
	for range n {
		actor := ActorID([]byte{byte('a' + rng.IntN(3))})
		w := opMaker{rng: rng, actor: actor, seen: h.ops, next: h.graph.MaxOp() + 1}
		heads := h.graph.Heads()
		if c := last[actor]; c != nil && rng.IntN(4) > 0 {
			heads = []Hash{c.Hash}
			w.next = c.MaxOp() + 1
		}
		h.seqs[actor]++
		op := Op{Action: []Action{ActionSet, ActionSet, ActionSet, ActionDelete}[rng.IntN(4)], Key: MapKey("field")}
		for _, item := range h.at(tb, heads).Conflicts(Root, op.Key) {
			op.Preds = append(op.Preds, item.ID)
		}
		if op.Action == ActionDelete && len(op.Preds) == 0 {
			op.Action = ActionSet
		}
		if op.Action == ActionSet {
			op.Value = StringValue(fmt.Sprint(w.next))
		}
		c, err := EncodeChange(ChangeMeta{Deps: heads, Actor: actor, Seq: h.seqs[actor], StartOp: w.next}, []Op{op})
		if err != nil {
			tb.Fatal(err)
		}
		h.add(tb, c, nil)
		last[actor] = c
	}
	return h.changes
}

// TestWritesOfAHotField reads cells of several blocks.
func TestWritesOfAHotField(t *testing.T) {
	rng := newRand(t)
	for range 3 {
		changes := hammered(t, rng, 400)
		m := opsOf(changes)
		d := New()
		if err := d.Apply(changes...); err != nil {
			t.Fatal(err)
		}
		p := PlaceKey{Root, MapKey("field")}
		for _, s := range []*OpSet{applyAll(t, changes), applyAll(t, otherOrder(rng, changes)), load(t, d.Save()).ops} {
			if blocks := len(s.entries[0].cell.many.blocks); blocks < 5 {
				t.Fatalf("only %d blocks", blocks)
			}
			for range 50 {
				from := uint32(rng.IntN(int(d.graph.MaxOp()) + 2))
				if diff := cmp.Diff(m.writes(p, from, false), collectWrites(s.Writes(Root, p.Key, from))); diff != "" {
					t.Fatalf("from %d: %s", from, diff)
				}
			}
		}
	}
}

// TestWritesOfALateBranch lets a device's writes come after those of another
// one, which they stand between.
func TestWritesOfALateBranch(t *testing.T) {
	const length = 150
	var changes []*Change
	for _, actor := range []ActorID{"a", "b"} {
		var deps []Hash
		var preds []OpID
		for n := uint32(1); n <= length; n++ {
			op := Op{Action: ActionSet, Key: MapKey("field"), Value: IntValue(int64(n)), Preds: preds}
			c, err := EncodeChange(ChangeMeta{Deps: deps, Actor: actor, Seq: n, StartOp: n}, []Op{op})
			if err != nil {
				t.Fatal(err)
			}
			changes, deps, preds = append(changes, c), []Hash{c.Hash}, []OpID{{n, actor}}
		}
	}
	s := applyAll(t, changes[:length])
	for i, c := range changes[length:] {
		if err := s.Apply(c, nil); err != nil {
			t.Fatal(err)
		}
		if i%9 > 0 {
			continue
		}
		m := opsOf(changes[:length+i+1])
		for from := uint32(0); from <= length+1; from += 5 {
			p := PlaceKey{Root, MapKey("field")}
			if diff := cmp.Diff(m.writes(p, from, false), collectWrites(s.Writes(Root, p.Key, from))); diff != "" {
				t.Fatalf("from %d after %d: %s", from, i, diff)
			}
		}
	}
}

func TestWithinABackspacedText(t *testing.T) {
	d := editable(t, "a")
	mustUpdate(t, d, map[string]any{"t": "hello, world"})
	text, _ := d.View().Field(Root, "t")
	var changes []*Change
	for n := 12; n > 2; n-- {
		changes = append(changes, mustEdit(t, d, func(tx *Tx) error { return tx.SpliceText(text.ID, n-1, 1, "") }))
	}
	for i, c := range changes {
		n := 0
		for range d.ops.Within(text.ID, c.StartOp) {
			n++
		}
		if want := len(changes) - i; n != want {
			t.Errorf("%d ops from %d on, want %d", n, c.StartOp, want)
		}
	}
}

// BenchmarkWrites reads the newest writes of a field with a history.
func BenchmarkWrites(b *testing.B) {
	for _, history := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("history=%d", history), func(b *testing.B) {
			s := applyAll(b, hammered(b, rand.New(rand.NewPCG(1, 1)), history))
			key, top := MapKey("field"), uint32(0)
			for w := range s.Writes(Root, key, 0) {
				top = max(top, w.ID.Counter)
			}
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for range s.Writes(Root, key, top) {
					n++
				}
				if n == 0 {
					b.Fatal("nothing")
				}
			}
		})
	}
}
