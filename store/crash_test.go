package store

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestKill kills a process that writes changes and snapshots at random moments: whatever it printed as acknowledged has to be there.
func TestKill(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	dir := t.TempDir()
	acked, snapshots := make(map[byte]uint64), 0
	for round := range 10 {
		lines := 1 + rng.IntN(150)
		runUntilKilled(t, dir, lines, time.Duration(rng.IntN(3000))*time.Microsecond, acked)
		checkClean(t, dir)
		s := open(t, dir, Options{})
		for n, count := range acked {
			d := doc("acme", n)
			info, _, err := s.Document(d)
			if err != nil || info.Changes < count {
				t.Fatalf("round %d, document %d: %d changes of %d acknowledged, %v", round, n, info.Changes, count, err)
			}
			got, covered, err := readWhole(s, d)
			if err != nil || uint64(len(got)) < count || !sameChanges(got[:count], changes(d, 0, int(count))) {
				t.Fatalf("round %d, document %d: %d changes, %d in the snapshot, %v", round, n, len(got), covered, err)
			}
			snapshots += min(covered, 1)
			checkCrashRecords(t, s, d, info.Changes)
		}
		closeAndCheck(t, s, dir)
	}
	if len(acked) == 0 || snapshots == 0 {
		t.Errorf("%d documents were acknowledged, %d snapshots met", len(acked), snapshots)
	}
}

// runUntilKilled starts a child, kills it a moment after it printed some lines, and notes what it acknowledged.
func runUntilKilled(t *testing.T, dir string, lines int, moment time.Duration, acked map[byte]uint64) {
	t.Helper()
	untilKilled(t, "crash", dir, lines, moment, func(line string) error {
		var n byte
		var count uint64
		_, err := fmt.Sscanf(line, "ack %d %d", &n, &count)
		acked[n] = max(acked[n], count)
		return err
	})
}

// untilKilled runs the test binary as a child, passes on what it prints, and kills it a moment after some lines, or when
// one isn't what was expected.
func untilKilled(t *testing.T, child, dir string, lines int, moment time.Duration, take func(line string) error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+child, childDirEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := bufio.NewScanner(out)
	for i := 1; read.Scan(); i++ {
		if i == lines {
			time.AfterFunc(moment, func() { cmd.Process.Kill() })
		}
		if err := take(read.Text()); err != nil {
			cmd.Process.Kill()
			t.Errorf("child said %q", read.Text())
			break
		}
	}
	cmd.Wait()
}

// checkCrashRecords compares a document's record and its latest audit entry with what it holds: all of a write are there.
func checkCrashRecords(t *testing.T, s *Store, d DocKey, changes uint64) {
	t.Helper()
	want := fmt.Sprint(changes)
	v, ok, err := s.Get(d.Company, TableConflicts, record(d.Document[0], "count", "").Key)
	if string(v) != want || !ok || err != nil {
		t.Errorf("document %d: record says %q, %v, %v, want %s", d.Document[0], v, ok, err, want)
	}
	last := ""
	err = s.Audit(d.Company, 0, func(e AuditEntry) error {
		if e.Document == d.Document {
			last = string(e.Detail)
		}
		return nil
	})
	if last != want || err != nil {
		t.Errorf("document %d: latest audit entry says %q, %v, want %s", d.Document[0], last, err, want)
	}
}
