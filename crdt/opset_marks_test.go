package crdt

import "testing"

// TestMarkEndsAgainstOrder compares the verdict on the marks of random changes,
// reached before they are applied, with the order that applying them gives.
func TestMarkEndsAgainstOrder(t *testing.T) {
	rng := newRand(t)
	good, bad := 0, 0
	for range 3000 {
		s := NewOpSet()
		text := OpID{1, "m"}
		elems := []OpID{{}}
		base := []Op{{Action: ActionMakeText, Key: MapKey("t")}}
		for i := range 1 + rng.IntN(8) {
			op := Op{Action: ActionSet, Obj: text, Insert: true, Key: ElemKey(elems[rng.IntN(len(elems))]), Value: StringValue("x")}
			if rng.IntN(3) == 0 {
				op.Action, op.HasMarkName, op.MarkName = ActionMark, true, "b"
			}
			elems = append(elems, OpID{uint32(i + 2), "m"})
			base = append(base, op)
		}
		mustApply(t, s, ChangeMeta{Actor: "m", Seq: 1, StartOp: 1}, base)

		// A change of an actor before or after the first one, at counters that may
		// be lower than those of the elements, as in a concurrent change.
		actor := ActorID([]string{"a", "z", "m"}[rng.IntN(3)])
		start := uint32(2 + rng.IntN(10))
		if actor == "m" {
			start = uint32(len(base) + 1)
		}
		var ops []Op
		for i := range 2 + rng.IntN(10) {
			id := OpID{start + uint32(i), actor}
			ref := elems[rng.IntN(len(elems))]
			for ref.Counter >= id.Counter {
				ref = elems[rng.IntN(len(elems))]
			}
			op := Op{Action: ActionSet, Obj: text, Insert: true, Key: ElemKey(ref), Value: StringValue("y")}
			switch rng.IntN(4) {
			case 0:
				op = Op{Action: ActionMark, Obj: text, Insert: true, Key: ElemKey(ref), HasMarkName: true, MarkName: "b", Value: BoolValue(true)}
			case 1:
				op = Op{Action: ActionMark, Obj: text, Insert: true, Key: ElemKey(ref)}
			}
			elems = append(elems, id)
			ops = append(ops, op)
		}
		c, err := EncodeChange(ChangeMeta{Actor: actor, Seq: 2, StartOp: start}, ops)
		if err != nil {
			continue // an end directly at its begin's place
		}
		if err := s.read(c); err != nil {
			t.Fatal(err)
		}
		verdict := s.check()
		s.commit(nil)
		want := marksInOrder(s)
		if (verdict == nil) != want {
			t.Fatalf("verdict %v, in order %t, for %v", verdict, want, ops)
		}
		if want {
			good++
		} else {
			bad++
		}
	}
	if good < 100 || bad < 100 {
		t.Errorf("%d good changes and %d bad ones prove little", good, bad)
	}
}

func mustApply(t *testing.T, s *OpSet, meta ChangeMeta, ops []Op) {
	t.Helper()
	c, err := EncodeChange(meta, ops)
	if err == nil {
		err = s.Apply(c, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// marksInOrder reports whether each end in the only text stands behind its begin.
func marksInOrder(s *OpSet) bool {
	begins := make(map[lamport]bool)
	for c := s.objects[1].list.cursor(); c.next(); {
		if c.simple {
			continue
		}
		for r := range c.cell.all {
			if r.action == ActionMark && r.has(rowNamed) {
				begins[r.id] = true
			} else if r.action == ActionMark && !begins[r.id.plus(-1)] {
				return false
			}
		}
	}
	return true
}
