package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/testkit/node"
	"concord/store"
)

const (
	longestChain  = 3  // backups that continue each other
	bigDocuments  = 12 // that are there from the beginning, so that a backup takes a while
	bigDocChanges = 300
)

// TestCrashAmidBackup kills the backing-up command, and the server that it asks, while clients edit. A file under a
// backup's name is whole, and has all that was acknowledged before the command was started; what a killed one leaves
// is no backup.
func TestCrashAmidBackup(t *testing.T) {
	cycles := node.Setting(t, "CRASH_BACKUP_CYCLES", 6)
	b := &backupRun{run: begin(t, cycles, node.Options{}), dir: t.TempDir()}
	b.fill()
	b.nextSet()
	b.learn(&b.command, "backup", "--data", b.node.Data, filepath.Join(b.dir, "first.backup"))
	for cycle := range cycles {
		if cycle%cyclesPerSet == cyclesPerSet-1 {
			b.nextSet()
		}
		b.cycle(cycle)
		b.report(cycle+1, cycles)
	}
	b.verifyAll()
	b.node.Stop()
	b.checker.run()
	t.Logf("%d kills: %d backups whole and restored, of which %d continued others; %d commands killed, %d lost their server, %d left a file; %d acknowledged changes, none lost; %d checks clean",
		cycles, b.whole, b.continued, b.killed, b.deserted, b.leftovers, b.ledger.total(), b.checker.runs)
	if b.whole == 0 || b.killed+b.deserted == 0 {
		t.Error("no backup was made, or no kill came amid one; the test shows nothing")
	}
}

type backupRun struct {
	*run
	dir   string
	chain []string // backups, each of which continues the one before

	command pace

	whole, continued, killed, deserted, leftovers int
}

// fill imports documents that nobody edits.
func (r *run) fill() {
	r.t.Helper()
	admin := r.admin(r.node)
	for range bigDocuments {
		f := r.makeFile(bigDocChanges, make([]byte, 500))
		if _, err := f.send(r.t.Context(), admin); err != nil {
			r.t.Fatal(err)
		}
		r.ledger.acked[f.id] = f.hashes
		r.all = append(r.all, f.id)
	}
}

// cycle kills the command, the server, or neither while a backup is made.
func (b *backupRun) cycle(cycle int) {
	load := b.connect()
	b.verify(load)
	load.start(b.rng)
	name := filepath.Join(b.dir, fmt.Sprint(cycle, ".backup"))
	args := []string{"backup", "--data", b.node.Data, name}
	if len(b.chain) >= longestChain {
		b.chain = nil
	}
	if len(b.chain) > 0 {
		args = append(args, "--since", b.chain[len(b.chain)-1])
	}
	acked := b.ledger.copy()
	c := b.start(args...)
	ended := false
	switch cycle % 3 {
	case 0:
		b.writing(c)
		if b.kill(c) {
			b.killed++
		}
	case 1:
		b.writing(c)
	case 2:
		if err := b.wait(c); err != nil {
			b.t.Fatalf("concord %v: %v\n%s", args, err, &c.out)
		}
		ended = true
	}
	b.node.Kill()
	load.stop()
	if cycle%3 == 1 {
		err := b.wait(c)
		if ended = err == nil; !ended {
			b.deserted++
		}
	}
	b.checker.maybe()
	b.restart()
	b.judge(name, ended, acked)
	b.leftover()
}

// writing waits for a random moment of the command: of all of it, or of the time since it has begun to write.
func (b *backupRun) writing(c *command) {
	b.t.Helper()
	if b.rng.IntN(2) == 0 {
		b.amid(c, &b.command)
		return
	}
	for deadline := time.Now().Add(b.command.usual); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		if files, _ := filepath.Glob(filepath.Join(b.dir, ".*.backup-*")); len(files) > 0 {
			break
		}
	}
	time.Sleep(b.command.moment(b.rng) / 4)
}

// judge restores the backup with those that it continues, if there is one of the name. There has to be when the
// command said so.
func (b *backupRun) judge(name string, ended bool, acked map[id.DocumentID][]crdt.Hash) {
	b.t.Helper()
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) && !ended {
		return
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.chain = append(b.chain, name)
	b.whole++
	if len(b.chain) > 1 {
		b.continued++
	}
	data := filepath.Join(b.t.TempDir(), "restored")
	b.must(append([]string{"restore", "--data", data}, b.chain...)...)
	restored := node.Start(b.t, node.Options{Data: data})
	admin := b.admin(restored)
	for doc, want := range acked {
		b.holds(admin, doc, want)
	}
	restored.Stop()
	if err := os.RemoveAll(data); err != nil {
		b.t.Fatal(err)
	}
}

// leftover looks at what a killed command has left: it hasn't a backup's name, and isn't restored unless it is whole.
func (b *backupRun) leftover() {
	b.t.Helper()
	files, err := os.ReadDir(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".backup") {
			continue
		}
		b.leftovers++
		path := filepath.Join(b.dir, f.Name())
		if !b.complete(path) {
			data := filepath.Join(b.t.TempDir(), "restored")
			c := b.start("restore", "--data", data, path)
			if err := b.wait(c); err == nil {
				b.t.Errorf("a part of a backup was restored: %s\n%s", f.Name(), &c.out)
			}
			if _, err := os.Stat(filepath.Join(data, "concord.db")); !errors.Is(err, fs.ErrNotExist) {
				b.t.Errorf("a part of a backup has made a data folder: %s, %v", f.Name(), err)
			}
		}
		if err := os.Remove(path); err != nil {
			b.t.Fatal(err)
		}
	}
}

// complete reports whether a file has a backup's end: the command was killed right before it gave it its name.
func (b *backupRun) complete(path string) bool {
	b.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer f.Close()
	_, err = store.ReadManifest(bufio.NewReader(f))
	return err == nil
}
