package conflict

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// BenchmarkHub measures changes that come one by one, each after the one before
// is durable, to 64 documents at a time, of a hub with and without a ledger.
func BenchmarkHub(b *testing.B) {
	const documents, rounds = 64, 100
	for _, same := range []bool{false, true} {
		changes := stream(b, rounds, same, true)
		for _, watched := range []bool{false, true} {
			b.Run(fmt.Sprintf("conflicts=%t/watched=%t", same, watched), func(b *testing.B) {
				s, err := store.Open(b.TempDir(), store.Options{})
				if err != nil {
					b.Fatal(err)
				}
				o := hub.Options{}
				if watched {
					o.Ledger = New(s)
				}
				h, err := hub.New(s, o)
				if err != nil {
					b.Fatal(err)
				}
				run := byte(0)
				start := time.Now()
				for b.Loop() {
					run++
					var all sync.WaitGroup
					for n := range documents {
						all.Go(func() {
							key := store.DocKey{Company: company, Document: id.DocumentID{run, byte(n)}}
							for _, c := range changes {
								in, err := h.Import(b.Context(), key, hub.Author{User: string(c.Actor)}, c.Bytes(), nil)
								if err != nil || in.New != 1 {
									b.Errorf("%+v, %v", in, err)
								}
							}
						})
					}
					all.Wait()
				}
				b.ReportMetric(float64(b.N*documents*len(changes))/time.Since(start).Seconds(), "changes/s")
				h.Close()
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			})
		}
	}
}
