package crash

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/testkit/node"
)

const (
	importedAtOnce = 3 // calls
	filesPerCycle  = 6
	mostChanges    = 400 // of an imported document
)

// TestCrashAmidImport kills the server, or the importing command, while documents are imported. What was answered is
// complete; what was interrupted is after the same import was made again.
func TestCrashAmidImport(t *testing.T) {
	cycles := node.Setting(t, "CRASH_IMPORT_CYCLES", 12)
	i := &importRun{run: begin(t, cycles, node.Options{}), hashes: make(map[id.DocumentID][]crdt.Hash)}
	args, _ := i.makeFolder()
	i.learn(&i.command, args...)
	kills := 0
	for ; kills < cycles || !i.telling() && kills < 5*cycles; kills++ { // on a busy machine, kills may come too early or too late
		switch cycle := kills; cycle % 3 {
		case 0:
			i.calls(cycle)
		case 1:
			i.folder(true)
		case 2:
			i.folder(false)
		}
		i.report(kills+1, max(cycles, kills+1))
	}
	admin := i.admin(i.node)
	for doc, want := range i.hashes {
		i.holds(admin, doc, want)
	}
	i.node.Stop()
	i.checker.run()
	t.Logf("%d kills: %d documents imported, of which %d were answered before a kill and %d interrupted, in part %d; %d commands killed, %d lost their server; %d checks clean",
		kills, len(i.hashes), i.answered, i.interrupted, i.partly, i.killed, i.deserted, i.checker.runs)
	if !i.telling() {
		t.Error("no kill came amid imports; the test shows nothing")
	}
}

type importRun struct {
	*run
	hashes map[id.DocumentID][]crdt.Hash // what is to be there at the end

	call, command pace
	blind         time.Duration // until the latest kill before call was learned

	answered, interrupted, partly int // imports by calls
	killed, deserted              int // commands
}

// telling reports whether kills came amid imports of each kind.
func (i *importRun) telling() bool {
	return i.answered > 0 && i.interrupted > 0 && i.killed+i.deserted > 0
}

func (i *importRun) files(n int) (list []file) {
	for range n {
		list = append(list, i.makeFile(100+i.rng.IntN(mostChanges-100), nil))
	}
	return list
}

// calls kills the server during calls of the API.
func (i *importRun) calls(cycle int) {
	files := i.files(filesPerCycle)
	for n := range files {
		if n%2 == 0 {
			files[n].ref = fmt.Sprint(cycle, "-", n)
		}
	}
	answers := make([]*imported, len(files))
	var group sync.WaitGroup
	admin, begin := i.admin(i.node), time.Now()
	for from := range importedAtOnce {
		group.Go(func() {
			for n := from; n < len(files); n += importedAtOnce {
				if got, err := files[n].send(i.t.Context(), admin); err == nil {
					answers[n] = &got
				}
			}
			if from == 0 && answers[len(files)-importedAtOnce] != nil {
				i.call.took(time.Since(begin))
			}
		})
	}
	if i.call.usual == 0 {
		i.blind = min(2*i.blind+20*time.Millisecond, 5*time.Second) // until something is answered
		time.Sleep(i.blind)
	} else {
		time.Sleep(i.call.moment(i.rng))
	}
	i.node.Kill()
	group.Wait()
	i.checker.maybe()
	i.restart()
	for n, f := range files {
		i.again(f, answers[n])
	}
}

// again holds an answered import against what is there, and repeats the import.
func (i *importRun) again(f file, answer *imported) {
	i.t.Helper()
	admin := i.admin(i.node)
	if answer != nil {
		i.answered++
		if answer.New != len(f.hashes) {
			i.t.Fatalf("import of %d changes answered: %+v", len(f.hashes), answer)
		}
		i.holds(admin, answer.ID, f.hashes)
	} else {
		i.interrupted++
	}
	got, err := f.send(i.t.Context(), admin)
	if err != nil {
		i.t.Fatalf("repeat the import: %v", err)
	}
	if got.New+got.Known != len(f.hashes) || got.Waiting+len(got.Refused) > 0 || answer != nil && (got.New > 0 || got.ID != answer.ID) {
		i.t.Fatalf("import of %d changes, answered %+v, repeated after the kill: %+v", len(f.hashes), answer, got)
	}
	if got.New > 0 && got.Known > 0 {
		i.partly++
	}
	i.holds(admin, got.ID, f.hashes)
	i.hashes[got.ID] = f.hashes
}

// folder kills "concord doc import --nodefs", or its server, and runs it again.
func (i *importRun) folder(command bool) {
	args, files := i.makeFolder()
	c := i.start(args...)
	i.amid(c, &i.command)
	if command {
		if i.kill(c) {
			i.killed++
		}
	} else {
		i.node.Kill()
		if i.wait(c) != nil {
			i.deserted++
		}
		i.checker.maybe()
		i.restart()
	}
	i.must(args...)
	for _, f := range files {
		i.holds(i.admin(i.node), f.id, f.hashes)
	}
}

// makeFolder makes a folder of documents; args is how to import it.
func (i *importRun) makeFolder() (args []string, files []file) {
	i.t.Helper()
	dir := filepath.Join(i.t.TempDir(), "documents")
	files = i.files(filesPerCycle)
	for _, f := range files {
		i.keep(dir, f)
		i.hashes[f.id] = f.hashes
	}
	return []string{"doc", "import", "--nodefs", dir}, files
}

// keep writes a document as automerge-repo keeps it.
func (i *importRun) keep(dir string, f file) {
	i.t.Helper()
	name := f.id.String()
	for kind, b := range map[string][]byte{"snapshot": f.whole, "incremental": f.changes} {
		if len(b) == 0 {
			continue
		}
		folder := filepath.Join(dir, name[:2], name[2:], kind)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			i.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, hex.EncodeToString(f.hashes[0][:])), b, 0o600); err != nil {
			i.t.Fatal(err)
		}
	}
}
