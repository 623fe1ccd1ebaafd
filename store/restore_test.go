package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

func TestRestoreOfAPart(t *testing.T) {
	s, dir := busyStore(t)
	all := contents(t, s)
	backup, _ := backUp(t, s, nil)
	closeAndCheck(t, s, dir)
	acme := slices.DeleteFunc(slices.Clone(all), func(line string) bool { return !strings.HasPrefix(line, "acme ") })
	got, _ := restoreAll(t, RestoreOptions{Company: "acme"}, backup)
	if diff := cmp.Diff(acme, got); diff != "" {
		t.Errorf("one company (-want +got):\n%s", diff)
	}
	d := doc("", 3).Document
	hex := string(appendHex(nil, d[:]))
	one := slices.DeleteFunc(acme, func(line string) bool {
		return !strings.Contains(line, "audit") && !strings.Contains(line, "revocation") &&
			!strings.Contains(line, d.String()) && !strings.Contains(line, hex) && line != "acme events 5" // the number given last
	})
	got, _ = restoreAll(t, RestoreOptions{Company: "acme", Document: &d}, backup)
	if diff := cmp.Diff(one, got); diff != "" {
		t.Errorf("one document (-want +got):\n%s", diff)
	}
	unknown := doc("", 99).Document
	for _, o := range []RestoreOptions{
		{Company: "initech"}, {Company: "acme", Document: &unknown}, {Company: "initech", Document: &d},
	} {
		if dir, _, err := tryRestore(t, o, backup); !errors.Is(err, ErrNotFound) || !untouched(t, dir) {
			t.Errorf("restore of %+v: %v, want ErrNotFound", o, err)
		}
	}
	for _, o := range []RestoreOptions{
		{Document: &d}, {Until: testTime}, {Company: "acme", Document: &d, Until: testTime},
	} {
		if _, _, err := tryRestore(t, o, backup); !errors.Is(err, ErrInvalid) {
			t.Errorf("restore of %+v: %v, want ErrInvalid", o, err)
		}
	}
}

