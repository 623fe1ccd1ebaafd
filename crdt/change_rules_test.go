package crdt

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	author = ActorID("\xbb\xbb")
	before = ActorID("\xaa\xaa") // sorts before the author, though its index is higher
	after  = ActorID("\xcc")
)

func opID(n uint32) OpID { return OpID{n, author} }

func setKey(name string, v Value, preds ...OpID) Op {
	return Op{Action: ActionSet, Key: MapKey(name), Value: v, Preds: preds}
}

func insertAfter(obj, elem OpID, action Action, v Value) Op {
	return Op{Action: action, Obj: obj, Key: ElemKey(elem), Insert: true, Value: v}
}

// ruleCases has one change for every rule that the codec holds; startOp is 10.
var ruleCases = []struct {
	name string
	want Reason // empty = accepted
	ops  []Op
}{
	{"plain set", "", []Op{setKey("k", IntValue(1))}},
	{"no ops", "", nil},
	{"preds by actor bytes", "", []Op{setKey("k", IntValue(1), OpID{3, before}, OpID{3, author}, OpID{3, after})}},
	{"preds by actor index", ReasonBadPred, []Op{setKey("k", IntValue(1), OpID{3, author}, OpID{3, before})}},
	{"pred twice", ReasonBadPred, []Op{setKey("k", IntValue(1), OpID{3, after}, OpID{3, after})}},
	{"preds descend", ReasonBadPred, []Op{setKey("k", IntValue(1), OpID{4, after}, OpID{3, after})}},
	{"pred is itself", ReasonBadPred, []Op{setKey("k", IntValue(1), opID(10))}},
	{"pred in this change", "", []Op{setKey("k", IntValue(1)), setKey("k", IntValue(2), opID(10))}},
	{"pred in this change of another actor", ReasonBadPred, []Op{setKey("k", IntValue(1)), setKey("k", IntValue(2), OpID{10, after})}},
	{"del without pred", ReasonBadPred, []Op{{Action: ActionDelete, Key: MapKey("k")}}},
	{"del", "", []Op{{Action: ActionDelete, Key: MapKey("k"), Preds: []OpID{opID(2)}}}},
	{"insert with pred", ReasonBadPred, []Op{{Action: ActionSet, Obj: opID(1), Key: ElemKey(opID(2)), Insert: true, Preds: []OpID{opID(2)}}}},
	{"insert on a map key", ReasonBadOp, []Op{{Action: ActionSet, Key: MapKey("k"), Insert: true}}},
	{"insert in the root", ReasonBadOp, []Op{insertAfter(OpID{}, OpID{}, ActionSet, NullValue())}},
	{"element in the root", ReasonBadOp, []Op{{Action: ActionSet, Key: ElemKey(opID(2))}}},
	{"insert at the head", "", []Op{insertAfter(opID(1), OpID{}, ActionSet, NullValue())}},
	{"update of the head", ReasonBadOp, []Op{{Action: ActionSet, Obj: opID(1), Key: ElemKey(OpID{})}}},
	{"insert after itself", ReasonBadOp, []Op{insertAfter(opID(1), opID(10), ActionSet, NullValue())}},
	{"insert after a later op", ReasonBadOp, []Op{insertAfter(opID(1), opID(11), ActionSet, NullValue()), insertAfter(opID(1), OpID{}, ActionSet, NullValue())}},
	{"element in this change of another actor", ReasonBadOp, []Op{insertAfter(opID(1), OpID{}, ActionSet, NullValue()), insertAfter(opID(1), OpID{10, after}, ActionSet, NullValue())}},
	{"object made later in the change", "", []Op{{Action: ActionSet, Obj: opID(11), Key: MapKey("k")}, {Action: ActionMakeMap, Key: MapKey("m")}}},
	{"object after the change", ReasonBadOp, []Op{{Action: ActionSet, Obj: opID(11), Key: MapKey("k")}}},
	{"object inside itself", ReasonBadOp, []Op{{Action: ActionMakeMap, Obj: opID(10), Key: MapKey("k")}}},
	{"object in this change of another actor", ReasonBadOp, []Op{{Action: ActionSet, Obj: OpID{10, after}, Key: MapKey("k")}}},
	{"unknown action", ReasonBadOp, []Op{{Action: 8, Key: MapKey("k")}}},
	{"inc by uint", "", []Op{{Action: ActionIncrement, Key: MapKey("k"), Value: UintValue(1)}}},
	{"inc by float", ReasonBadOp, []Op{{Action: ActionIncrement, Key: MapKey("k"), Value: Float64Value(1)}}},
	{"inc by counter", ReasonBadOp, []Op{{Action: ActionIncrement, Key: MapKey("k"), Value: CounterValue(1)}}},
	{"inc by null", ReasonBadOp, []Op{{Action: ActionIncrement, Key: MapKey("k")}}},
	{"make with value", ReasonNotCanonical, []Op{{Action: ActionMakeMap, Key: MapKey("k"), Value: IntValue(1)}}},
	{"del with value", ReasonNotCanonical, []Op{{Action: ActionDelete, Key: MapKey("k"), Value: IntValue(1), Preds: []OpID{opID(2)}}}},
	{"expand on a set", ReasonNotCanonical, []Op{{Action: ActionSet, Key: MapKey("k"), Expand: true}}},
	{"mark name on a set", ReasonNotCanonical, []Op{{Action: ActionSet, Key: MapKey("k"), HasMarkName: true}}},
	{"mark with empty name", "", []Op{{Action: ActionMark, Obj: opID(1), Key: ElemKey(OpID{}), Insert: true, HasMarkName: true, Value: BoolValue(true)}}},
	{"mark end with expand", "", []Op{{Action: ActionMark, Obj: opID(1), Key: ElemKey(OpID{}), Insert: true, Expand: true}}},
	{"mark end with value", ReasonNotCanonical, []Op{{Action: ActionMark, Obj: opID(1), Key: ElemKey(OpID{}), Insert: true, Value: IntValue(1)}}},
	{"mark that updates", ReasonBadOp, []Op{{Action: ActionMark, Obj: opID(1), Key: ElemKey(opID(2)), HasMarkName: true}}},
	{"string not UTF-8", ReasonBadValue, []Op{setKey("k", StringValue("\xff"))}},
	{"key not UTF-8", ReasonMalformed, []Op{setKey("\xff", NullValue())}},
	{"mark name not UTF-8", ReasonMalformed, []Op{{Action: ActionMark, Obj: opID(1), Key: ElemKey(OpID{}), Insert: true, HasMarkName: true, MarkName: "\xff"}}},
	{"unknown type 15", "", []Op{setKey("k", UnknownValue(15, []byte{1, 2}))}},
	{"type 16", ReasonBadValue, []Op{setKey("k", UnknownValue(16, nil))}},
	{"payload of a bool", ReasonBadValue, []Op{setKey("k", UnknownValue(ValueTrue, []byte{1}))}},
}

