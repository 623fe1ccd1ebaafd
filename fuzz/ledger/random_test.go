package ledger

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"concord/conflict"
	"concord/crdt"
	"concord/fuzz/history"
	"concord/internal/testkit/node"
	"concord/sync/hub"
)

// batchSize is how many samples share a hub, each with a company of its own.
const batchSize = 20

// Whatever came in which way and order, the ledger has what the definition
// gives: halfway, at the end, after people's decisions, and after a restart. What
// the events tell, one after the other, is the same.
// LEDGER_CONFLICTS is how many conflicts to compare, LEDGER_SEED what they are
// made from, LEDGER_FIRST the number of the first sample.
func TestLedger(t *testing.T) {
	r := &runner{
		t: t, want: int64(node.Setting(t, "LEDGER_CONFLICTS", 600)), seed: uint64(node.Setting(t, "LEDGER_SEED", 1)),
		counts: map[string]int{},
	}
	r.next.Store(uint64(node.Setting(t, "LEDGER_FIRST", batchSize)) / batchSize)
	t.Logf("LEDGER_SEED=%d LEDGER_FIRST=%d, %d conflicts", r.seed, r.next.Load()*batchSize, r.want)
	begun := time.Now()
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(r.work)
	}
	workers.Wait()
	t.Logf("%d conflicts of %d histories in %v: %v", r.done.Load(), r.counts["histories"], time.Since(begun).Round(time.Second), r.counts)
	for _, must := range []string{
		"update-update open", "update-update resolved", "update-update superseded", "delete-update open",
		"lost-edit open", "lost-edit resolved", "lost-edit superseded", "in lists", "with several roots", "without a winner", "decided",
	} {
		if r.counts[must] == 0 && !t.Failed() {
			t.Errorf("no conflict %s: the test shows too little", must)
		}
	}
	if 10*r.counts["changes read by automerge-js"] < 9*r.counts["changes"] {
		t.Errorf("automerge-js has read %d of %d changes; the oracle must be held against more", r.counts["changes read by automerge-js"], r.counts["changes"])
	}
}

type runner struct {
	t    *testing.T
	want int64
	seed uint64
	next atomic.Uint64 // batch
	done atomic.Int64  // conflicts

	reported atomic.Bool // a difference, in full

	mu     sync.Mutex // guards the following field
	counts map[string]int
}

func (r *runner) work() {
	judge, err := NewJudge()
	if err != nil {
		r.t.Error(err)
		return
	}
	defer judge.Close()
	for r.done.Load() < r.want && !r.t.Failed() {
		first := (r.next.Add(1) - 1) * batchSize
		if err := r.batch(judge, first); err != nil {
			r.t.Errorf("samples from %d of seed %d: %v", first, r.seed, err)
		}
	}
}

func (r *runner) batch(judge *Judge, first uint64) error {
	samples, err := judge.Samples(r.seed, first, batchSize)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(r.seed, 1<<63+first))
	c, err := deliver(r.t, judge, samples, rng)
	if err != nil {
		return err
	}
	for s, diff := range c.failed {
		r.report(judge, s, diff)
	}
	r.add("decided", c.decided)
	for _, s := range samples {
		r.count(s)
	}
	return nil
}

// deliver has a ledger see the samples and compares what it says.
func deliver(t *testing.T, judge *Judge, samples []*Sample, rng *rand.Rand) (c *comparison, err error) {
	g, err := newRig(t, options(rng))
	if err != nil {
		return nil, err
	}
	defer func() {
		if ended := g.end(); err == nil {
			err = ended
		}
	}()
	c = &comparison{rig: g, judge: judge, failed: map[*Sample]string{}}
	for _, s := range samples {
		c.deliveries = append(c.deliveries, newDelivery(fmt.Sprintf("company %d", s.Number), s, rand.New(rand.NewPCG(rng.Uint64(), s.Number))))
	}
	for restarts := rng.IntN(4); ; restarts-- {
		if err := c.round(restarts > 0); err != nil {
			return nil, err
		}
		if err := c.compare(fmt.Sprintf("%d restarts before the end", restarts)); err != nil {
			return nil, err
		}
		if restarts <= 0 {
			break
		}
		if err := c.restart(rng); err != nil {
			return nil, err
		}
	}
	if err := c.decide(rng); err != nil {
		return nil, err
	}
	if err := c.restart(rng); err != nil {
		return nil, err
	}
	return c, c.compare("after decisions and a restart")
}

