package events

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkPublish measures from the call that commits an event to the return of Next, in all feeds of the company.
func BenchmarkPublish(b *testing.B) {
	for _, size := range []struct {
		companies, feeds int
		pause            time.Duration // between events; 0 is as many as there can be
	}{{20, 500, 10 * time.Millisecond}, {20, 500, 0}, {1, 500, 0}} {
		b.Run(fmt.Sprintf("companies=%d/feeds=%d/pause=%v", size.companies, size.feeds, size.pause), func(b *testing.B) {
			n := start(b, Options{Now: time.Now})
			type arrival struct {
				at time.Time
				i  int
			}
			var mu sync.Mutex
			var arrivals []arrival
			var readers sync.WaitGroup
			for i := range size.feeds {
				company := fmt.Sprint("company", i%size.companies)
				f, _ := n.join(Listener{Company: company, User: fmt.Sprint("user", i), Device: "d"}, Start{})
				readers.Go(func() {
					for got := 0; got < b.N; {
						batch, err := f.Next(b.Context(), 100)
						if err != nil {
							b.Error(err)
							return
						}
						now := time.Now()
						mu.Lock()
						for range batch.Items {
							arrivals = append(arrivals, arrival{now, got})
							got++
						}
						mu.Unlock()
					}
				})
			}
			sent := make([]time.Time, b.N)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				time.Sleep(size.pause)
				sent[i] = time.Now()
				var writers sync.WaitGroup
				for c := range size.companies {
					writers.Go(func() {
						company := fmt.Sprint("company", c)
						n.put(company, n.event(CompanyRoom(company), "an event that many listen to"))
					})
				}
				writers.Wait()
			}
			readers.Wait()
			b.StopTimer()
			took := make([]time.Duration, 0, len(arrivals))
			for _, a := range arrivals {
				took = append(took, a.at.Sub(sent[a.i]))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(len(took))/float64(b.N), "deliveries/op")
		})
	}
}

// BenchmarkCatchUp measures a device that reads what it has missed from the store.
func BenchmarkCatchUp(b *testing.B) {
	n := start(b, Options{})
	for range 20 {
		var list []Event
		for range 500 {
			list = append(list, n.event("company:acme", "an event that was missed"))
		}
		n.put("acme", list...)
	}
	b.ReportAllocs()
	for b.Loop() {
		f, _, err := n.log.Join(b.Context(), alice, Start{Cursor: position{epoch: n.log.epoch}.String()})
		if err != nil {
			b.Fatal(err)
		}
		for got := 0; got < 10_000; {
			batch, err := f.Next(b.Context(), 100)
			if err != nil {
				b.Fatal(err)
			}
			got += len(batch.Items)
		}
		f.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/event")
}