func TestChangeRules(t *testing.T) {
	for _, c := range ruleCases {
		t.Run(c.name, func(t *testing.T) {
			ch, err := EncodeChange(ChangeMeta{Actor: author, Seq: 1, StartOp: 10}, c.ops)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				checkReencodes(t, ch)
				return
			}
			wantReason(t, ch, err, c.want)
		})
	}
}

func wantReason(t *testing.T, ch *Change, err error, want Reason) {
	t.Helper()
	var refusal *RefusalError
	if ch != nil || !errors.As(err, &refusal) || refusal.Reason != want {
		t.Fatalf("change %v, error %v; want reason %s", ch != nil, err, want)
	}
}

func TestChangeNumbers(t *testing.T) {
	one := []Op{setKey("k", NullValue())}
	two := []Op{setKey("k", NullValue()), setKey("l", NullValue())}
	for _, c := range []struct {
		name string
		want Reason
		meta ChangeMeta
		ops  []Op
	}{
		{"last counter", "", ChangeMeta{Seq: math.MaxUint32, StartOp: math.MaxUint32}, one},
		{"last counter, no ops", "", ChangeMeta{Seq: 1, StartOp: math.MaxUint32}, nil},
		{"counter overflow", ReasonLimit, ChangeMeta{Seq: 1, StartOp: math.MaxUint32}, two},
		{"seq 0", ReasonMalformed, ChangeMeta{StartOp: 1}, one},
		{"startOp 0", ReasonMalformed, ChangeMeta{Seq: 1}, one},
		{"message not UTF-8", ReasonMalformed, ChangeMeta{Seq: 1, StartOp: 1, Message: "\xc3"}, one},
		{"earliest time", "", ChangeMeta{Seq: 1, StartOp: 1, Time: -maxTime}, one},
		{"latest time", "", ChangeMeta{Seq: 1, StartOp: 1, Time: maxTime}, one},
		{"time too early", ReasonLimit, ChangeMeta{Seq: 1, StartOp: 1, Time: -maxTime - 1}, one},
		{"time too late", ReasonLimit, ChangeMeta{Seq: 1, StartOp: 1, Time: math.MaxInt64}, one},
		{"extra bytes, empty actor", "", ChangeMeta{Seq: 1, StartOp: 1, Extra: []byte{0x85, 0x6f}}, one},
	} {
		t.Run(c.name, func(t *testing.T) {
			ch, err := EncodeChange(c.meta, c.ops)
			if c.want != "" {
				wantReason(t, ch, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.meta.Extra, ch.Extra); len(c.meta.Extra) > 0 && diff != "" {
				t.Fatal(diff)
			}
			checkReencodes(t, ch)
			h, err := ParseStoredChange(ch.Bytes(), ch.Hash)
			if diff := cmp.Diff(ch.Header(), h); err != nil || diff != "" {
				t.Fatalf("stored change: %v\n%s", err, diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	meta := ChangeMeta{Actor: author, Seq: 1, StartOp: 10, Deps: make([]Hash, 3)}
	ops := []Op{setKey("a", NullValue(), opID(1), opID(2)), setKey("b", NullValue(), opID(3), opID(4)), setKey("c", NullValue())}
	ch, err := EncodeChange(meta, ops)
	if err != nil {
		t.Fatal(err)
	}
	size := len(chunksOf(t, ch.Bytes())[0].Data)
	for _, b := range [][]byte{ch.Bytes(), ch.Compressed()} {
		if _, err := ParseChange(b, Limits{ChunkBytes: size, Ops: 3, Deps: 3}); err != nil {
			t.Errorf("at the limits: %v", err)
		}
		for _, lim := range []Limits{{ChunkBytes: size - 1}, {Ops: 2}, {Deps: 2}} {
			ch, err := ParseChange(b, lim)
			wantReason(t, ch, err, ReasonLimit)
		}
	}
	ops[2].Preds = []OpID{opID(5), opID(6), opID(7)} // 7 preds, twice 3 ops are allowed
	if ch, err = EncodeChange(meta, ops); err != nil {
		t.Fatal(err)
	}
	ch, err = ParseChange(ch.Bytes(), Limits{Ops: 3})
	wantReason(t, ch, err, ReasonLimit)
}

// Random ops come back as they were written.
func TestOpsRoundTrip(t *testing.T) {
	actors := []ActorID{author, before, after, ""}
	values := []Value{
		NullValue(), BoolValue(true), BoolValue(false), UintValue(math.MaxUint64), IntValue(math.MinInt64), IntValue(7),
		Float64Value(math.NaN()), Float64Value(-0.5), StringValue(""), StringValue("ß"), BytesValue([]byte{}), BytesValue([]byte{0xff}),
		CounterValue(-3), TimestampValue(1 << 40), UnknownValue(10, []byte("x")), UnknownValue(15, []byte{}),
	}
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint32Range(5, 1000).Draw(t, "startOp")
		older := rapid.Custom(func(t *rapid.T) OpID {
			return OpID{rapid.Uint32Range(1, start-1).Draw(t, "counter"), rapid.SampledFrom(actors).Draw(t, "actor")}
		})
		ops := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Op {
			op := Op{Action: ActionSet, Value: rapid.SampledFrom(values).Draw(t, "value")}
			if rapid.Bool().Draw(t, "map") {
				op.Key = MapKey(rapid.SampledFrom([]string{"", "a", "ß", "long key"}).Draw(t, "key"))
			} else {
				op.Obj, op.Key = older.Draw(t, "obj"), ElemKey(older.Draw(t, "elem"))
				op.Insert = rapid.Bool().Draw(t, "insert")
			}
			if op.Insert && rapid.Bool().Draw(t, "mark") {
				op.Action, op.HasMarkName, op.MarkName = ActionMark, true, rapid.SampledFrom([]string{"", "bold"}).Draw(t, "name")
				op.Expand = rapid.Bool().Draw(t, "expand")
			}
			if !op.Insert {
				op.Preds = rapid.SliceOfNDistinct(older, 0, 4, func(id OpID) OpID { return id }).Draw(t, "preds")
				slices.SortFunc(op.Preds, OpID.Compare)
			}
			return op
		}), 0, 30).Draw(t, "ops")
		meta := ChangeMeta{Deps: []Hash{{2}, {1}, {1}}, Actor: author, Seq: 9, StartOp: start, Time: -5, Message: "why", Extra: []byte{1}}
		ch, err := EncodeChange(meta, ops)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(meta, ch.Meta()); diff != "" {
			t.Fatal(diff)
		}
		got := slices.Collect(ch.Ops())
		for i := range ops {
			ops[i].ID = OpID{start + uint32(i), author}
			if len(ops[i].Preds) == 0 {
				ops[i].Preds = nil
			}
		}
		if diff := cmp.Diff(ops, got); len(ops) > 0 && diff != "" {
			t.Fatal(diff)
		}
		again, err := EncodeChange(ch.Meta(), got)
		if err != nil || !bytes.Equal(again.Bytes(), ch.Bytes()) {
			t.Fatalf("written differently: %v", err)
		}
	})
}
