package crdt

import (
	"fmt"
	"os"
	"testing"
)

// fieldChanges returns n changes by one actor, each of which sets one of 100
// fields: what a form sends.
func fieldChanges(tb testing.TB, n int) [][]byte {
	tb.Helper()
	chunks := make([][]byte, 0, n)
	last := make(map[string]uint32)
	var deps []Hash
	for i := range n {
		op := Op{Action: ActionSet, Key: MapKey(fmt.Sprintf("field%d", i%100)), Value: IntValue(int64(i))}
		if at := last[op.Key.Name]; at > 0 {
			op.Preds = []OpID{{at, "0123456789abcdef"}}
		}
		last[op.Key.Name] = uint32(i + 1)
		c, err := EncodeChange(ChangeMeta{Deps: deps, Actor: "0123456789abcdef", Seq: uint32(i + 1), StartOp: uint32(i + 1), Time: 1760000000}, []Op{op})
		if err != nil {
			tb.Fatal(err)
		}
		deps = []Hash{c.Hash}
		chunks = append(chunks, c.Bytes())
	}
	return chunks
}

// BenchmarkApply takes a change from its bytes into graph and op set.
func BenchmarkApply(b *testing.B) {
	for _, history := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("history=%d", history), func(b *testing.B) {
			chunks := fieldChanges(b, history+1000)
			g, s := NewGraph(), NewOpSet()
			apply := func(raw []byte) {
				c, err := ParseChange(raw, Limits{})
				if err == nil {
					err = g.Check(c.Header())
				}
				if err == nil {
					err = s.Apply(c, nil)
				}
				if err == nil {
					_, err = g.Append(c.Header())
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			for _, raw := range chunks[:history] {
				apply(raw)
			}
			rest := chunks[history:]
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if i > 0 && i%len(rest) == 0 {
					b.StopTimer()
					rest = moreChanges(b, g, rest)
					b.StartTimer()
				}
				apply(rest[i%len(rest)])
			}
			b.ReportMetric(float64(s.Size())/float64(g.Staged()), "B/op-kept")
		})
	}
}

// moreChanges returns 1,000 changes that follow the graph's last.
func moreChanges(tb testing.TB, g *Graph, like [][]byte) [][]byte {
	tb.Helper()
	var next [][]byte
	deps, at := g.StagedHeads(), uint32(g.Staged())
	for i := range like {
		n := at + uint32(i) + 1
		op := Op{Action: ActionSet, Key: MapKey(fmt.Sprintf("field%d", (n-1)%100)), Value: IntValue(int64(n)), Preds: []OpID{{n - 100, "0123456789abcdef"}}}
		c, err := EncodeChange(ChangeMeta{Deps: deps, Actor: "0123456789abcdef", Seq: n, StartOp: n, Time: 1760000000}, []Op{op})
		if err != nil {
			tb.Fatal(err)
		}
		deps = []Hash{c.Hash}
		next = append(next, c.Bytes())
	}
	return next
}

func BenchmarkReadOpSet(b *testing.B) {
	raw, err := os.ReadFile("testdata/documents/history-10k.automerge")
	if err != nil {
		b.Fatal(err)
	}
	chunk, _, err := NextChunk(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := chunk.ReadOpSet(Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseOpSet(b *testing.B) {
	raw, err := os.ReadFile("testdata/documents/history-10k.automerge")
	if err != nil {
		b.Fatal(err)
	}
	chunk, _, err := NextChunk(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := chunk.ParseOpSet(Limits{}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad reads a document of 50,000 changes, each of one field.
func BenchmarkLoad(b *testing.B) {
	d := New()
	for _, raw := range fieldChanges(b, 50_000) {
		c, err := ParseChange(raw, Limits{})
		if err == nil {
			err = d.Apply(c)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	saved := d.Save()
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Load(saved, Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("save", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.Save()
		}
	})
	_, kept := heapOf(func() any {
		d, err := Load(saved, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		return d
	})
	b.Logf("%d bytes in the file, %d in memory", len(saved), kept)
}
