package crdt

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readChanges returns the changes of a file of type 1 and 2 chunks.
func readChanges(tb testing.TB, path string) []*Change {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var changes []*Change
	for len(b) > 0 {
		chunk, rest, err := NextChunk(b)
		if err != nil {
			tb.Fatal(err)
		}
		c, err := chunk.ParseChange(Limits{})
		if err != nil {
			tb.Fatal(err)
		}
		changes, b = append(changes, c), rest
	}
	return changes
}

func applyAll(tb testing.TB, changes []*Change) *OpSet {
	tb.Helper()
	s := NewOpSet()
	for _, c := range changes {
		if err := s.Apply(c, nil); err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

func (s *OpSet) sortedActors() []ActorID {
	actors := slices.Clone(s.actors.ids)
	slices.Sort(actors)
	return actors
}

// rowText describes a row completely.
func rowText(actors []ActorID, r *docRow) string {
	name := func(l lamport) string {
		if l == 0 {
			return "0"
		}
		return OpID{l.counter(), actors[l.actor()]}.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s in %s ", name(r.id), name(r.obj))
	if r.isElem {
		fmt.Fprintf(&b, "at %s", name(r.elem))
	} else {
		fmt.Fprintf(&b, "key %q", r.key)
	}
	fmt.Fprintf(&b, " insert=%t %s %d %d %x expand=%t mark=%t %q succ", r.insert, r.action, r.value.code, r.value.num, r.value.raw, r.expand, r.hasMark, r.mark)
	for _, x := range r.succs {
		b.WriteString(" " + name(x))
	}
	return b.String()
}

func rowTexts(tb testing.TB, s *OpSet) []string {
	tb.Helper()
	actors := s.sortedActors()
	var texts []string
	if err := s.rows(actors, func(r *docRow) error {
		texts = append(texts, rowText(actors, r))
		return nil
	}); err != nil {
		tb.Fatal(err)
	}
	return texts
}

// codecFiles returns the files of whole histories.
func codecFiles(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/codec/*changes")
	if err != nil || len(files) == 0 {
		tb.Fatalf("files of changes: %v, %v", files, err)
	}
	return files
}

// TestOpSetKeepsEveryOp rebuilds the ops of each change from the rows alone.
func TestOpSetKeepsEveryOp(t *testing.T) {
	for _, file := range codecFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			changes := readChanges(t, file)
			s := applyAll(t, changes)
			got := opsOfRows(t, s)
			want := make(map[string]string)
			for _, c := range changes {
				for op := range c.Ops() {
					want[op.ID.String()] = opText(op)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func opText(op Op) string {
	key := op.Key.Elem.String()
	if !op.Key.IsElem {
		key = op.Key.Name
	}
	return fmt.Sprintf("%s %s %q %t %d %d %x %t %q %v", op.Action, op.Obj, key, op.Insert,
		op.Value.code, op.Value.num, op.Value.raw, op.Expand, op.MarkName, op.Preds)
}

// opsOfRows rebuilds all ops, deletions included.
func opsOfRows(t *testing.T, s *OpSet) map[string]string {
	t.Helper()
	actors := s.sortedActors()
	id := func(l lamport) OpID {
		if l == 0 {
			return OpID{}
		}
		return OpID{l.counter(), actors[l.actor()]}
	}
	ops := make(map[OpID]*Op)
	preds := make(map[OpID][]OpID)
	places := make(map[OpID]Op)
	if err := s.rows(actors, func(r *docRow) error {
		op := Op{ID: id(r.id), Action: r.action, Obj: id(r.obj), Insert: r.insert, Expand: r.expand, HasMarkName: r.hasMark, MarkName: string(r.mark)}
		op.Value = Value{r.value.code, r.value.num, bytes.Clone(r.value.raw)}
		op.Key = MapKey(string(r.key))
		place := Op{Action: ActionDelete, Obj: op.Obj, Key: op.Key}
		if r.isElem {
			op.Key = ElemKey(id(r.elem))
			place.Key = op.Key
			if r.insert {
				place.Key = ElemKey(op.ID)
			}
		}
		ops[op.ID] = &op
		for _, x := range r.succs {
			preds[id(x)] = append(preds[id(x)], op.ID)
			places[id(x)] = place
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for i, p := range preds {
		slices.SortFunc(p, OpID.Compare)
		if ops[i] == nil {
			del := places[i]
			ops[i] = &del
		}
		ops[i].Preds = p
	}
	for i, op := range ops {
		texts[i.String()] = opText(*op)
	}
	return texts
}

// TestOpSetOrderOfArrival applies histories in other orders.
func TestOpSetOrderOfArrival(t *testing.T) {
	for _, file := range codecFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			changes := readChanges(t, file)
			want := rowTexts(t, applyAll(t, changes))
			rng := newRand(t)
			for range 3 {
				if d := cmp.Diff(want, rowTexts(t, applyAll(t, otherOrder(rng, changes)))); d != "" {
					t.Fatal(d)
				}
			}
		})
	}
}

// TestOpSetFromRows builds op sets from rows and goes on with them.
func TestOpSetFromRows(t *testing.T) {
	for _, file := range codecFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			changes := readChanges(t, file)
			for _, n := range []int{len(changes), len(changes) / 2} {
				first := applyAll(t, changes[:n])
				actors := first.sortedActors()
				s, err := loadOpSet(actors, func(yield func(*docRow) error) error { return first.rows(actors, yield) })
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range changes[n:] {
					if err := s.Apply(c, nil); err != nil {
						t.Fatal(err)
					}
				}
				if d := cmp.Diff(rowTexts(t, applyAll(t, changes)), rowTexts(t, s)); d != "" {
					t.Fatalf("after %d changes from rows: %s", n, d)
				}
			}
		})
	}
}

// TestWholeGateAcceptance has graph and op set together decide.
func TestWholeGateAcceptance(t *testing.T) {
	for _, c := range readAcceptance(t) {
		t.Run(c.Name, func(t *testing.T) {
			g, o, s := NewGraph(), NewOrphans(OrphanLimits{}), NewOpSet()
			var refusal *RefusalError
			for _, text := range c.Chunks {
				ch, err := ParseChange(unhex(t, text), Limits{})
				if err == nil {
					err = admit(g, o, s, ch)
				}
				if errors.As(err, &refusal) {
					break
				}
				if err != nil && !errors.Is(err, ErrKnown) {
					t.Fatal(err)
				}
			}
			got := "accept"
			switch {
			case refusal != nil:
				got = "reject"
			case o.Len() > 0:
				got = "queue"
			}
			if got != c.Want {
				t.Errorf("%s, want %s: %v", got, c.Want, refusal)
			}
		})
	}
}

// admit passes a change, and the orphans that waited for it, through the whole gate.
func admit(g *Graph, o *Orphans, s *OpSet, c *Change) error {
	for queue := []*Change{c}; len(queue) > 0; queue = queue[1:] {
		err := g.Check(queue[0].Header())
		var missing *MissingDepsError
		if errors.As(err, &missing) {
			o.Add(queue[0], "peer", missing.Missing)
			continue
		}
		if err == nil {
			err = s.Apply(queue[0], nil)
		}
		if err != nil {
			return err
		}
		if _, err := g.Append(queue[0].Header()); err != nil {
			return err
		}
		for _, ready := range o.Release(queue[0].Hash) {
			queue = append(queue, ready.Change)
		}
	}
	return nil
}

// TestRefusedChangeLeavesNoTrace applies damaged copies of changes before each
// change of a history, and expects the same document.
func TestRefusedChangeLeavesNoTrace(t *testing.T) {
	changes := readChanges(t, "testdata/codec/rich-text-random.changes")
	want := rowTexts(t, applyAll(t, changes))
	rng := newRand(t)
	s := NewOpSet()
	refused := 0
	for _, c := range changes {
		for range 4 {
			bad := damaged(rng, c)
			if bad == nil {
				continue
			}
			if err := s.Apply(bad, nil); err == nil {
				t.Fatal("accepted a damaged change")
			}
			refused++
		}
		if err := s.Apply(c, nil); err != nil {
			t.Fatal(err)
		}
	}
	if refused < len(changes) {
		t.Errorf("only %d refusals in %d changes", refused, len(changes))
	}
	if d := cmp.Diff(want, rowTexts(t, s)); d != "" {
		t.Error(d)
	}
}

// damaged returns c with a last op that refers to something that can't be.
func damaged(rng *rand.Rand, c *Change) *Change {
	ops := slices.Collect(c.Ops())
	if len(ops) == 0 {
		return nil
	}
	bad := Op{Action: ActionSet, Key: MapKey("x"), Value: IntValue(1)}
	switch rng.IntN(4) {
	case 0:
		bad.Obj = OpID{c.MaxOp(), c.Actor}
	case 1:
		bad.Preds = []OpID{{c.MaxOp(), c.Actor}}
		bad.Key = MapKey("nobody has this key")
	case 2:
		if ops[0].Obj.IsZero() {
			return nil
		}
		bad.Obj, bad.Key, bad.Insert = ops[0].Obj, ElemKey(ops[0].Obj), true
	case 3:
		bad = Op{Action: ActionMark, Obj: ops[0].Obj, Key: ElemKey(OpID{c.MaxOp(), c.Actor}), Insert: true}
	}
	made, err := EncodeChange(c.Meta(), append(ops, bad))
	if err != nil {
		return nil
	}
	return made
}

// TestObjectsMadeLater has objects whose ops stand before the op that makes them.
func TestObjectsMadeLater(t *testing.T) {
	in := func(counter uint32) OpID {
		if counter == 0 {
			return OpID{}
		}
		return OpID{counter, "a"}
	}
	make := func(obj uint32) Op { return Op{Action: ActionMakeMap, Obj: in(obj), Key: MapKey("k")} }
	for name, c := range map[string]struct {
		objects []uint32 // of op 1, 2, …, each of which makes one
		ok      bool
	}{
		"parent last":       {[]uint32{2, 3, 0}, true},
		"parent in between": {[]uint32{0, 4, 2, 1}, true},
		"in each other":     {[]uint32{2, 1}, false},
		"ring beside":       {[]uint32{0, 3, 4, 2}, false},
		"below a ring":      {[]uint32{2, 3, 2}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var ops []Op
			for i, obj := range c.objects {
				op := make(obj)
				op.Key = MapKey(fmt.Sprint(i))
				ops = append(ops, op)
			}
			change, err := EncodeChange(ChangeMeta{Actor: "a", Seq: 1, StartOp: 1}, ops)
			if err != nil {
				t.Fatal(err)
			}
			s := NewOpSet()
			if err := s.Apply(change, nil); (err == nil) != c.ok {
				t.Fatal(err)
			} else if err != nil {
				return
			}
			again, err := loadOpSet(s.sortedActors(), func(yield func(*docRow) error) error { return s.rows(s.sortedActors(), yield) })
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(rowTexts(t, s), rowTexts(t, again)); d != "" {
				t.Error(d)
			}
			for i := range s.objects {
				same := &again.objects[again.byID[s.objects[i].id]]
				if again.objects[same.parent].id != s.objects[s.objects[i].parent].id {
					t.Errorf("object %d hangs elsewhere", i)
				}
			}
		})
	}
}
