package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
)

// settle waits until nothing is left to trim.
func settle(t testing.TB, s *Store) {
	t.Helper()
	for range 1000 {
		var left []trimming
		if err := s.view(nil, func(r reader) (err error) { left, err = r.trims(); return err }); err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		if err := wait(t, func(done func(error)) error { return s.PutSyncStates(context.Background(), nil, done) }); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("trimming doesn't come to an end")
}

func mustSnapshot(t testing.TB, s *Store, d DocKey, n int) {
	t.Helper()
	if err := putSnapshotOf(t, s, d, n); err != nil {
		t.Fatalf("put snapshot: %v", err)
	}
}

// records counts the change records of a document.
func records(t testing.TB, s *Store, d DocKey) (n int) {
	t.Helper()
	err := s.view(nil, func(r reader) error {
		key, _, err := r.documentKey(d)
		c := r.tx.Bucket([]byte(changesBucket.name)).Cursor()
		for k, _ := c.Seek(key); bytes.HasPrefix(k, key); k, _ = c.Next() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d, other := doc("acme", 1), doc("acme", 2)
	mustPut(t, s, appendOf(d, 0, 3000))
	mustPut(t, s, appendOf(other, 0, 3))
	if _, ok, err := s.Snapshot(d); ok || err != nil {
		t.Fatalf("snapshot before there is one: %v, %v", ok, err)
	}
	before, _, _ := s.Document(d)
	if before.SnapshotChanges != 0 || before.SnapshotBytes != 0 || before.TailBytes != before.Bytes {
		t.Errorf("info before: %+v", before)
	}
	for _, n := range []int{1000, 2500, 2501} {
		mustSnapshot(t, s, d, n)
		want := snapshotOf(changes(d, 0, n))
		got, ok, err := s.Snapshot(d)
		if !ok || err != nil || got.Changes != want.Changes || !bytes.Equal(got.Chunk, want.Chunk) || !bytes.Equal(got.Graph, want.Graph) {
			t.Fatalf("snapshot of %d: %v, %d changes, %d and %d bytes, %v", n, ok, got.Changes, len(got.Chunk), len(got.Graph), err)
		}
		err = s.ViewGraph(d, func(v Snapshot) error {
			if v.Changes != want.Changes || !bytes.Equal(v.Graph, want.Graph) || v.Chunk != nil {
				return errors.New("differs")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		tail := changes(d, 0, 3000)[n:]
		tailBytes := uint64(0)
		for _, c := range tail {
			tailBytes += uint64(len(c.Bytes))
		}
		info, _, err := s.Document(d)
		if err != nil || info.SnapshotChanges != uint64(n) || info.SnapshotBytes != uint64(len(want.Chunk)) ||
			info.TailBytes != tailBytes || info.Bytes != before.Bytes || info.Changes != 3000 || !slices.Equal(info.Heads, before.Heads) {
			t.Fatalf("info with %d: %+v, %v", n, info, err)
		}
		checkCovered(t, s, d, n, tail)
		settle(t, s)
		if got := records(t, s, d); got != 3000-n {
			t.Errorf("%d records are left, want %d", got, 3000-n)
		}
		checkCovered(t, s, d, n, tail)
	}
	mustPut(t, s, appendOf(d, 3000, 5))
	var runs uint64
	err := s.Attributions(d, 0, math.MaxUint64, func(r Run) error { runs += r.Count; return nil })
	if err != nil || runs != 3005 {
		t.Errorf("%d changes are attributed, %v", runs, err)
	}
	if got := records(t, s, other); got != 3 {
		t.Errorf("the other document has %d records", got)
	}
	r := closeAndCheck(t, s, dir)
	if r.Snapshots != 1 || r.Changes != 3008 || r.Documents != 2 {
		t.Errorf("report: %+v", r)
	}
}

// A snapshot that is smaller than the one it replaces leaves nothing of that one.
func TestSnapshotShrinks(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	mustPut(t, s, appendOf(d, 0, 3))
	list := changes(d, 0, 3)
	for i, parts := range []int{3, 1, 2} {
		snap := Snapshot{Changes: uint64(i + 1), Chunk: make([]byte, parts*partSize), Graph: make([]byte, parts*partSize-1)}
		err := wait(t, func(done func(error)) error {
			return s.PutSnapshot(t.Context(), d, snap, func(i uint64) Hash { return list[i].Hash }, done)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := s.Snapshot(d); err != nil || !bytes.Equal(got.Chunk, snap.Chunk) || !bytes.Equal(got.Graph, snap.Graph) {
			t.Errorf("%d parts: %v", parts, err)
		}
	}
	settle(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Check(t.Context(), dir, CheckOptions{})
	if err != nil || !r.OK() {
		t.Errorf("%v, %v", r.Faults, err)
	}
}

// A large snapshot is written bit by bit. One that isn't finished is not seen by anybody and leaves nothing.
func TestUnfinishedSnapshot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	mustPut(t, s, appendOf(d, 0, 3))
	list := changes(d, 0, 3)
	hash := func(i uint64) Hash { return list[i].Hash }
	snap := func(n int) Snapshot {
		return Snapshot{Changes: uint64(n), Chunk: bytes.Repeat([]byte{byte(n)}, 2*writeStep+n), Graph: make([]byte, writeStep)}
	}
	replace := func(s *Store, n int) error {
		return wait(t, func(done func(error)) error { return s.PutSnapshot(t.Context(), d, snap(n), hash, done) })
	}
	expect := func(s *Store, n int) {
		t.Helper()
		if got, ok, err := s.Snapshot(d); err != nil || ok != (n > 0) || ok && !bytes.Equal(got.Chunk, snap(n).Chunk) {
			t.Fatalf("snapshot of %d changes, want %d; %v", got.Changes, n, err)
		}
	}
	clean := func(stale bool) {
		t.Helper()
		parts := 0
		edit(t, dir, func(tx *bbolt.Tx) {
			tx.Bucket([]byte("snapshot-parts")).ForEach(func(_, _ []byte) error { parts++; return nil })
		})
		const whole = 3*writeStep/partSize + 1
		if stale != (parts%whole != 0) || parts > 2*whole {
			t.Errorf("%d parts are stored", parts)
		}
		r, err := Check(t.Context(), dir, CheckOptions{})
		if err != nil || !r.OK() {
			t.Errorf("%v, %v", r.Faults, err)
		}
	}
	s.Close()
	for want := range 2 {
		commits := 0
		s := open(t, dir, Options{hooks: commitHooks{before: func() error {
			if commits++; commits > 2 {
				return errors.New("the process has ended")
			}
			return nil
		}}})
		if err := replace(s, want+1); !errors.Is(err, ErrFailed) {
			t.Fatal(err)
		}
		expect(s, want)
		s.Close()
		clean(true)
		s = open(t, dir, Options{})
		expect(s, want)
		settle(t, s)
		s.Close()
		clean(false)
		s = open(t, dir, Options{})
		if err := replace(s, want+1); err != nil {
			t.Fatal(err)
		}
		settle(t, s)
		expect(s, want+1)
		s.Close()
		clean(false)
	}
}

// Trimming leaves the parts alone of a snapshot that is being written.
func TestTrimSparesWhatIsBeingWritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	mustPut(t, s, appendOf(d, 0, 3))
	mustSnapshot(t, s, d, 1)
	settle(t, s)
	w := startParts(t, s)
	key, own := w.key, w.base.generation
	last := func() (generation uint32) {
		flush := func(done func(error)) error { return s.PutSyncStates(t.Context(), nil, done) }
		if err := wait(t, flush); err != nil {
			t.Fatal(err)
		}
		if err := s.view(nil, func(r reader) (err error) { generation, err = r.lastGeneration(key); return err }); err != nil {
			t.Fatal(err)
		}
		return generation
	}
	s.trim(key, own)
	if last() != w.record.generation {
		t.Error("parts were deleted that are being written")
	}
	closeAndCheck(t, s, dir)

	// What a former process left is trimmed in steps, and a snapshot may begin before the last of them.
	s = open(t, dir, Options{})
	settle(t, s)
	if last() != own {
		t.Error("parts were left, or too many deleted")
	}
	left := w.record.generation
	w = startParts(t, s)
	s.trim(key, left)
	if last() != w.record.generation {
		t.Error("parts were deleted that are being written after a restart")
	}
	s.trim(key, w.record.generation)
	if last() != own {
		t.Error("parts were left, or too many deleted")
	}
	settle(t, s)
	closeAndCheck(t, s, dir)
}

// startParts writes the first part of a snapshot of the first document.
func startParts(t *testing.T, s *Store) *snapshotWrite {
	t.Helper()
	w := &snapshotWrite{key: documentKey(1)}
	var last uint32
	err := s.view(nil, func(r reader) (err error) {
		if w.base, err = r.snapshot(w.key); err == nil {
			last, err = r.lastGeneration(w.key)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.record.generation = s.nextGeneration(last)
	if err := s.putParts(t.Context(), w, []sealedPart{w.seal(chunkPart, 0, []byte("chunk"))}); err != nil {
		t.Fatal(err)
	}
	return w
}

// checkCovered expects the first n changes to be in the snapshot and the others in records.
func checkCovered(t testing.TB, s *Store, d DocKey, n int, tail []Change) {
	t.Helper()
	for _, i := range []int{0, n - 1}[:min(2, n)] {
		if _, err := s.Change(d, uint64(i)); !errors.Is(err, ErrInSnapshot) {
			t.Errorf("change %d: %v", i, err)
		}
		called := false
		err := s.Changes(d, uint64(i), math.MaxUint64, func(uint64, Change) error { called = true; return nil })
		if !errors.Is(err, ErrInSnapshot) || called {
			t.Errorf("changes from %d: %v", i, err)
		}
	}
	at := n
	err := s.Changes(d, uint64(n), math.MaxUint64, func(i uint64, c Change) error {
		if want := tail[at-n]; i != uint64(at) || c.Hash != want.Hash || !bytes.Equal(c.Bytes, want.Bytes) {
			return fmt.Errorf("change %d differs", i)
		}
		at++
		return nil
	})
	if err != nil || at != n+len(tail) {
		t.Errorf("tail ends at %d, %v", at, err)
	}
}

func TestSnapshotRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	mustPut(t, s, appendOf(d, 0, 30))
	list := changes(d, 0, 40)
	hash := func(i uint64) Hash { return list[i].Hash }
	try := func(key DocKey, snap Snapshot, hash func(uint64) Hash) error {
		return wait(t, func(done func(error)) error { return s.PutSnapshot(t.Context(), key, snap, hash, done) })
	}
	for name, c := range map[string]struct {
		key  DocKey
		snap Snapshot
		hash func(uint64) Hash
	}{
		"more than is stored": {d, snapshotOf(list[:31]), hash},
		"no document":         {doc("acme", 2), snapshotOf(list[:30]), hash},
		"no company":          {doc("other", 1), snapshotOf(list[:30]), hash},
		"without chunk":       {d, Snapshot{Changes: 3, Graph: []byte{1}}, hash},
		"without graph":       {d, Snapshot{Changes: 3, Chunk: []byte{1}}, hash},
		"another hash": {d, snapshotOf(list[:30]), func(i uint64) Hash {
			if i == 29 {
				return Hash{}
			}
			return list[i].Hash
		}},
	} {
		if err := try(c.key, c.snap, c.hash); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	mustSnapshot(t, s, d, 10)
	for _, n := range []int{0, 9, 10} {
		if err := try(d, Snapshot{Changes: uint64(n), Chunk: []byte{1}, Graph: []byte{1}}, hash); !errors.Is(err, ErrInSnapshot) {
			t.Errorf("snapshot of %d after one of 10: %v", n, err)
		}
	}
	// Of two that were compared at the same time, the second is refused.
	results := make(chan error, 2)
	stop := make(chan struct{})
	blockCommits(t, s, stop)
	for range 2 {
		if err := s.PutSnapshot(t.Context(), d, snapshotOf(list[:20]), hash, func(err error) { results <- err }); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-results; err != nil {
		t.Error(err)
	}
	if err := <-results; !errors.Is(err, ErrInSnapshot) {
		t.Errorf("second: %v", err)
	}
	closeAndCheck(t, s, dir)
}

// blockCommits keeps the store from committing until stop is closed.
func blockCommits(t testing.TB, s *Store, stop chan struct{}) {
	t.Helper()
	entered := make(chan struct{})
	if err := s.submit(context.Background(), 0, func(*batch) error { close(entered); <-stop; return nil }, nil); err != nil {
		t.Fatal(err)
	}
	<-entered
}

// A process that ends before all covered records are deleted leaves a clean file, and the next one goes on.
func TestTrimGoesOnAfterRestart(t *testing.T) {
	dir := t.TempDir()
	commits, limit := 0, math.MaxInt
	s := open(t, dir, Options{hooks: commitHooks{before: func() error {
		if commits++; commits > limit {
			return errors.New("the process has ended")
		}
		return nil
	}}})
	d := doc("acme", 1)
	mustPut(t, s, appendOf(d, 0, 4*trimChanges))
	limit = commits + 2 // the snapshot and one step
	mustSnapshot(t, s, d, 4*trimChanges-10)
	if err := s.Close(); err != nil && !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	checkClean(t, dir)
	s = open(t, dir, Options{})
	checkCovered(t, s, d, 4*trimChanges-10, changes(d, 0, 4*trimChanges)[4*trimChanges-10:])
	settle(t, s)
	if got := records(t, s, d); got != 10 {
		t.Errorf("%d records are left", got)
	}
	closeAndCheck(t, s, dir)
}

// Readers see one snapshot or the other, whole, while snapshots replace each other.
func TestReadersDuringSnapshots(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	const n = 2000
	mustPut(t, s, appendOf(d, 0, n))
	want := changes(d, 0, n)
	read := func() error {
		var list []Change
		start := uint64(0)
		err := s.ViewSnapshot(d, func(v Snapshot) error {
			l, err := readSnapshot(v)
			for _, c := range l {
				list = append(list, Change{c.Hash, bytes.Clone(c.Bytes)})
			}
			start = v.Changes
			return err
		})
		if err != nil {
			return err
		}
		err = s.Changes(d, start, math.MaxUint64, func(_ uint64, c Change) error {
			list = append(list, Change{c.Hash, bytes.Clone(c.Bytes)})
			return nil
		})
		if errors.Is(err, ErrInSnapshot) {
			return nil // another snapshot came between the two calls
		}
		if err == nil && !sameChanges(list, want) {
			err = errors.New("document differs")
		}
		return err
	}
	done := make(chan error)
	stop := make(chan struct{})
	go func() {
		for {
			if err := read(); err != nil {
				done <- err
				return
			}
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
		}
	}()
	for at := 100; at <= n; at += 100 {
		mustSnapshot(t, s, d, at)
	}
	settle(t, s)
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	closeAndCheck(t, s, dir)
}

// A file of format 1 is checked as it is, and gets what it lacks when it is opened.
func TestFormat1(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	mustPut(t, s, appendOf(d, 0, 30))
	closeAndCheck(t, s, dir)
	edit(t, dir, func(tx *bbolt.Tx) {
		for _, def := range allBuckets {
			if def.since > 1 {
				tx.DeleteBucket([]byte(def.name))
			}
		}
		tx.Bucket([]byte("meta")).Put(formatKey, metaBucket.seal(formatKey, appendU32(nil, 1)))
	})
	checkClean(t, dir)
	old, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	checkCovered(t, old, d, 0, changes(d, 0, 30))
	if info, _, err := old.Document(d); err != nil || info.SnapshotChanges != 0 {
		t.Errorf("read only: %+v, %v", info, err)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	s = open(t, dir, Options{})
	checkCovered(t, s, d, 0, changes(d, 0, 30))
	mustSnapshot(t, s, d, 12)
	settle(t, s)
	if r := closeAndCheck(t, s, dir); r.Snapshots != 1 || r.Changes != 30 {
		t.Errorf("report: %+v", r)
	}
}
