package crdt

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// testAuthor writes changes of one actor, each depending on the heads.
type testAuthor struct {
	*testDoc
	actor ActorID
	seq   uint32
}

func newTestAuthor(tb testing.TB, actor ActorID) *testAuthor {
	return &testAuthor{testDoc: newTestDoc(tb), actor: actor}
}

// fork returns another author who continues from here in the same document.
func (a *testAuthor) fork(actor ActorID) *testAuthor {
	return &testAuthor{testDoc: a.testDoc, actor: actor}
}

// write applies ops as a change and returns its first op's id. Preds are those
// of the present, or as given by heads at some earlier ones.
func (a *testAuthor) write(tb testing.TB, heads []Hash, d *Diff, ops ...Op) OpID {
	tb.Helper()
	clock, err := a.graph.Clock(heads)
	if err != nil {
		tb.Fatal(err)
	}
	start := uint32(1)
	for _, counter := range clock {
		start = max(start, counter+1)
	}
	v := a.ops.At(clock)
	for i := range ops {
		if !ops[i].Insert && ops[i].Preds == nil {
			for _, item := range v.Conflicts(ops[i].Obj, ops[i].Key) {
				ops[i].Preds = append(ops[i].Preds, item.ID)
			}
		}
	}
	a.seq++
	c, err := EncodeChange(ChangeMeta{Deps: heads, Actor: a.actor, Seq: a.seq, StartOp: start}, ops)
	if err != nil {
		tb.Fatal(err)
	}
	a.add(tb, c, d)
	return OpID{start, a.actor}
}

func setOp(obj OpID, key string, v Value) Op {
	return Op{Action: ActionSet, Obj: obj, Key: MapKey(key), Value: v}
}

func insertOp(obj, after OpID, v Value) Op {
	return Op{Action: ActionSet, Obj: obj, Key: ElemKey(after), Insert: true, Value: v}
}

// charOps are inserts that spell a text, the first one having the given id.
func charOps(obj, after, first OpID, text string) (ops []Op) {
	for _, r := range text {
		ops = append(ops, insertOp(obj, after, StringValue(string(r))))
		after, first.Counter = first, first.Counter+1
	}
	return ops
}

func TestJSONOfScalars(t *testing.T) {
	for _, c := range []struct {
		value       Value
		json, typed string
	}{
		{NullValue(), `null`, `null`},
		{BoolValue(true), `true`, `true`},
		{BoolValue(false), `false`, `false`},
		{IntValue(math.MinInt64), `-9223372036854775808`, `{"int":"-9223372036854775808"}`},
		{UintValue(math.MaxUint64), `18446744073709551615`, `{"uint":"18446744073709551615"}`},
		{CounterValue(-3), `-3`, `{"counter":"-3"}`},
		{Float64Value(3), `3`, `{"f64":"3"}`},
		{Float64Value(math.Copysign(0, -1)), `0`, `{"f64":"0"}`},
		{Float64Value(1e21), `1e+21`, `{"f64":"1e+21"}`},
		{Float64Value(-123456789012345680000), `-123456789012345680000`, `{"f64":"-123456789012345680000"}`},
		{Float64Value(1e-7), `1e-7`, `{"f64":"1e-7"}`},
		{Float64Value(1.5e-300), `1.5e-300`, `{"f64":"1.5e-300"}`},
		{Float64Value(0.000001), `0.000001`, `{"f64":"0.000001"}`},
		{Float64Value(math.NaN()), `null`, `{"f64":"NaN"}`},
		{Float64Value(math.Inf(-1)), `null`, `{"f64":"-Infinity"}`},
		{StringValue("\x00\b\t\n\f\r\x1f\"\\/\u2028<é😀\x7f"), `"\u0000\b\t\n\f\r\u001f\"\\/` + "\u2028<é😀\x7f" + `"`,
			`{"str":"\u0000\b\t\n\f\r\u001f\"\\/` + "\u2028<é😀\x7f" + `"}`},
		{BytesValue([]byte{0, 255}), `"AP8="`, `{"bytes":"00ff"}`},
		{UnknownValue(12, []byte{1}), `"AQ=="`, `{"unknown":12,"bytes":"01"}`},
		{TimestampValue(1700000000123), `"2023-11-14T22:13:20.123Z"`, `{"timestamp":"1700000000123"}`},
		{TimestampValue(-62198755200000), `"-000001-01-01T00:00:00.000Z"`, `{"timestamp":"-62198755200000"}`},
		{TimestampValue(-62167219200000), `"0000-01-01T00:00:00.000Z"`, `{"timestamp":"-62167219200000"}`},
		{TimestampValue(maxDate), `"+275760-09-13T00:00:00.000Z"`, `{"timestamp":"8640000000000000"}`},
		{TimestampValue(maxDate + 1), `null`, `{"timestamp":"8640000000000001"}`},
		{TimestampValue(math.MinInt64), `null`, `{"timestamp":"-9223372036854775808"}`},
	} {
		a := newTestAuthor(t, "a")
		a.write(t, nil, nil, setOp(OpID{}, "v", c.value))
		if got := string(a.ops.View().AppendJSON(nil, OpID{})); got != `{"v":`+c.json+`}` {
			t.Errorf("%v is %s, want %s", c.value, got, c.json)
		}
		if got := string(a.ops.View().AppendTypedJSON(nil, OpID{})); got != `{"v":`+c.typed+`}` {
			t.Errorf("%v is %s, want %s", c.value, got, c.typed)
		}
	}
}

