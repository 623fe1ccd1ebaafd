package crdt

import (
	"fmt"
	"testing"
)

// fieldChanges returns n changes by one actor, from number first on, each of
// which sets one of 100 fields: what a form sends.
func fieldChanges(tb testing.TB, first, n int, deps []Hash) [][]byte {
	tb.Helper()
	const author, fields = "0123456789abcdef", 100
	chunks := make([][]byte, 0, n)
	for i := first; i < first+n; i++ {
		op := Op{Action: ActionSet, Key: MapKey(fmt.Sprintf("field%d", i%fields)), Value: IntValue(int64(i))}
		if i >= fields {
			op.Preds = []OpID{{uint32(i + 1 - fields), author}}
		}
		number := uint32(i + 1)
		c, err := EncodeChange(ChangeMeta{Deps: deps, Actor: author, Seq: number, StartOp: number, Time: 1760000000}, []Op{op})
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
			chunks := fieldChanges(b, 0, history+1000, nil)
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
					rest = fieldChanges(b, g.Staged(), len(rest), g.StagedHeads())
					b.StartTimer()
				}
				apply(rest[i%len(rest)])
			}
			b.ReportMetric(float64(s.Size())/float64(g.Staged()), "B/op-kept")
		})
	}
}

func BenchmarkReadOpSet(b *testing.B) {
	chunk := documentChunk(b, documentFiles(b)["history-10k.automerge"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := chunk.ReadOpSet(Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseOpSet(b *testing.B) {
	chunk := documentChunk(b, documentFiles(b)["history-10k.automerge"])
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
	for _, raw := range fieldChanges(b, 0, 50_000, nil) {
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
