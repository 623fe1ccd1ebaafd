package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"concord/internal/id"
)

func numbered(n uint32) DocKey {
	return DocKey{Company: "acme", Document: id.DocumentID{byte(n >> 16), byte(n >> 8), byte(n), 15: 1}}
}

// TestKillDuringPurges kills a process that purges at random moments: what it acknowledged is purged, what was under
// way goes on after the next start, and nothing is left of what has a tombstone.
func TestKillDuringPurges(t *testing.T) {
	rng := newRand(t, 8)
	dir := t.TempDir()
	var last uint32
	unwiped := 0
	for round := range 8 {
		acked := runPurgesUntilKilled(t, dir, 1+rng.IntN(25), time.Duration(rng.IntN(20_000))*time.Microsecond)
		checkClean(t, dir)
		s := open(t, dir, Options{})
		for _, n := range acked {
			if _, _, err := s.Document(numbered(n)); !errors.Is(err, ErrPurged) {
				t.Errorf("round %d, document %d: %v, want ErrPurged", round, n, err)
			}
			last = max(last, n)
		}
		var gone []DocKey
		err := s.Tombstones("acme", id.DocumentID{}, func(d id.DocumentID, stone Tombstone) error {
			gone = append(gone, DocKey{"acme", d})
			if stone.Wiped.IsZero() {
				unwiped++
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		for _, d := range gone {
			awaitWipe(t, s, d)
		}
		file, err := os.ReadFile(dbPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range gone {
			if bytes.Contains(file, canary(d)) {
				t.Errorf("round %d: the file has a canary of %s", round, d.Document)
			}
		}
		closeAndCheck(t, s, dir)
	}
	if last < 8 || unwiped == 0 {
		t.Errorf("%d documents were purged, %d wipes were under way", last, unwiped)
	}
}

func runPurgesUntilKilled(t *testing.T, dir string, lines int, moment time.Duration) (acked []uint32) {
	t.Helper()
	untilKilled(t, "purge", dir, lines, moment, func(line string) error {
		var n uint32
		_, err := fmt.Sscanf(line, "purged %d", &n)
		acked = append(acked, n)
		return err
	})
	return acked
}

// purgeChild writes documents with snapshots and purges them, more than its parent waits for, and prints each that is
// purged.
func purgeChild(dir string) {
	s, err := Open(dir, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	must := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	for n, left := uint32(1), 200; left > 0; n++ {
		d := numbered(n)
		if _, known, err := s.Document(d); known || errors.Is(err, ErrPurged) {
			continue
		}
		left--
		rng := rand.New(rand.NewPCG(9, uint64(n)))
		var list []Change
		write := func(call func(done func(error)) error) {
			done := make(chan error, 1)
			must(call(func(err error) { done <- err }))
			must(<-done)
		}
		for range 3 {
			a := secretAppend(rng, d, uint64(len(list)), 80, 3000, 60_000, 700)
			list = append(list, a.Changes...)
			write(func(done func(error)) error { return s.Append(context.Background(), a, done) })
		}
		if n%2 == 0 {
			write(func(done func(error)) error {
				return s.PutSnapshot(context.Background(), d, snapshotOf(list), func(i uint64) Hash { return list[i].Hash }, done)
			})
		}
		write(func(done func(error)) error { return s.Purge(context.Background(), d, purgeOf, done) })
		fmt.Printf("purged %d\n", n)
	}
}

// TestPurgeAmongOthers purges documents while others are written, read and replaced by snapshots.
func TestPurgeAmongOthers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	var group sync.WaitGroup
	var gone []DocKey
	for w := range byte(4) {
		docs := make([]DocKey, 12)
		for i := range docs {
			docs[i] = doc("acme", 16*w+byte(i))
			if i%3 > 0 {
				gone = append(gone, docs[i])
			}
		}
		rng := newRand(t, uint64(w))
		group.Go(func() {
			for i, d := range docs {
				secrets(t, rng, s, d)
				if i%3 == 0 {
					continue
				}
				list, _, err := readWhole(s, d)
				if err != nil {
					t.Error(err)
				}
				group.Go(func() { // may fail, but only since the document is purged
					err := s.PutSnapshot(t.Context(), d, snapshotOf(list), func(i uint64) Hash { return list[i].Hash }, nil)
					if err != nil && !errors.Is(err, ErrPurged) {
						t.Error(err)
					}
				})
				group.Go(func() {
					for _, _, err := readWhole(s, d); !errors.Is(err, ErrPurged); _, _, err = readWhole(s, d) {
						if err != nil && !errors.Is(err, ErrInSnapshot) {
							t.Error(err)
							return
						}
					}
				})
				purge(t, s, d, purgeOf)
			}
		})
	}
	group.Wait()
	for _, d := range gone {
		awaitWipe(t, s, d)
		if err := s.Changes(d, 0, math.MaxUint64, func(uint64, Change) error { return nil }); !errors.Is(err, ErrPurged) {
			t.Error(err)
		}
	}
	for _, d := range gone {
		if n := inFile(t, dir, d); n > 0 {
			t.Errorf("%d canaries of %s", n, d.Document)
		}
	}
	r := closeAndCheck(t, s, dir)
	if r.Documents != 16 {
		t.Errorf("%d documents, want 16", r.Documents)
	}
}