func TestJSONOfObjects(t *testing.T) {
	a := newTestAuthor(t, "a")
	list, text := OpID{1, "a"}, OpID{2, "a"}
	a.write(t, nil, nil,
		Op{Action: ActionMakeList, Key: MapKey("list")},
		Op{Action: ActionMakeText, Key: MapKey("te\"xt")},
		Op{Action: ActionMakeTable, Key: MapKey("table")},
		Op{Action: ActionMakeMap, Key: MapKey("")},
		insertOp(list, OpID{}, StringValue("é")),
		Op{Action: ActionMakeList, Obj: list, Key: ElemKey(OpID{5, "a"}), Insert: true},
		insertOp(text, OpID{}, StringValue("\"")),
		insertOp(text, OpID{7, "a"}, IntValue(1)),
		Op{Action: ActionMakeMap, Obj: text, Key: ElemKey(OpID{8, "a"}), Insert: true},
		insertOp(text, OpID{9, "a"}, StringValue("😀z")),
	)
	v := a.ops.View()
	const want = `{"":{},"list":["é",[]],"table":{},"te\"xt":"\"` + "\ufffc\ufffc" + `😀z"}`
	if got := string(v.AppendJSON([]byte("x"), OpID{})); got != "x"+want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := string(v.AppendJSON(nil, text)); got != "\"\\\"\ufffc\ufffc😀z\"" {
		t.Errorf("text alone is %s", got)
	}
	if got := v.AppendJSON(nil, OpID{99, "a"}); len(got) > 0 {
		t.Errorf("unknown object is %s", got)
	}
	if v.Len(text) != 6 || v.Len(list) != 2 || v.Len(OpID{}) != 4 {
		t.Errorf("lengths %d, %d, %d", v.Len(text), v.Len(list), v.Len(OpID{}))
	}
	if e, ok := v.Element(text, 4); !ok || e.ID != (OpID{10, "a"}) || e.Index != 3 || e.Width != 3 {
		t.Errorf("the middle of an emoji is in %v", e)
	}
	var from []int
	for e := range v.Elements(text, 4) {
		from = append(from, e.Index)
	}
	if !slices.Equal(from, []int{3}) {
		t.Errorf("elements from 4 on begin at %v", from)
	}
}

func TestPointers(t *testing.T) {
	a := newTestAuthor(t, "a")
	obj := a.write(t, nil, nil, Op{Action: ActionMakeMap, Key: MapKey("a/b~1")}, setOp(OpID{1, "a"}, "~", IntValue(1)),
		Op{Action: ActionMakeList, Key: MapKey("l")}, insertOp(OpID{3, "a"}, OpID{}, IntValue(5)))
	v := a.ops.View()
	if path, ok := v.Path(obj, MapKey("~")); !ok || path != "/a~1b~01/~0" {
		t.Errorf("path %q", path)
	}
	if item, err := v.Lookup("/a~1b~01/~0"); err != nil || item.Value.Int() != 1 {
		t.Errorf("%v, %v", item, err)
	}
	if item, err := v.Lookup("/l/0"); err != nil || item.Value.Int() != 5 {
		t.Errorf("%v, %v", item, err)
	}
	for _, bad := range []string{"l", "/l/00", "/l/-1", "/l/+0", "/l/1", "/l/", "/l/0/x", "/", "//"} {
		if item, err := v.Lookup(bad); err == nil {
			t.Errorf("%q is %v", bad, item)
		}
	}
	if _, ok := v.Get("l", "0"); ok {
		t.Error("a list has a string key")
	}
	if item, ok := v.Get("l", 0); !ok || item.Value.Int() != 5 {
		t.Errorf("%v", item)
	}
	if _, ok := v.Get("l", 1.5); ok {
		t.Error("a path has a float")
	}
}

