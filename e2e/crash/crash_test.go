package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/testkit/node"
	"concord/sync/protocol"
)

const (
	writers      = 6
	documents    = 3  // edited at a time
	cyclesPerSet = 10 // after which other documents are edited, so that histories stay short
	// cyclesPerSnapshotSet is smaller: the shorter a history, the more often a snapshot of it is due.
	cyclesPerSnapshotSet = 2
	longestLoad          = 200 * time.Millisecond
	syncTimeout          = 60 * time.Second
	startBound           = 30 * time.Second // for the test to fail; the report shows the real figure
	progressEvery        = 10
)

func TestCrash(t *testing.T) {
	crash(t, node.Setting(t, "CRASH_CYCLES", 20), cyclesPerSet, node.Options{})
}

// Snapshots are written all the time, so that kills hit them too.
func TestCrashAmidSnapshots(t *testing.T) {
	r := crash(t, node.Setting(t, "CRASH_SNAPSHOT_CYCLES", 15), cyclesPerSnapshotSet, node.Options{
		Env: []string{"CONCORD_SNAPSHOT_CHANGES=2", "CONCORD_SNAPSHOT_WORKERS=2", "CONCORD_DOCUMENT_CACHE=1MiB"},
	})
	t.Logf("%d snapshots were written, and %d were waited for or under way when a node was killed", r.snapshots, r.backlog)
	if r.snapshots == 0 || r.backlog == 0 {
		t.Error("no kill came amid snapshots; the test shows nothing")
	}
}

func crash(t *testing.T, cycles, perSet int, o node.Options) *run {
	r := begin(t, cycles, o)
	for cycle := range cycles {
		if cycle%perSet == 0 {
			r.nextSet()
		}
		r.cycle()
		r.report(cycle+1, cycles)
	}
	r.verifyAll()
	r.node.Stop()
	r.checker.run()
	t.Logf("%d kills: %d acknowledged changes in %d documents, none lost; slowest restart %v; %d checks clean",
		cycles, r.ledger.total(), len(r.all), r.slowest.Round(time.Millisecond), r.checker.runs)
	return r
}

// begin starts a node for a test of so many cycles.
func begin(t *testing.T, cycles int, o node.Options) *run {
	t.Helper()
	seed := uint64(node.Setting(t, "CRASH_SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("cycles %d, CRASH_SEED=%d", cycles, seed)
	r := &run{t: t, rng: rand.New(rand.NewPCG(seed, 0)), ledger: newLedger(), begun: time.Now(), checker: checker{t: t}}
	r.node = node.Start(t, o)
	r.checker.data = r.node.Data
	return r
}

// run is the state of one test.
type run struct {
	t       *testing.T
	rng     *rand.Rand
	node    *node.Node
	ledger  *ledger
	checker checker
	begun   time.Time
	slowest time.Duration // from the start of a process to its /ready

	snapshots int // written by all nodes, as of a moment before their ends
	backlog   int // documents that waited for one then, or of which one was being written

	all     []id.DocumentID
	current []id.DocumentID
}

func (r *run) nextSet() {
	r.current = nil
	for range documents {
		r.current = append(r.current, r.newID())
	}
	r.all = append(r.all, r.current...)
}

func (r *run) newID() (d id.DocumentID) {
	for i := range d {
		d[i] = byte(r.rng.Uint32())
	}
	return d
}

// cycle connects clients, checks what they find, lets them edit, and kills the node meanwhile.
func (r *run) cycle() {
	load := r.connect()
	r.verify(load)
	kill := load.start(r.rng)
	kill.wait()
	r.snapshots += int(r.node.Metric("concord_snapshots_written_total"))
	r.backlog += int(r.node.Metric("concord_snapshot_backlog"))
	r.node.Kill()
	load.stop()
	r.checker.maybe()
	r.restart()
}

// restart starts the node on what the killed one left, and measures.
func (r *run) restart() {
	r.t.Helper()
	begin := time.Now()
	r.node.Run()
	for {
		response, err := http.Get(r.node.URL("/ready"))
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Since(begin) > startBound {
			r.t.Fatalf("the node isn't ready %v after its start: %v", startBound, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	r.slowest = max(r.slowest, time.Since(begin))
}

// verify holds the documents that fresh clients got against the ledger.
func (r *run) verify(l *load) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), syncTimeout)
	defer cancel()
	for w, docs := range l.docs {
		for _, d := range docs {
			want := r.ledger.of(d.ID)
			available, err := d.WaitSynced(ctx)
			if err != nil {
				r.t.Fatalf("writer %d: %v", w, err)
			}
			if !available && len(want) > 0 {
				r.t.Fatalf("document %v is gone, with %d acknowledged changes", d.ID, len(want))
			}
			r.compare(d.ID, want, d.CoveredByServer(want))
		}
	}
}

func (r *run) compare(doc id.DocumentID, want []crdt.Hash, got map[crdt.Hash]bool) {
	r.t.Helper()
	lost := 0
	for _, h := range want {
		if !got[h] {
			lost++
			if lost <= 10 {
				r.t.Errorf("document %v: acknowledged change %v is lost", doc, h)
			}
		}
	}
	if lost > 0 {
		r.t.Fatalf("%d of %d acknowledged changes are lost", lost, len(want))
	}
}

// verifyAll gets every document from the beginning of the run.
func (r *run) verifyAll() {
	r.t.Helper()
	p := r.dial("auditor", "", protocol.AdvertiseV2)
	defer p.Drop()
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*syncTimeout)
	defer cancel()
	for _, doc := range r.all {
		want := r.ledger.of(doc)
		if len(want) == 0 {
			continue
		}
		d := p.Open(doc)
		if available, err := d.WaitSynced(ctx); err != nil || !available {
			r.t.Fatalf("document %v: available %v, %v", doc, available, err)
		}
		r.compare(doc, want, d.CoveredByServer(want))
	}
}

func (r *run) report(done, cycles int) {
	if done%progressEvery != 0 && done != cycles {
		return
	}
	elapsed := time.Since(r.begun)
	// Also while the test runs, and without -v.
	fmt.Fprintf(os.Stderr, "crash: %d/%d kills in %v, %d changes acknowledged, slowest restart %v, %d checks, slowest %v\n", done, cycles,
		elapsed.Round(time.Second), r.ledger.total(), r.slowest.Round(time.Millisecond), r.checker.runs, r.checker.slowest.Round(time.Millisecond))
}

// checker runs "concord check" on the data folder while no node has it.
type checker struct {
	t       *testing.T
	data    string
	runs    int
	spent   time.Duration
	slowest time.Duration
	since   time.Time
}

// maybe checks as long as that takes less than a third of the time: always while the folder is small.
func (c *checker) maybe() {
	if c.since.IsZero() {
		c.since = time.Now()
	}
	if c.spent <= time.Since(c.since)/3 {
		c.run()
	}
}

func (c *checker) run() {
	c.t.Helper()
	begin := time.Now()
	out, err := exec.Command(node.Binary(c.t), "check", c.data).CombinedOutput()
	if err != nil {
		c.t.Fatalf("concord check: %v\n%s", err, out)
	}
	took := time.Since(begin)
	c.runs, c.spent, c.slowest = c.runs+1, c.spent+took, max(c.slowest, took)
}
