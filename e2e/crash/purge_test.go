package crash

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"concord/internal/client"
	"concord/internal/id"
	"concord/internal/testkit/node"
	"concord/store"
)

const (
	victimsPerCycle = 5
	victimChanges   = 60
	pollWipe        = 5 * time.Millisecond
)

// TestCrashAmidPurge kills the server while documents are deleted and others edited. A deletion that was answered
// stays, nothing of what was deleted is in the file once the server says so, and no other document has lost anything.
func TestCrashAmidPurge(t *testing.T) {
	cycles := node.Setting(t, "CRASH_PURGE_CYCLES", 6)
	p := &purgeRun{run: begin(t, cycles, node.Options{
		Env: []string{"CONCORD_SNAPSHOT_CHANGES=20", "CONCORD_SNAPSHOT_WORKERS=2", "CONCORD_DOCUMENT_CACHE=1MiB"},
	}), gone: make(map[id.DocumentID]bool)}
	mark := p.newID()
	p.mark = append(mark[:], "canary of "...)
	for cycle := range cycles {
		if cycle%cyclesPerSet == 0 {
			p.nextSet()
		}
		p.cycle(cycle%2 == 1)
		p.report(cycle+1, cycles)
	}
	p.finish()
	t.Logf("%d kills: %d documents deleted, of which %d deletions were answered before a kill, %d made and not answered, and %d not made; %d wipes under way when killed; "+
		"%d acknowledged changes of others, none lost; %d checks clean", cycles, len(p.gone), p.answered, p.silent, p.unmade, p.unwiped, p.ledger.total(), p.checker.runs)
	if p.seen == 0 {
		t.Error("no canary was ever in the file before a deletion; the test shows nothing")
	}
	if p.answered == 0 || p.unwiped == 0 {
		t.Error("no kill came amid deletions; the test shows nothing")
	}
}

type purgeRun struct {
	*run
	mark    []byte // in all documents that are deleted sooner or later, before their IDs
	victims []file // not yet deleted
	gone    map[id.DocumentID]bool

	deletion pace

	answered, silent, unmade, unwiped int

	seen int // documents with canaries in the file, before each cycle's deletions
}

// cycle kills the server while the victims are deleted; if wiped, what is deleted is then waited for and looked for.
func (p *purgeRun) cycle(wiped bool) {
	admin := p.admin(p.node)
	for len(p.victims) < victimsPerCycle {
		f := p.makeFile(victimChanges, p.mark)
		if _, err := f.send(p.t.Context(), admin); err != nil {
			p.t.Fatal(err)
		}
		p.victims = append(p.victims, f)
	}
	p.seen += len(p.canaries()) // not those of documents that are in compressed snapshots alone
	load := p.connect()
	p.verify(load)
	load.start(p.rng)
	answered := p.purgeUntilKilled(admin)
	load.stop()
	stones := p.tombstones()
	p.checker.maybe()
	p.restart()
	p.look(answered, stones)
	if wiped {
		p.awaitWipes()
		p.lookForCanaries()
		p.node.Kill()
		p.lookForCanaries()
		p.checker.run()
		p.restart()
	}
}

// purgeUntilKilled deletes victims and kills the server a moment after one of the answers, or before the first one.
func (p *purgeRun) purgeUntilKilled(admin *client.Client) map[id.DocumentID]bool {
	var done atomic.Int64
	type answer struct {
		doc  id.DocumentID
		took time.Duration
	}
	answers := make(chan answer, len(p.victims))
	victims := p.victims
	go func() {
		defer close(answers)
		for _, f := range victims {
			begin := time.Now()
			if _, err := remove(p.t.Context(), admin, f.id); err != nil {
				return
			}
			answers <- answer{f.id, time.Since(begin)}
			done.Add(1)
		}
	}()
	after := p.rng.Int64N(int64(len(victims)))
	for deadline := time.Now().Add(syncTimeout); done.Load() < after; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("only %d of %d documents were deleted", done.Load(), after)
		}
	}
	time.Sleep(p.deletion.moment(p.rng))
	p.node.Kill()
	answered := make(map[id.DocumentID]bool)
	for a := range answers {
		answered[a.doc] = true
		p.deletion.took(a.took)
	}
	return answered
}

