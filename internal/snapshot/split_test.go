package snapshot

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"concord/crdt"
	"concord/store"
)

// received is when the changes of a history came, by a clock that jumps.
func received(h *history, rng *rand.Rand) map[crdt.Hash]time.Time {
	times := make(map[crdt.Hash]time.Time)
	for _, c := range h.changes {
		times[c.Hash] = time.UnixMilli(rng.Int64N(100)).UTC()
	}
	return times
}

// appendEach stores each change on its own, with its time.
func (b *bench) appendEach(k store.DocKey, h *history, times map[crdt.Hash]time.Time) {
	b.t.Helper()
	graph := crdt.NewGraph()
	for i, c := range h.changes {
		if _, err := graph.Append(c.Header()); err != nil {
			b.t.Fatal(err)
		}
		graph.Publish(graph.Staged())
		a := store.Append{
			Doc: k, First: uint64(i), By: store.Attribution{User: "alice", Received: times[c.Hash]},
			Changes: []store.Change{{Hash: store.Hash(c.Hash), Bytes: c.Bytes()}},
		}
		for _, head := range graph.Heads() {
			a.Heads = append(a.Heads, store.Hash(head))
		}
		if err := b.store.Append(b.t.Context(), a, nil); err != nil {
			b.t.Fatal(err)
		}
	}
	b.append(key(9), h) // when it is durable, so are those before
}

// TestRestoreUntil restores a document of a few concurrent authors up to different times, from its snapshot and its tail.
func TestRestoreUntil(t *testing.T) {
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, seed))
	b := newBench(t, Options{})
	h := newHistory(seed)
	h.grow(t, 300)
	times := received(h, rng)
	for i, c := range h.changes { // so that a good part stays
		if i < 200 && rng.IntN(20) > 0 {
			times[c.Hash] = time.UnixMilli(0).UTC()
		}
	}
	b.appendEach(key(1), h, times)
	b.pool.Want(key(1), true)
	b.idle()
	if n := b.info(key(1)).SnapshotChanges; n != 300 {
		t.Fatalf("the snapshot covers %d changes, want 300", n)
	}
	h.grow(t, 20)
	for _, c := range h.changes[300:] {
		times[c.Hash] = time.UnixMilli(0).UTC()
	}
	b.append(key(1), h)
	var backup bytes.Buffer
	if _, err := b.store.Backup(t.Context(), &backup, store.BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, until := range []int64{0, 10, 50, 98, 99, 1000} {
		want := keptUntil(h, times, time.UnixMilli(until))
		got := restoreUntil(t, backup.Bytes(), time.UnixMilli(until))
		if !slices.Equal(got, want) {
			t.Errorf("until %d: %d changes, want %d", until, len(got), len(want))
		}
		if all := len(want) == len(h.changes); len(want) == 0 || all != (until >= 99) {
			t.Errorf("until %d: %d changes of %d are to stay, which proves nothing", until, len(want), len(h.changes))
		}
	}
	doc := key(1).Document
	o := store.RestoreOptions{
		Company: "acme", Document: &doc, Until: time.UnixMilli(-1), Split: Split, Dependencies: Dependencies,
	}
	_, err := store.Restore(t.Context(), filepath.Join(t.TempDir(), "new"), []io.Reader{bytes.NewReader(backup.Bytes())}, o)
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("until before the first change: %v, want ErrNotFound", err)
	}
}

// keptUntil returns the changes that came until a time and depend on none that came later.
func keptUntil(h *history, times map[crdt.Hash]time.Time, until time.Time) (kept []store.Hash) {
	for _, c := range h.changes {
		stays := !times[c.Hash].After(until)
		for _, d := range c.Deps {
			stays = stays && slices.Contains(kept, store.Hash(d))
		}
		if stays {
			kept = append(kept, store.Hash(c.Hash))
		}
	}
	return kept
}

func restoreUntil(t *testing.T, backup []byte, until time.Time) (hashes []store.Hash) {
	t.Helper()
	dir, doc := filepath.Join(t.TempDir(), "new"), key(1).Document
	_, err := store.Restore(t.Context(), dir, []io.Reader{bytes.NewReader(backup)}, store.RestoreOptions{
		Company: "acme", Document: &doc, Until: until, Split: Split, Dependencies: Dependencies,
		Verify: func() store.DocumentVerifier { return NewVerifier() },
	})
	if err != nil {
		t.Errorf("restore until %s: %v", until, err)
		return nil
	}
	s, err := store.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Changes(key(1), 0, 1<<32, func(_ uint64, c store.Change) error {
		hashes = append(hashes, c.Hash)
		return nil
	})
	if _, ok, docErr := s.Document(key(9)); ok || docErr != nil {
		t.Errorf("another document was restored, too; %v", docErr)
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Error(err)
	}
	return hashes
}
