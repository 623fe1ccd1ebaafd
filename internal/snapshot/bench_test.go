package snapshot

import (
	"fmt"
	"testing"
)

// BenchmarkSnapshot makes the snapshot of a document with a tail of a fifth, from reading to the proof and the fsync.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{1_000, 50_000} {
		b.Run(fmt.Sprintf("changes=%d", n), func(b *testing.B) {
			h := newHistory(1)
			h.grow(b, n*4/5)
			older := *h
			h.grow(b, n/5)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				r := newBench(b, Options{Policy: often})
				for _, to := range []*history{&older, h} {
					r.append(key(1), to)
					if to == h {
						b.StartTimer()
					}
					r.pool.Want(key(1), false)
					r.idle()
				}
				if st := r.pool.Stats(); st.Written != 2 {
					b.Fatalf("%+v", st)
				}
				info := r.info(key(1))
				b.ReportMetric(float64(info.SnapshotBytes), "chunk-B")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/change")
		})
	}
}