// TestMarksMerge holds that a range goes on where another mark of equal value
// takes over.
func TestMarksMerge(t *testing.T) {
	a := newTestAuthor(t, "a")
	text := OpID{1, "a"}
	mark := func(after uint32, name string, v Value) Op {
		return Op{Action: ActionMark, Obj: text, Key: ElemKey(OpID{after, "a"}), Insert: true, HasMarkName: name != "", MarkName: name, Value: v}
	}
	ops := append([]Op{{Action: ActionMakeText, Key: MapKey("t")}}, charOps(text, OpID{}, OpID{2, "a"}, "abcdef")...) // 2 to 7
	a.write(t, nil, nil, ops...)
	a.write(t, a.graph.Heads(), nil, mark(2, "b", BoolValue(true)), mark(4, "", NullValue()))     // bc
	a.write(t, a.graph.Heads(), nil, mark(9, "b", BoolValue(true)), mark(6, "", NullValue()))     // de, from the end of the first
	a.write(t, a.graph.Heads(), nil, mark(7, "gone", BoolValue(true)), mark(12, "", NullValue())) // nothing
	v := a.ops.View()
	want := []Mark{{"b", BoolValue(true), 1, 5}}
	if diff := gocmp.Diff(want, v.Marks(text)); diff != "" {
		t.Error(diff)
	}
	var spans []Span
	for s := range v.Spans(text) {
		spans = append(spans, s)
	}
	bold := []MarkValue{{"b", BoolValue(true)}}
	if diff := gocmp.Diff([]Span{{0, "a", nil, OpID{}}, {1, "bcde", bold, OpID{}}, {5, "f", nil, OpID{}}}, spans); diff != "" {
		t.Error(diff)
	}
}

// TestDeepNesting reads a document whose objects stand inside each other so
// deep that recursion would need much stack.
func TestDeepNesting(t *testing.T) {
	const depth = 100_000
	a := newTestAuthor(t, "a")
	var ops []Op
	obj := OpID{}
	for i := range depth {
		op := Op{Action: ActionMakeMap, Obj: obj, Key: MapKey("k")}
		switch {
		case i%2 == 1:
			op.Action = ActionMakeList
		case i > 0:
			op.Key, op.Insert = ElemKey(OpID{}), true
		}
		obj = OpID{uint32(i) + 1, "a"}
		ops = append(ops, op)
	}
	var d Diff
	a.write(t, nil, &d, ops...)
	v := a.ops.View()
	json := v.AppendJSON(nil, OpID{})
	if !bytes.HasPrefix(json, []byte(`{"k":{"k":[{"k":[`)) || bytes.Count(json, []byte("[")) != depth/2 || bytes.Count(json, []byte("{")) != depth/2+1 {
		t.Errorf("%.60s… of %d bytes", json, len(json))
	}
	deepest := 0
	for s := range v.Walk(OpID{}) {
		deepest = max(deepest, s.Depth)
	}
	if deepest != depth {
		t.Errorf("depth %d", deepest)
	}
	if len(d.Edits) != depth {
		t.Fatalf("%d edits", len(d.Edits))
	}
	for i := range d.Edits {
		if d.Reach(&d.Edits[i]) != Shown || d.WasShown(&d.Edits[i]) != (i == 0) {
			t.Fatalf("edit %d: %s, %t", i, d.Reach(&d.Edits[i]), d.WasShown(&d.Edits[i]))
		}
	}
	if v.Reach(obj) != Shown {
		t.Errorf("innermost object is %s", v.Reach(obj))
	}
	if path, ok := v.PathOf(OpID{MaxPathDepth, "a"}); !ok || strings.Count(path, "/") != MaxPathDepth {
		t.Errorf("path of %d bytes, %t", len(path), ok)
	}
	if path, ok := v.PathOf(OpID{MaxPathDepth + 1, "a"}); ok {
		t.Errorf("path of %d bytes", len(path))
	}
}

// TestReadersTogether reads one document from several goroutines.
func TestReadersTogether(t *testing.T) {
	d, list, text := wideDoc(t, 200)
	views := []View{d.ops.View(), d.at(t, d.graph.Heads())}
	want := string(views[0].AppendJSON(nil, OpID{}))
	results := make(chan string)
	for i := range 2 * runtime.GOMAXPROCS(0) {
		go func() {
			v := views[i%2]
			v.Marks(text)
			v.Element(list, 20)
			results <- string(v.AppendJSON(nil, OpID{}))
		}()
	}
	for range 2 * runtime.GOMAXPROCS(0) {
		if <-results != want {
			t.Error("readers disagree")
		}
	}
}

func TestClock(t *testing.T) {
	a := newTestAuthor(t, "a")
	if clock, err := a.graph.Clock(nil); err != nil || len(clock) != 0 {
		t.Errorf("%v, %v", clock, err)
	}
	if _, err := a.graph.Clock([]Hash{{1}}); err == nil {
		t.Error("unknown heads have a clock")
	}
	rng := newRand(t)
	for range 30 {
		h := newRandomHistory(t, rng)
		for range 30 {
			h.add(t, h.next(t), nil)
		}
		for range 10 {
			heads := h.randomHeads()
			want := make(Clock)
			for _, c := range h.ancestors(heads) {
				want[c.Actor] = c.MaxOp()
			}
			got, err := h.graph.Clock(heads)
			if fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
				t.Fatalf("clock %v, %v, want %v", got, err, want)
			}
		}
	}
}
