package crdt

import (
	"fmt"
	"testing"
)

// wideDoc is a document with a map of n keys, a list of n numbers and a text of
// n characters, which several changes have touched.
func wideDoc(tb testing.TB, n int) (d *testDoc, list, text OpID) {
	tb.Helper()
	d = newTestDoc(tb)
	actor := ActorID("bench")
	m, list, text := OpID{1, actor}, OpID{2, actor}, OpID{3, actor}
	ops := []Op{
		{Action: ActionMakeMap, Key: MapKey("map")},
		{Action: ActionMakeList, Key: MapKey("list")},
		{Action: ActionMakeText, Key: MapKey("text")},
	}
	start, seq := uint32(1), uint32(0)
	commit := func() {
		seq++
		c, err := EncodeChange(ChangeMeta{Deps: d.graph.Heads(), Actor: actor, Seq: seq, StartOp: start}, ops)
		if err != nil {
			tb.Fatal(err)
		}
		d.add(tb, c, nil)
		start, ops = start+uint32(len(ops)), ops[:0]
	}
	var item, char OpID
	for i := range n {
		ops = append(ops,
			Op{Action: ActionSet, Obj: m, Key: MapKey(fmt.Sprintf("key %d", i)), Value: StringValue("some value")},
			Op{Action: ActionSet, Obj: list, Key: ElemKey(item), Insert: true, Value: IntValue(int64(i))})
		item = OpID{start + uint32(len(ops)) - 1, actor}
		if len(ops) > 1000 {
			commit()
		}
	}
	for range n {
		ops = append(ops, Op{Action: ActionSet, Obj: text, Key: ElemKey(char), Insert: true, Value: StringValue("x")})
		char = OpID{start + uint32(len(ops)) - 1, actor}
		if len(ops) > 1000 {
			commit()
		}
	}
	commit()
	return d, list, text
}

func BenchmarkView(b *testing.B) {
	const n = 10_000
	d, list, text := wideDoc(b, n)
	past := d.at(b, d.graph.Heads())
	for _, v := range []struct {
		name string
		view View
	}{{"present", d.ops.View()}, {"past", past}} {
		run := func(name string, f func(View)) {
			b.Run(fmt.Sprintf("%s/%s/n=%d", name, v.name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f(v.view)
				}
			})
		}
		var buf []byte
		run("json", func(v View) { buf = v.AppendJSON(buf[:0], OpID{}) })
		run("text", func(v View) { v.Text(text) })
		run("spans", func(v View) {
			for range v.Spans(text) {
			}
		})
		run("walk", func(v View) {
			for range v.Walk(OpID{}) {
			}
		})
		run("field", func(v View) { v.Get("map", "key 77") })
		run("element", func(v View) { v.Element(list, n/2) })
	}
	b.Run("clock", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.at(b, d.graph.Heads())
		}
	})
}

// BenchmarkDiff measures what a Diff adds to applying a change of one op. The
// change sets one key again and again.
func BenchmarkDiff(b *testing.B) {
	for _, with := range []bool{false, true} {
		b.Run(fmt.Sprintf("diff=%t", with), func(b *testing.B) {
			s := NewOpSet()
			var d *Diff
			if with {
				d = new(Diff)
			}
			actor := ActorID("bench")
			preds := []OpID(nil)
			b.ReportAllocs()
			seq := uint32(0)
			for b.Loop() {
				b.StopTimer()
				seq++
				c, err := EncodeChange(ChangeMeta{Actor: actor, Seq: seq, StartOp: seq}, []Op{
					{Action: ActionSet, Key: MapKey("key"), Value: IntValue(int64(seq)), Preds: preds},
				})
				if err != nil {
					b.Fatal(err)
				}
				preds = []OpID{{seq, actor}}
				b.StartTimer()
				if err := s.Apply(c, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
