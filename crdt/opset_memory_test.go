package crdt

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// heapOf returns what build keeps alive.
func heapOf(build func() any) (kept any, bytes int) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC() // the first one only sweeps what was found before
	runtime.ReadMemStats(&before)
	kept = build()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return kept, int(after.HeapAlloc) - int(before.HeapAlloc)
}

// TestOpSetMemory holds the bytes that one op takes in maps, and the estimate
// that Size gives.
func TestOpSetMemory(t *testing.T) {
	const author = "0123456789abcdef"
	field := func(obj OpID, key string, n int) Op {
		return Op{Action: ActionSet, Obj: obj, Key: MapKey(key), Value: IntValue(int64(n))}
	}
	cases := map[string]func() []Op{
		"100 fields overwritten": func() (ops []Op) {
			for i := range 100_000 {
				op := field(OpID{}, fmt.Sprintf("field%d", i%100), i)
				if i >= 100 {
					op.Preds = []OpID{{uint32(i - 99), author}}
				}
				ops = append(ops, op)
			}
			return ops
		},
		"distinct keys": func() (ops []Op) {
			for i := range 100_000 {
				ops = append(ops, field(OpID{}, fmt.Sprintf("key-%d", i), i))
			}
			return ops
		},
		"strings": func() (ops []Op) {
			for i := range 100_000 {
				op := field(OpID{}, fmt.Sprint(i%10_000), i)
				op.Value = StringValue("a short text")
				if i >= 10_000 {
					op.Preds = []OpID{{uint32(i - 9_999), author}}
				}
				ops = append(ops, op)
			}
			return ops
		},
		"empty lists": func() (ops []Op) {
			for range 10_000 {
				ops = append(ops, Op{Action: ActionMakeList, Key: MapKey("list")})
			}
			return ops
		},
		"marks with long names": func() (ops []Op) {
			ops = append(ops, Op{Action: ActionMakeText, Key: MapKey("text")})
			for range 10_000 {
				ops = append(ops, Op{
					Action: ActionMark, Obj: OpID{1, author}, Key: ElemKey(OpID{}), Insert: true,
					HasMarkName: true, MarkName: strings.Repeat("name", 100),
				})
			}
			return ops
		},
		"objects of 9 fields": func() (ops []Op) {
			for i := range 10_000 {
				made := OpID{uint32(len(ops) + 1), author}
				ops = append(ops, Op{Action: ActionMakeMap, Key: MapKey(fmt.Sprintf("line-%d", i))})
				for j := range 9 {
					ops = append(ops, field(made, fmt.Sprintf("quantity%d", j), i))
				}
			}
			return ops
		},
	}
	for name, ops := range cases {
		t.Run(name, func(t *testing.T) {
			all := ops()
			c, err := EncodeChange(ChangeMeta{Actor: author, Seq: 1, StartOp: 1}, all)
			if err != nil {
				t.Fatal(err)
			}
			kept, bytes := heapOf(func() any {
				s := NewOpSet()
				if err := s.Apply(c, nil); err != nil {
					t.Fatal(err)
				}
				return s
			})
			perOp := float64(bytes) / float64(len(all))
			t.Logf("%.1f bytes per op, Size says %.1f", perOp, float64(kept.(*OpSet).Size())/float64(len(all)))
			if perOp > 1000 || all[0].Action == ActionSet && perOp > 100 {
				t.Errorf("%.1f bytes per op", perOp)
			}
			if size := kept.(*OpSet).Size(); size < bytes/2 || size > 2*bytes {
				t.Errorf("Size %d, heap %d", size, bytes)
			}
			runtime.KeepAlive(all)
		})
	}
}
