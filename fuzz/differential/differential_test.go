package differential

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concord/crdt"
	"concord/fuzz/history"
	"concord/fuzz/oracle"
)

func TestMain(m *testing.M) {
	oracle.ServeGo()
	os.Exit(m.Run())
}

// setting is a number from the environment.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text, ok := os.LookupEnv(name)
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// DIFFERENTIAL_CASES is how many cases to run, DIFFERENTIAL_SEED what they are
// made from, DIFFERENTIAL_FIRST the number of the first one.
func TestDifferential(t *testing.T) {
	newRunner(t, setting(t, "DIFFERENTIAL_CASES", 1_000), engines.samples).run()
}

// What crdt accepts of hostile changes, automerge-js must accept, save and load
// again, and show in the same way. HOSTILE_CASES is how many histories are
// attacked, with 60 changes each.
func TestHostile(t *testing.T) {
	r := newRunner(t, setting(t, "HOSTILE_CASES", 100), nil)
	var mu sync.Mutex
	refused := map[crdt.Reason]int{}
	accepted := 0
	r.source = func(_ engines, seed, first uint64, n int) ([]*sample, error) {
		list := make([]*sample, n)
		for i := range list {
			rng := rand.New(rand.NewPCG(seed, first+uint64(i)))
			h, err := history.Random(rng, history.Shape{Ops: 20 + rng.IntN(20)})
			if err != nil {
				return nil, err
			}
			extended, reasons, err := attack(rng, h, 60)
			if err != nil {
				return nil, fmt.Errorf("case %d: %w", first+uint64(i), err)
			}
			mu.Lock()
			accepted += len(extended.Changes) - len(h.Changes)
			for reason, n := range reasons {
				refused[reason] += n
			}
			mu.Unlock()
			list[i] = newSample("hostile", extended, rng, 1)
		}
		return list, nil
	}
	r.run()
	t.Logf("%d hostile changes accepted; refused: %v", accepted, refused)
	if len(refused) < 5 || accepted == 0 {
		t.Error("the attack reaches too little")
	}
}

func newRunner(t *testing.T, cases uint64, source sampler) *runner {
	return &runner{
		t:      t,
		source: source,
		seed:   setting(t, "DIFFERENTIAL_SEED", 1),
		first:  setting(t, "DIFFERENTIAL_FIRST", 0) / batchSize * batchSize,
		cases:  cases,
		found:  map[string]int{},
	}
}

func (r *runner) run() {
	r.t.Logf("seed %d, %d cases from number %d", r.seed, r.cases, r.first)
	start := time.Now()
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(r.work)
	}
	workers.Wait()
	r.t.Logf("%d cases (%d with automerge-go), %d changes, %d ops in %v", r.done.Load(), r.withGo.Load(), r.changes.Load(), r.ops.Load(), time.Since(start).Round(time.Second))
	for what, n := range r.found {
		r.t.Errorf("%d cases: %s", n, what)
	}
}

// sampler makes the cases from a number on.
type sampler func(e engines, seed, first uint64, n int) ([]*sample, error)

type runner struct {
	t                  *testing.T
	source             sampler
	seed, first, cases uint64
	next               atomic.Uint64

	done, withGo, changes, ops atomic.Uint64

	mu    sync.Mutex // guards the following fields
	found map[string]int
}

// work takes batch after batch until none is left.
func (r *runner) work() {
	e, err := startEngines()
	if err != nil {
		r.t.Error(err)
		return
	}
	defer e.close()
	for {
		from := r.next.Add(batchSize) - batchSize
		if from >= r.cases || r.t.Failed() && r.tooMany() {
			return
		}
		if err := r.batch(e, r.first+from, int(min(batchSize, r.cases-from))); err != nil {
			r.t.Errorf("batch from case %d: %v", r.first+from, err)
			return
		}
	}
}

func (r *runner) tooMany() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.found) >= 10
}

func (r *runner) batch(e engines, first uint64, n int) error {
	samples, err := r.source(e, r.seed, first, n)
	if err != nil {
		return err
	}
	results, withGo, err := e.compare(samples)
	if err != nil {
		return err
	}
	r.withGo.Add(uint64(withGo))
	for i, err := range results {
		s := samples[i]
		r.changes.Add(uint64(len(s.history.Changes)))
		for _, c := range s.history.Changes {
			r.ops.Add(uint64(c.NumOps))
		}
		if err != nil {
			r.report(e, first+uint64(i), s, err)
		}
	}
	if done := r.done.Add(uint64(n)); done%10_000 < uint64(n) && r.cases > 10_000 {
		fmt.Printf("%d of %d cases\n", done, r.cases)
	}
	return nil
}

// compare has all engines work on the samples and returns what each one shows.
func (e engines) compare(samples []*sample) (results []error, withGo int, err error) {
	results = make([]error, len(samples))
	var cases, ordered []oracle.Case
	var whose []int
	for i, s := range samples {
		results[i] = s.prepare()
		cases = append(cases, s.request())
		if s.history.Oddities&beyondGo == 0 {
			ordered, whose = append(ordered, s.orderedRequest()), append(whose, i)
		}
	}
	js, err := e.js.Cases(cases)
	if err != nil {
		return nil, 0, err
	}
	golang, err := e.golang.Cases(ordered)
	if err != nil {
		return nil, 0, err
	}
	for i, s := range samples {
		if results[i] == nil {
			results[i] = s.compareJS(js[i])
		}
	}
	for j, i := range whose {
		if results[i] == nil {
			results[i] = samples[i].compareGo(golang[j])
		}
	}
	return results, len(whose), nil
}

// report shows a difference, the first of its kind with the smallest history
// that still has it.
func (r *runner) report(e engines, number uint64, s *sample, err error) {
	what, _, _ := strings.Cut(err.Error(), ":")
	if d, ok := err.(*difference); ok {
		what = d.what
	}
	r.mu.Lock()
	r.found[what]++
	first := r.found[what] == 1
	r.mu.Unlock()
	if !first {
		return
	}
	small := s.of(s.history.Minimal(func(h *history.History) bool { return e.shows(s.of(h), what) }))
	if results, _, failed := e.compare([]*sample{small}); failed == nil && results[0] != nil {
		err = results[0]
	}
	r.t.Errorf("case %d of seed %d, %s, oddities %q\n%v\n%s", number, r.seed, s.source, s.history.Oddities, err, small.history)
}

// shows reports whether a sample has the same difference.
func (e engines) shows(s *sample, what string) bool {
	results, _, err := e.compare([]*sample{s})
	d, ok := firstOf(append(results, err)).(*difference)
	return ok && d.what == what
}
