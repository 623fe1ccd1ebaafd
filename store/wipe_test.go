package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
)

// logLines takes what a logger writes; it drops what it has no room for.
type logLines chan string

func (l logLines) Write(b []byte) (int, error) {
	select {
	case l <- string(b):
	default:
	}
	return len(b), nil
}

func (l logLines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// markPurged makes a closed file one whose process has ended right after it purged documents.
func markPurged(t testing.TB, dir string, docs ...DocKey) {
	t.Helper()
	edit(t, dir, func(tx *bbolt.Tx) {
		for _, d := range docs {
			key := documentKey(d.Document[0])
			tx.Bucket([]byte("tombstones")).Put(key, tombstonesBucket.seal(key, tombstone{}.encode()))
			tx.Bucket([]byte("wipes")).Put(key, wipesBucket.seal(key, wipe{every: 1}.encode()))
			for _, name := range []string{"documents", "snapshots", "snapshot-trims"} {
				tx.Bucket([]byte(name)).Delete(key)
			}
		}
	})
}

// TestDamagedWipe damages what the wiper has to know of one document: the others are wiped all the same.
func TestDamagedWipe(t *testing.T) {
	for _, def := range []*bucket{wipesBucket, tombstonesBucket} {
		rng := newRand(t, 11)
		dir := t.TempDir()
		s := open(t, dir, Options{})
		docs := []DocKey{doc("acme", 1), doc("acme", 2), doc("acme", 3)}
		bad := docs[1]
		for _, d := range docs {
			secrets(t, rng, s, d)
		}
		settle(t, s)
		closeAndCheck(t, s, dir)
		markPurged(t, dir, docs...)
		edit(t, dir, func(tx *bbolt.Tx) {
			b := tx.Bucket([]byte(def.name))
			v := bytes.Clone(b.Get(documentKey(2)))
			v[3] ^= 1
			b.Put(documentKey(2), v)
		})
		told := make(logLines, 10)
		s = open(t, dir, Options{Logger: told.logger()})
		for _, d := range docs {
			if d == bad {
				if err := s.AwaitWipe(t.Context(), d); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s damaged: %v, want ErrCorrupt", def.name, err)
				}
				continue
			}
			awaitWipe(t, s, d)
			if n := inFile(t, dir, d); n > 0 {
				t.Errorf("%s damaged: %d canaries of another document", def.name, n)
			}
		}
		mustPut(t, s, secretAppend(rng, doc("acme", 4), 0, 3000))
		purge(t, s, doc("acme", 4), purgeOf)
		awaitWipe(t, s, doc("acme", 4))
		if line := <-told; !strings.Contains(line, "level=ERROR") || !strings.Contains(line, "bucket "+def.name) || len(told) > 0 {
			t.Errorf("logged: %s, and %d lines more", line, len(told))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, f := range faults(t, dir).Faults {
			if f.Document != bad.Document.String() && !strings.Contains(f.Key, fmt.Sprintf("%x", documentKey(2))) {
				t.Errorf("fault of another document: %v", f)
			}
		}
	}
}

// TestWipeGoesOnLater has a wipe that others never let finish: it gives back what it has written, tries again after a
// pause, and is done when they let it.
func TestWipeGoesOnLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var free atomic.Bool
		rng := newRand(t, 12)
		dir := t.TempDir()
		told := make(logLines, 10)
		s := open(t, dir, Options{Logger: told.logger(), hooks: commitHooks{busy: func() bool { return !free.Load() }}})
		d := doc("acme", 1)
		mustPut(t, s, secretAppend(rng, d, 0, slices.Repeat([]int{3000}, 100)...))
		purge(t, s, d, purgeOf)
		if line := <-told; !strings.Contains(line, "wipe goes on later") {
			t.Errorf("logged: %s", line)
		}
		s.view(nil, func(r reader) error {
			if n := r.tx.Bucket([]byte(fillerBucket.name)).Stats().KeyN; n > 0 {
				t.Errorf("%d records of filler stay", n)
			}
			return nil
		})
		if stone, ok, err := s.Tombstone(d); !ok || err != nil || !stone.Wiped.IsZero() {
			t.Errorf("tombstone: %+v, %t, %v, want one that isn't wiped", stone, ok, err)
		}
		free.Store(true)
		before := time.Now()
		awaitWipe(t, s, d)
		if took := time.Since(before); took < wipePause-time.Second {
			t.Errorf("it went on after %v", took)
		}
		if n := inFile(t, dir, d); n > 0 {
			t.Errorf("%d canaries after the wipe", n)
		}
		closeAndCheck(t, s, dir)
	})
}