// options gives half of the hubs no cache, so that op sets leave memory at once.
func options(rng *rand.Rand) hub.Options {
	if rng.IntN(2) == 0 {
		return hub.Options{DocumentCache: 1}
	}
	return hub.Options{}
}

// comparison holds a ledger against the judge.
type comparison struct {
	rig        *rig
	judge      *Judge
	deliveries []*delivery
	failed     map[*Sample]string
	decided    int // conflicts
}

// round delivers everything, or a part of it, all samples at the same time.
func (c *comparison) round(part bool) error {
	var all errgroup.Group
	for _, d := range c.deliveries {
		all.Go(func() error {
			if err := d.some(c.rig, part); err != nil {
				return fmt.Errorf("sample %d: %w", d.sample.Number, err)
			}
			return nil
		})
	}
	return all.Wait()
}

func (c *comparison) restart(rng *rand.Rand) error {
	if err := c.rig.stop(); err != nil {
		return err
	}
	for _, d := range c.deliveries {
		d.forgotten()
	}
	return c.rig.start(options(rng))
}

// compare asks the judge about what has arrived, and the ledger.
func (c *comparison) compare(when string) error {
	var histories [][]*crdt.Change
	for _, d := range c.deliveries {
		histories = append(histories, d.known())
	}
	verdicts, err := c.judge.Records(Document, histories...)
	if err != nil {
		return err
	}
	for i, d := range c.deliveries {
		if verdicts[i].Err != nil {
			return fmt.Errorf("sample %d: %w", d.sample.Number, verdicts[i].Err)
		}
		got, err := records(c.rig.ledger, d.key.Company)
		diff := ""
		if err != nil {
			diff = err.Error()
		} else {
			diff = Compare(got, verdicts[i].Records)
		}
		if diff == "" {
			if diff, err = told(c.rig.store, c.rig.ledger, d.key.Company, got); err != nil {
				diff = err.Error()
			}
		}
		if diff != "" && c.failed[d.sample] == "" {
			c.failed[d.sample] = when + ":\n" + diff
		}
	}
	return nil
}

// report shows a difference, the first one with the smallest history that still
// has one.
func (r *runner) report(judge *Judge, s *Sample, diff string) {
	small := &history.History{Changes: s.Changes}
	if !r.reported.CompareAndSwap(false, true) {
		r.t.Errorf("sample %d of seed %d: %s", s.Number, r.seed, strings.TrimSpace(diff))
		return
	}
	tries := 0
	small = small.Minimal(func(h *history.History) bool {
		if tries++; tries > 300 || crdt.New().Apply(h.Changes...) != nil {
			return false
		}
		for n := range uint64(3) {
			part := &Sample{Number: s.Number, Changes: h.Changes}
			if c, err := deliver(r.t, judge, []*Sample{part}, rand.New(rand.NewPCG(r.seed, n))); err == nil && len(c.failed) > 0 {
				diff = c.failed[part]
				return true
			}
		}
		return false
	})
	r.t.Errorf("sample %d of seed %d: %s\n%s", s.Number, r.seed, strings.TrimSpace(diff), small)
}

func (r *runner) count(s *Sample) {
	r.done.Add(int64(len(s.Records)))
	r.add("histories", 1)
	r.add("changes", len(s.Changes))
	r.add("changes read by automerge-js", s.Decoded)
	r.add("looks at what automerge-js shows", s.Looks)
	for _, c := range s.Records {
		r.add(c.Kind+" "+c.Status, 1)
		for what, is := range map[string]bool{
			"in lists": c.Elem != "", "with several roots": len(c.Root) > 1, "of more than five values": len(c.Values) > 5,
			"without a winner": c.Winner == "" && c.Kind != string(conflict.LostEdit),
		} {
			if is {
				r.add(what, 1)
			}
		}
	}
}

func (r *runner) add(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what] += n
}
