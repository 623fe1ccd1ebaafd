package crdt

import "testing"

func TestBelow(t *testing.T) {
	first := encodeFor(t, ChangeMeta{Actor: "b", Seq: 1, StartOp: 1}, []Op{
		{Action: ActionSet, Key: MapKey("x"), Value: IntValue(1)},
		{Action: ActionSet, Key: MapKey("x"), Value: IntValue(2), Preds: []OpID{{1, "b"}}},
	})
	second := encodeFor(t, ChangeMeta{Actor: "a", Seq: 1, StartOp: 2}, []Op{
		{Action: ActionSet, Key: MapKey("x"), Value: IntValue(3)},
		{Action: ActionDelete, Key: MapKey("x"), Preds: []OpID{{2, "a"}}},
	})
	s := NewOpSet()
	for _, c := range []*Change{first, second} {
		if err := s.Apply(c, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		id   OpID
		want int64 // 0 = nothing
	}{
		{OpID{}, 0}, {OpID{1, "a"}, 0}, {OpID{1, "b"}, 0}, {OpID{1, "c"}, 1}, {OpID{2, "a"}, 1}, {OpID{2, "b"}, 3},
		{OpID{2, "c"}, 2}, {OpID{3, "a"}, 2}, {OpID{3, "b"}, 2}, {OpID{9, "a"}, 2},
	} {
		item, ok := s.Below(test.id).Field(Root, "x")
		if item.Value.Int() != test.want || ok != (test.want != 0) {
			t.Errorf("below %s: %s, %t, want %d", test.id, item.Value, ok, test.want)
		}
	}
}

func encodeFor(t *testing.T, meta ChangeMeta, ops []Op) *Change {
	t.Helper()
	c, err := EncodeChange(meta, ops)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
