package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkAppend has one writer per document, each waiting for its change to be durable before it appends the next.
func BenchmarkAppend(b *testing.B) {
	for _, docs := range []int{1, 100, 1000} {
		for _, records := range []int{0, 2} {
			b.Run(fmt.Sprintf("docs=%d/records=%d", docs, records), func(b *testing.B) { benchmarkAppend(b, docs, records) })
		}
	}
}

func benchmarkAppend(b *testing.B, docs, records int) {
	s := open(b, b.TempDir(), Options{})
	next := make([]uint64, docs)
	work := make(chan struct{})
	var writers sync.WaitGroup
	for n := range docs {
		writers.Go(func() {
			d := doc("acme", byte(n))
			d.Document[1] = byte(n >> 8)
			ch := make(chan error, 1)
			for range work {
				c := chunk(next[n]<<16|uint64(n), 130)
				a := Append{Doc: d, First: next[n], Changes: []Change{c}, Heads: []Hash{c.Hash}}
				a.By = Attribution{User: fmt.Sprint("user", n%50), Device: "phone", Received: testTime}
				for i := range records {
					key := fmt.Append(d.Document[:], i, next[n]%100)
					a.Records = append(a.Records, Record{Table: TableConflicts, Key: key, Value: make([]byte, 200)})
				}
				if err := s.Append(context.Background(), a, func(err error) { ch <- err }); err != nil {
					b.Error(err)
				}
				if err := <-ch; err != nil {
					b.Error(err)
				}
				next[n]++
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	writers.Wait()
	st := s.Stats()
	b.ReportMetric(float64(st.Commits)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(st.Writes)/b.Elapsed().Seconds(), "writes/s")
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkLoad reads all changes of a 20,000-change document.
func BenchmarkLoad(b *testing.B) {
	const n = 20_000
	dir := b.TempDir()
	s := open(b, dir, Options{})
	d := doc("acme", 1)
	for first := uint64(0); first < n; first += 100 {
		mustPut(b, s, appendOf(d, first, 100))
	}
	info, _, err := s.Document(d)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(info.Bytes))
	b.ReportAllocs()
	for b.Loop() {
		count := 0
		if err := s.Changes(d, 0, math.MaxUint64, func(uint64, Change) error { count++; return nil }); err != nil || count != n {
			b.Fatal(count, err)
		}
	}
}

// BenchmarkDiskUse reports how much of the file a change takes, for keystrokes that come one by one to several
// documents in turn: bytes of pages in use, beside the bytes of the chunk itself.
func BenchmarkDiskUse(b *testing.B) {
	for _, docs := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("docs=%d", docs), func(b *testing.B) {
			const perDoc, size, group = 100, 130, 20
			total := docs * perDoc
			for b.Loop() {
				dir := b.TempDir()
				s := open(b, dir, Options{})
				for i := range total {
					d := doc("acme", byte(i%docs))
					d.Document[1] = byte(i % docs >> 8)
					first := uint64(i / docs)
					c := chunk(first<<16|uint64(i%docs), size)
					a := Append{Doc: d, First: first, Changes: []Change{c}, Heads: []Hash{c.Hash}}
					a.By = Attribution{User: "alice", Device: "phone", Received: testTime}
					if i%group == group-1 || i == total-1 {
						mustPut(b, s, a)
					} else if err := s.Append(b.Context(), a, nil); err != nil {
						b.Fatal(err)
					}
				}
				used := pagesInUse(b, s)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				info, err := os.Stat(dbPath(dir))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(used)/float64(total), "used-B/change")
				b.ReportMetric(float64(info.Size())/float64(total), "file-B/change")
			}
		})
	}
}

// pagesInUse returns the bytes of all pages that hold records.
func pagesInUse(b *testing.B, s *Store) (used int) {
	err := s.view(nil, func(r reader) error {
		for _, def := range allBuckets {
			st := r.tx.Bucket([]byte(def.name)).Stats()
			used += st.BranchAlloc + st.LeafAlloc
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// BenchmarkSnapshot replaces a document's changes while another document's writer appends, and reports how long that
// one waits at worst, beside what it waits without a snapshot.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{10_000, 50_000} {
		b.Run(fmt.Sprintf("changes=%d", n), func(b *testing.B) {
			var worst, usual time.Duration
			for b.Loop() {
				s := open(b, b.TempDir(), Options{})
				d := doc("acme", 1)
				for first := 0; first < n; first += 1000 {
					mustPut(b, s, appendOf(d, uint64(first), 1000))
				}
				snap := snapshotOf(changes(d, 0, n))
				next := uint64(0)
				edit := func() time.Duration {
					start := time.Now()
					mustPut(b, s, appendOf(doc("acme", 2), next, 1))
					next++
					return time.Since(start)
				}
				for range 50 {
					usual = max(usual, edit())
				}
				stored := make(chan struct{})
				hash := func(i uint64) Hash { return Hash(snap.Graph[i*hashSize:]) }
				if err := s.PutSnapshot(b.Context(), d, snap, hash, func(error) { close(stored) }); err != nil {
					b.Fatal(err)
				}
				worst = max(worst, edit())
				<-stored
				for left := records(b, s, d); left > 0; left = records(b, s, d) {
					worst = max(worst, edit())
				}
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			}
			b.ReportMetric(float64(usual.Microseconds())/1000, "usual-ms")
			b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
		})
	}
}

// BenchmarkWipe purges a document of 64 MiB while another one's writer appends, each time when the change before is durable
// and a pause is over, and reports how long that one waits, beside what it waits before the purge.
func BenchmarkWipe(b *testing.B) {
	for name, pause := range map[string]time.Duration{"none": time.Hour, "pause=0": 0, "pause=5ms": 5 * time.Millisecond} {
		b.Run("writer/"+name, func(b *testing.B) {
			var usual, beside []time.Duration
			var took time.Duration
			for b.Loop() {
				s := open(b, b.TempDir(), Options{})
				d := doc("acme", 1)
				rng := newRand(b, 10)
				for first := uint64(0); first < 64<<20/3000; first += 100 {
					mustPut(b, s, secretAppend(rng, d, first, slices.Repeat([]int{3000}, 100)...))
				}
				next := uint64(0)
				edit := func() time.Duration {
					start := time.Now()
					mustPut(b, s, appendOf(doc("acme", 2), next, 1))
					next++
					return time.Since(start)
				}
				for range 200 {
					usual = append(usual, edit())
				}
				start := time.Now()
				purge(b, s, d, purgeOf)
				wiped := make(chan error, 1)
				go func() { wiped <- s.AwaitWipe(context.Background(), d) }()
				for len(wiped) == 0 {
					select {
					case err := <-wiped:
						wiped <- err
						continue
					case <-time.After(pause):
					}
					beside = append(beside, edit())
				}
				took += time.Since(start)
				if err := errors.Join(<-wiped, s.Close()); err != nil {
					b.Error(err)
				}
			}
			report := func(name string, waits []time.Duration) {
				slices.Sort(waits)
				if n := len(waits); n > 0 {
					b.ReportMetric(float64(waits[n/2].Microseconds())/1000, name+"-p50-ms")
					b.ReportMetric(float64(waits[n*99/100].Microseconds())/1000, name+"-p99-ms")
				}
			}
			report("usual", usual)
			report("beside", beside)
			b.ReportMetric(took.Seconds()/float64(b.N), "wipe-s")
		})
	}
}

// BenchmarkBackup backs up many small documents, and restores them.
func BenchmarkBackup(b *testing.B) {
	for _, docs := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("docs=%d", docs), func(b *testing.B) {
			s := open(b, b.TempDir(), Options{})
			for i := range docs {
				d := doc("acme", byte(i))
				d.Document[1] = byte(i >> 8)
				if err := s.Append(b.Context(), appendOf(d, 0, 20), nil); err != nil {
					b.Fatal(err)
				}
			}
			mustPut(b, s, appendOf(doc("globex", 1), 0, 1))
			var restoring time.Duration
			for b.Loop() {
				backup := new(bytes.Buffer)
				if _, err := s.Backup(b.Context(), backup, BackupOptions{}); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(backup.Len()))
				b.StopTimer()
				start := time.Now()
				dir := filepath.Join(b.TempDir(), "restored")
				if _, err := Restore(b.Context(), dir, []io.Reader{backup}, RestoreOptions{}); err != nil {
					b.Fatal(err)
				}
				restoring = time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(float64(restoring.Milliseconds()), "restore-ms")
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}