func appendHex(b, data []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range data {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// untouched tells that a folder holds nothing.
func untouched(t testing.TB, dir string) bool {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	return len(list) == 0
}

func TestRestoreRefusesBackupsOutOfTurn(t *testing.T) {
	s, dir := busyStore(t)
	full, m := backUp(t, s, nil)
	mustPut(t, s, appendOf(doc("acme", 1), 40, 1))
	first, m1 := backUp(t, s, &m)
	mustPut(t, s, appendOf(doc("acme", 1), 41, 1))
	second, _ := backUp(t, s, &m1)
	sibling, _ := backUp(t, s, &m)
	closeAndCheck(t, s, dir)
	other, dir := busyStore(t)
	foreign, _ := backUp(t, other, nil)
	closeAndCheck(t, other, dir)
	for name, backups := range map[string][][]byte{
		"no full one":    {first},
		"one left out":   {full, second},
		"two full ones":  {full, full},
		"wrong order":    {full, second, first},
		"one twice":      {full, first, first},
		"a branch":       {full, first, sibling},
		"another store":  {foreign, first},
		"after the full": {first, full},
	} {
		if dir, _, err := tryRestore(t, RestoreOptions{}, backups...); !errors.Is(err, ErrBackup) || !untouched(t, dir) {
			t.Errorf("%s: %v, want ErrBackup", name, err)
		}
	}
	if _, _, err := tryRestore(t, RestoreOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("no backups: %v, want ErrInvalid", err)
	}
	for _, backups := range [][][]byte{{full}, {full, first}, {full, first, second}, {full, sibling}} {
		if _, _, err := tryRestore(t, RestoreOptions{}, backups...); err != nil {
			t.Errorf("%d backups: %v", len(backups), err)
		}
	}
}

func TestRestoreIntoAFolderInUse(t *testing.T) {
	s, dir := busyStore(t)
	backup, _ := backUp(t, s, nil)
	if _, err := Restore(t.Context(), dir, readersOf([][]byte{backup}), RestoreOptions{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("restore into the store's folder: %v, want ErrExist", err)
	}
	closeAndCheck(t, s, dir)
}

// TestDamagedBackup flips bytes and cuts, at random places.
func TestDamagedBackup(t *testing.T) {
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, seed))
	s, dir := busyStore(t)
	backup, m := backUp(t, s, nil)
	mustPut(t, s, appendOf(doc("acme", 1), 40, 1))
	increment, _ := backUp(t, s, &m)
	closeAndCheck(t, s, dir)
	for round := range 60 {
		bad, name := bytes.Clone(increment), "increment"
		if round%3 == 0 {
			bad, name = bytes.Clone(backup), "full backup"
		}
		at := rng.IntN(len(bad))
		switch round % 4 {
		case 0:
			bad = bad[:at]
		case 1:
			bad = append(bad[:at], bad[at+1:]...)
		case 2:
			bad = append(bad, 0)
		default:
			bad[at] ^= 1 << rng.IntN(8)
		}
		backups := [][]byte{backup, bad}
		if name == "full backup" {
			backups = [][]byte{bad, increment}
		}
		dir, _, err := tryRestore(t, RestoreOptions{}, backups...)
		if !errors.Is(err, ErrBackup) || !untouched(t, dir) {
			t.Errorf("round %d, %s damaged at %d: %v, want ErrBackup", round, name, at, err)
		}
		if _, err := ReadManifest(bytes.NewReader(bad)); !errors.Is(err, ErrBackup) {
			t.Errorf("round %d, manifest of a %s damaged at %d: %v, want ErrBackup", round, name, at, err)
		}
	}
}

// A reader whose error isn't the end, and a context that ends, leave nothing behind.
func TestRestoreIsCutOff(t *testing.T) {
	s, dir := busyStore(t)
	backup, _ := backUp(t, s, nil)
	closeAndCheck(t, s, dir)
	broken := errors.New("the disk is broken")
	to := filepath.Join(t.TempDir(), "restored")
	r := io.MultiReader(bytes.NewReader(backup[:len(backup)/2]), errorReader{broken})
	if _, err := Restore(t.Context(), to, []io.Reader{r}, RestoreOptions{}); !errors.Is(err, broken) || !untouched(t, to) {
		t.Errorf("broken reader: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	progress := func(p Progress) {
		if p.Done == 3 {
			cancel()
		}
	}
	_, err := Restore(ctx, to, readersOf([][]byte{backup}), RestoreOptions{Progress: progress})
	if !errors.Is(err, context.Canceled) || !untouched(t, to) {
		t.Errorf("canceled: %v", err)
	}
	report, err := Restore(t.Context(), to, readersOf([][]byte{backup}), RestoreOptions{Verify: newChain})
	if err != nil || report.Documents != 10 || report.Snapshots != 2 {
		t.Errorf("restore: %+v, %v", report, err)
	}
	checkClean(t, to)
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// A backup that can't be written ends with the writer's error, and snapshots, which wait for it, go on.
func TestBackupIsCutOff(t *testing.T) {
	s, dir := busyStore(t)
	full := errors.New("the disk is full")
	started, proceed := make(chan struct{}), make(chan struct{})
	writes := 0
	w := slowWriter{failingWriter{full}, func() {
		if writes++; writes == 1 {
			close(started)
			<-proceed
		}
	}}
	stored := make(chan error, 1)
	failed := make(chan error, 1)
	go func() {
		_, err := s.Backup(context.Background(), w, BackupOptions{})
		failed <- err
	}()
	<-started
	go func() {
		list := changes(doc("acme", 1), 0, 40)
		err := s.PutSnapshot(context.Background(), doc("acme", 1), snapshotOf(list), func(i uint64) Hash { return list[i].Hash }, func(err error) { stored <- err })
		if err != nil {
			stored <- err
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	list := changes(doc("acme", 2), 0, 40)
	if err := s.PutSnapshot(ctx, doc("acme", 2), snapshotOf(list), func(i uint64) Hash { return list[i].Hash }, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("snapshot during the backup: %v, want that its context has ended", err)
	}
	mustPut(t, s, appendOf(doc("acme", 1), 40, 1))
	select {
	case err := <-stored:
		t.Errorf("a snapshot was stored during a backup: %v", err)
	default:
	}
	close(proceed)
	if err := <-failed; !errors.Is(err, full) {
		t.Errorf("back up: %v, want the writer's error", err)
	}
	if err := <-stored; err != nil {
		t.Errorf("snapshot after the backup: %v", err)
	}
	if _, err := s.Backup(ctx, io.Discard, BackupOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	settle(t, s)
	closeAndCheck(t, s, dir)
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// A backup that is whole, but says what can't be, is found out by the check.
func TestForgedBackup(t *testing.T) {
	s, dir := busyStore(t)
	sound, _ := backUp(t, s, nil)
	closeAndCheck(t, s, dir)
	for name, forge := range map[string]func(kind byte, payload []byte) []byte{
		"other content": func(kind byte, p []byte) []byte { return flip(kind == frameChange, p, len(p)-1) },
		"other head":    func(kind byte, p []byte) []byte { return flip(kind == frameDocument, p, len(p)-1) },
		"other count":   func(kind byte, p []byte) []byte { return flip(kind == frameDocument, p, id.DocumentIDSize+15) },
		"other sum":     func(kind byte, p []byte) []byte { return flip(kind == frameDocument, p, id.DocumentIDSize+23) },
		"other chunk":   func(kind byte, p []byte) []byte { return flip(kind == frameChunk, p, len(p)-1) },
		"other graph":   func(kind byte, p []byte) []byte { return flip(kind == frameGraph, p, 0) },
		"other audit":   func(kind byte, p []byte) []byte { return flip(kind == frameAudit, p, 8+hashSize+7) },
		"other end":     func(kind byte, p []byte) []byte { return flip(kind == frameHead, p, 39) },
		"no end":        func(kind byte, p []byte) []byte { return drop(kind == frameHead, p) },
		"no runs":       func(kind byte, p []byte) []byte { return drop(kind == frameRun, p) },
		"no documents":  func(kind byte, p []byte) []byte { return drop(kind == frameDocument, p) },
		"no ends":       func(kind byte, p []byte) []byte { return drop(kind == frameEnd, p) },
		"no companies":  func(kind byte, p []byte) []byte { return drop(kind == frameName, p) },
		"no manifest":   func(kind byte, p []byte) []byte { return drop(kind == frameManifest, p) },
		"more changes":  func(kind byte, p []byte) []byte { return flip(kind == frameManifest, p, countSize-1) },
		"no chunk":      func(kind byte, p []byte) []byte { return drop(kind == frameChunk, p) },
	} {
		bad := reforge(t, sound, forge)
		if bytes.Equal(bad, sound) {
			t.Errorf("%s: nothing was changed", name)
		}
		dir, _, err := tryRestore(t, RestoreOptions{}, bad)
		if !errors.Is(err, ErrBackup) || !untouched(t, dir) {
			t.Errorf("%s: %v, want ErrBackup", name, err)
		}
	}
	if same := reforge(t, sound, func(_ byte, p []byte) []byte { return p }); !bytes.Equal(same, sound) {
		t.Error("forging nothing changes the backup")
	}
}

func flip(do bool, payload []byte, at int) []byte {
	if do {
		payload = bytes.Clone(payload)
		payload[at] ^= 1
	}
	return payload
}

func drop(do bool, payload []byte) []byte {
	if do {
		return nil
	}
	return payload
}

// reforge changes the payloads of a backup's frames; nil drops one. Checksums are made right.
func reforge(t testing.TB, backup []byte, change func(kind byte, payload []byte) []byte) []byte {
	t.Helper()
	f, err := openFrames(bytes.NewReader(backup))
	if err != nil {
		t.Fatal(err)
	}
	out := []byte(backupMagic)
	for {
		kind, payload, err := f.next()
		if err != nil {
			t.Fatal(err)
		}
		if kind == frameFinal {
			return appendFinal(out)
		}
		if changed := change(kind, append([]byte{}, payload...)); changed != nil {
			out = appendFrame(out, kind, changed)
		}
	}
}

func appendFinal(backup []byte) []byte {
	sum := sha256.Sum256(backup)
	return appendFrame(backup, frameFinal, sum[:])
}

// mend makes the checksums of what may be a backup right, as far as its frames go.
func mend(b []byte) []byte {
	if len(b) < len(backupMagic) {
		return b
	}
	out := []byte(backupMagic)
	for rest := b[len(backupMagic):]; len(rest) >= frameHeader && rest[0] != frameFinal; {
		n := frameHeader + int(min(u32(rest[1:]), 1<<20))
		if len(rest) < n {
			break
		}
		out = append(out, rest[:n]...)
		out = appendU32(out, crc32.Checksum(rest[:n], castagnoli))
		rest = rest[min(len(rest), n+crcSize):]
	}
	return appendFinal(out)
}

// FuzzRestore reads whatever there may be in a file that is said to be a backup. When it can be restored, the folder can
// be opened and backed up.
func FuzzRestore(f *testing.F) {
	s, dir := smallStore(f)
	sound, m := backUp(f, s, nil)
	mustPut(f, s, appendOf(doc("acme", 1), 3, 2))
	increment, _ := backUp(f, s, &m)
	closeAndCheck(f, s, dir)
	f.Add(sound, increment, true)
	f.Add(sound, []byte(backupMagic), false)
	f.Add([]byte{}, []byte{}, true)
	f.Fuzz(func(t *testing.T, full, increment []byte, mended bool) {
		if mended {
			full, increment = mend(full), mend(increment)
		}
		ReadManifest(bytes.NewReader(increment))
		to := filepath.Join(t.TempDir(), "restored")
		if _, err := Restore(t.Context(), to, readersOf([][]byte{full, increment}), RestoreOptions{Verify: newChain}); err != nil {
			if !errors.Is(err, ErrBackup) || !untouched(t, to) {
				t.Errorf("restore: %v, want ErrBackup, and nothing left", err)
			}
			return
		}
		s, err := Open(to, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Backup(t.Context(), io.Discard, BackupOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// smallStore has one of each kind of frame.
func smallStore(t testing.TB) (s *Store, dir string) {
	dir = t.TempDir()
	s = open(t, dir, Options{Now: func() time.Time { return testTime }})
	for n := byte(1); n < 3; n++ {
		mustPut(t, s, appendOf(doc("acme", n), 0, 3))
	}
	mustPutRecords(t, s, "acme", oneOfEach(1), auditEntry(ActionImport))
	reject(t, s, Rejection{Company: "acme", User: "alice", Reason: "seq-gap", Last: testTime})
	if err := s.PutRevocation(t.Context(), Revocation{Company: "acme", Kind: RevokeToken, ID: "jti", At: testTime}, nil); err != nil {
		t.Fatal(err)
	}
	mustSnapshot(t, s, doc("acme", 1), 2)
	mustPurge(t, s, doc("acme", 2))
	return s, dir
}
