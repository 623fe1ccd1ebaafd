package crash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
	"concord/internal/testkit/node"
	"concord/store"
)

// TestCrashAmidRestore kills the restoring command at random moments. Run again it makes what the backups hold; a
// killed one leaves no data folder that a server would start on, or a whole one.
func TestCrashAmidRestore(t *testing.T) {
	cycles := node.Setting(t, "CRASH_RESTORE_CYCLES", 10)
	r := &restoreRun{run: begin(t, cycles, node.Options{})}
	r.makeBackups()
	r.learn(&r.command, r.args(r.folder())...)
	for cycle := range cycles {
		r.cycle()
		r.report(cycle+1, cycles)
	}
	t.Logf("%d restores: %d commands killed, which left %d parts and %d whole folders; %d checks clean", cycles, r.killed, r.parts, r.complete, r.checker.runs)
	if r.killed == 0 || r.parts == 0 {
		t.Error("no kill came amid a restore; the test shows nothing")
	}
}

type restoreRun struct {
	*run
	backups []string
	want    []string // what the backed up folder holds
	command pace

	killed, parts, complete int
}

// makeBackups makes a full backup, and one that continues it, of a server on which documents were edited and deleted.
func (r *restoreRun) makeBackups() {
	r.t.Helper()
	r.fill()
	r.nextSet()
	dir := r.t.TempDir()
	for n := range 2 {
		load := r.connect()
		r.verify(load)
		load.start(r.rng).wait()
		if _, err := remove(r.t.Context(), r.admin(r.node), r.all[n]); err != nil {
			r.t.Fatal(err)
		}
		r.node.Kill()
		load.stop()
		r.backups = append(r.backups, filepath.Join(dir, fmt.Sprint(n, ".backup")))
		args := []string{"backup", "--data", r.node.Data, r.backups[n]}
		if n > 0 {
			args = append(args, "--since", r.backups[n-1])
		}
		r.want = r.contents(r.node.Data)
		r.must(args...)
		r.restart()
	}
	r.node.Stop()
}

func (r *restoreRun) folder() string { return filepath.Join(r.t.TempDir(), "restored") }

func (r *restoreRun) args(data string) []string {
	return append([]string{"restore", "--data", data}, r.backups...)
}

// cycle kills a restore, perhaps twice, and then lets it be.
func (r *restoreRun) cycle() {
	r.t.Helper()
	data := r.folder()
	complete := false
	for range 1 + r.rng.IntN(2) {
		c := r.start(r.args(data)...)
		r.amid(c, &r.command)
		if !r.kill(c) && !c.cmd.ProcessState.Success() {
			r.t.Fatalf("concord %v: %v\n%s", c.cmd.Args, c.cmd.ProcessState, &c.out)
		}
		if !c.cmd.ProcessState.Exited() {
			r.killed++
		}
		if complete = r.whole(data); complete {
			break
		}
	}
	if complete {
		r.complete++ // the command refuses a folder that it has made
	} else {
		r.must(r.args(data)...)
	}
	files, err := os.ReadDir(data)
	if err != nil || len(files) != 1 {
		r.t.Fatalf("the restored folder has %v, %v, want one file", files, err)
	}
	if diff := cmp.Diff(r.want, r.contents(data)); diff != "" {
		r.t.Fatalf("restored, against what was backed up (-want +got):\n%s", diff)
	}
	r.checker.data = data
	r.checker.run()
	if err := os.RemoveAll(data); err != nil {
		r.t.Fatal(err)
	}
}

// whole reports whether there is a data file under its name, and counts what else there is.
func (r *restoreRun) whole(data string) bool {
	r.t.Helper()
	_, err := os.Stat(filepath.Join(data, "concord.db"))
	if err == nil {
		return true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		r.t.Fatal(err)
	}
	if files, _ := os.ReadDir(data); len(files) > 0 {
		r.parts++
	}
	return false
}

// contents describes all that a backup of a data folder has to keep: the check holds the changes against the heads.
func (r *restoreRun) contents(data string) (list []string) {
	r.t.Helper()
	s, err := store.OpenReadOnly(data)
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	companies, err := s.Companies()
	for _, c := range companies {
		err = errors.Join(err,
			s.Documents(c, id.DocumentID{}, func(d store.DocumentInfo) error {
				list = append(list, fmt.Sprintf("%s: document %v: %d changes, %d bytes, heads %x, last by %+v", c, d.Document, d.Changes, d.Bytes, d.Heads, d.Last))
				return d.Damaged
			}),
			s.Tombstones(c, id.DocumentID{}, func(d id.DocumentID, stone store.Tombstone) error {
				stone.Wiped = time.Time{} // by each server for itself
				list = append(list, fmt.Sprintf("%s: deleted %v: %+v", c, d, stone))
				return nil
			}),
			s.Audit(c, 0, func(e store.AuditEntry) error {
				list = append(list, fmt.Sprintf("%s: audit entry %d: %x", c, e.Seq, e.Hash))
				return nil
			}))
		for _, table := range []store.Table{store.TableReferences, store.TableDocumentTypes, store.TableConflicts,
			store.TableConflictValues, store.TableConflictTimes, store.TableConflictNotes} {
			err = errors.Join(err, s.Scan(c, table, store.Range{}, func(key, value []byte) error {
				list = append(list, fmt.Sprintf("%s: record %s %x = %x", c, table, key, value))
				return nil
			}))
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}
