package crdt

import (
	"maps"
	"testing"
)

// A change that follows all appended changes counts those that aren't published.
func TestNextFollowsStagedChanges(t *testing.T) {
	g := NewGraph()
	add := func(a ActorID, deps []Hash) {
		t.Helper()
		seq, start := g.Next(a)
		c, err := EncodeChange(ChangeMeta{Deps: deps, Actor: a, Seq: seq, StartOp: start}, []Op{
			{Action: ActionSet, Key: MapKey("a"), Value: IntValue(1)}, {Action: ActionSet, Key: MapKey("b"), Value: IntValue(1)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Append(c.Header()); err != nil {
			t.Fatal(err)
		}
	}
	add("a", nil)
	g.Publish(1)
	add("b", g.StagedHeads())
	add("a", g.StagedHeads())
	add("c", g.Heads()) // concurrent to the two before
	if clock := g.StagedClock(); !maps.Equal(clock, Clock{"a": 6, "b": 4, "c": 8}) {
		t.Errorf("clock %v", clock)
	}
	if seq, start := g.Next("a"); seq != 3 || start != 9 {
		t.Errorf("next change of a has seq %d and start op %d", seq, start)
	}
}