// deletion is the server's answer to one.
type deletion struct{ WipedAt *time.Time }

// remove deletes a document.
func remove(ctx context.Context, c *client.Client, doc id.DocumentID) (d deletion, err error) {
	_, err = c.JSON(ctx, client.Request{Method: http.MethodDelete, Path: "/v1/documents/" + doc.String()}, nil, &d)
	return d, err
}

// tombstones reads what the killed server has left.
func (p *purgeRun) tombstones() map[id.DocumentID]store.Tombstone {
	p.t.Helper()
	s, err := store.OpenReadOnly(p.node.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	defer s.Close()
	stones := make(map[id.DocumentID]store.Tombstone)
	if err := s.Tombstones("acme", id.DocumentID{}, func(d id.DocumentID, stone store.Tombstone) error {
		stones[d] = stone
		if stone.Wiped.IsZero() {
			p.unwiped++
		}
		return nil
	}); err != nil {
		p.t.Fatal(err)
	}
	return stones
}

// look holds what the server says of the victims against what it has answered before, and what was in its file.
func (p *purgeRun) look(answered map[id.DocumentID]bool, stones map[id.DocumentID]store.Tombstone) {
	p.t.Helper()
	admin := p.admin(p.node)
	for doc := range p.gone {
		p.deleted(admin, doc)
	}
	var left []file
	for _, f := range p.victims {
		_, stone := stones[f.id]
		switch {
		case stone:
			p.gone[f.id] = true
			p.deleted(admin, f.id)
			if answered[f.id] {
				p.answered++
			} else {
				p.silent++
			}
		case answered[f.id]:
			p.t.Fatalf("document %v was deleted, says the answer before the kill, and has no tombstone", f.id)
		default:
			p.unmade++
			p.holds(admin, f.id, f.hashes)
			left = append(left, f)
		}
	}
	p.victims = left
}

// deleted fails the test unless a document is gone for good.
func (p *purgeRun) deleted(c *client.Client, doc id.DocumentID) {
	p.t.Helper()
	_, _, err := c.Bytes(p.t.Context(), client.Request{Method: http.MethodGet, Path: "/v1/documents/" + doc.String() + "/export"})
	if !client.IsStatus(err, http.StatusGone) {
		p.t.Fatalf("deleted document %v: %v, want status %d", doc, err, http.StatusGone)
	}
}

// awaitWipes waits until the server says that nothing is left of all that was deleted.
func (p *purgeRun) awaitWipes() {
	p.t.Helper()
	admin, deadline := p.admin(p.node), time.Now().Add(syncTimeout)
	for doc := range p.gone {
		for {
			d, err := remove(p.t.Context(), admin, doc)
			if err != nil {
				p.t.Fatal(err)
			}
			if d.WipedAt != nil {
				break
			}
			if time.Now().After(deadline) {
				p.t.Fatalf("document %v isn't wiped", doc)
			}
			time.Sleep(pollWipe)
		}
	}
}

// canaries returns the documents of whose content something is in the data folder.
func (p *purgeRun) canaries() map[id.DocumentID]bool {
	p.t.Helper()
	found := make(map[id.DocumentID]bool)
	files, err := os.ReadDir(p.node.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range files {
		if !f.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(p.node.Data, f.Name()))
		if err != nil {
			p.t.Fatal(err)
		}
		for {
			at := bytes.Index(b, p.mark)
			if at < 0 || at+len(p.mark)+id.DocumentIDSize > len(b) {
				break
			}
			b = b[at+len(p.mark):]
			found[id.DocumentID(b)] = true
		}
	}
	return found
}

func (p *purgeRun) lookForCanaries() {
	p.t.Helper()
	for doc := range p.canaries() {
		if p.gone[doc] {
			p.t.Errorf("document %v is wiped, says the server, and some of its content is in the file", doc)
		}
	}
}

// finish deletes the last victims too.
func (p *purgeRun) finish() {
	p.verifyAll()
	for _, f := range p.victims {
		if _, err := remove(p.t.Context(), p.admin(p.node), f.id); err != nil {
			p.t.Fatal(err)
		}
		p.gone[f.id] = true
	}
	p.awaitWipes()
	p.lookForCanaries()
	p.node.Stop()
	p.lookForCanaries()
	p.checker.run()
}
