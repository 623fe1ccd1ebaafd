package crdt

import (
	"slices"
	"testing"
)

// benchChange is a change like those of an ERP document: one field set again,
// or a text typed, of which every tenth character is deleted later.
func benchChange(tb testing.TB, ops int) *Change {
	tb.Helper()
	const actor = ActorID("0123456789abcdef")
	meta := ChangeMeta{Deps: []Hash{{1}}, Actor: actor, Seq: 7, StartOp: 2000, Time: 1_760_000_000}
	list := []Op{{Action: ActionSet, Key: MapKey("amount"), Value: IntValue(12_345), Preds: []OpID{{1999, actor}}}}
	if ops > 1 {
		list = []Op{{Action: ActionMakeText, Key: MapKey("note")}}
		text := OpID{meta.StartOp, actor}
		for i := 1; i < ops; i++ {
			id := OpID{meta.StartOp + uint32(i) - 1, actor}
			switch {
			case i == 1:
				list = append(list, insertAfter(text, OpID{}, ActionSet, StringValue("a")))
			case i%10 == 0:
				list = append(list, Op{Action: ActionDelete, Obj: text, Key: ElemKey(id), Preds: []OpID{id}})
			default:
				list = append(list, insertAfter(text, id, ActionSet, StringValue(string(rune('a'+i*7%26)))))
			}
		}
	}
	c, err := EncodeChange(meta, list)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

var benchSizes = []struct {
	name string
	ops  int
}{{"single-field", 1}, {"ops=1000", 1000}, {"ops=10000", 10_000}}

func BenchmarkParseChange(b *testing.B) {
	for _, size := range benchSizes {
		c := benchChange(b, size.ops)
		for kind, chunk := range map[string][]byte{"": c.Bytes(), "/compressed": c.Compressed()} {
			b.Run(size.name+kind, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(chunk)))
				for b.Loop() {
					if _, err := ParseChange(chunk, Limits{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkOps(b *testing.B) {
	for _, size := range benchSizes {
		c := benchChange(b, size.ops)
		b.Run(size.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for range c.Ops() {
					n++
				}
				if n != size.ops {
					b.Fatal(n)
				}
			}
		})
	}
}

func BenchmarkEncodeChange(b *testing.B) {
	for _, size := range benchSizes {
		c := benchChange(b, size.ops)
		meta, ops := c.Meta(), slices.Collect(c.Ops())
		b.Run(size.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := EncodeChange(meta, ops); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseStoredChange(b *testing.B) {
	for _, size := range benchSizes {
		c := benchChange(b, size.ops)
		b.Run(size.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseStoredChange(c.Bytes(), c.Hash); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A change of one field costs three allocations: the change, its dependencies
// and its actor.
func TestParseAllocations(t *testing.T) {
	c := benchChange(t, 1).Bytes()
	if n := len(c); n > 130 {
		t.Fatalf("%d bytes", n)
	}
	got := testing.AllocsPerRun(100, func() {
		if _, err := ParseChange(c, Limits{}); err != nil {
			t.Fatal(err)
		}
	})
	if got > 3 {
		t.Errorf("%v allocations", got)
	}
}
