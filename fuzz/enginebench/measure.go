package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"concord/crdt"
)

// result is what a task prints, as one line of JSON. engine.mjs prints the same.
type result struct {
	Samples []float64 `json:"samples,omitempty"` // nanoseconds
	Check   string    `json:"check,omitempty"`   // heads afterwards, or a digest of the value
	Values  []string  `json:"values,omitempty"`  // digests and heads, of verify
	RSS     int64     `json:"rss,omitempty"`     // bytes that the process grew by
	Heap    int64     `json:"heap,omitempty"`    // live bytes of it, where the engine's memory is Go's
	Allocs  float64   `json:"allocs,omitempty"`  // allocations of Go for each change
}

// run is one task of an engine on the files of a workload.
type run struct {
	engine engine
	base   string // path of the files, without suffix
	budget time.Duration
}

// tasks are what a child can do.
var tasks = map[string]func(run) (result, error){
	"verify": run.verify, "load": run.load, "save": run.save, "apply-one": run.applyOne, "apply-many": run.applyMany,
	"read-at": run.readAt, "edit-text": run.editText, "edit-list": run.editList, "memory": run.memory,
	"prepare": run.prepare, "write-large-text": run.writeLargeText, "insert-middle": run.insertMiddle,
	"splice-middle": run.spliceMiddle, "save-large-text": run.saveLargeText,
}

func (r run) document(suffix string) (document, error) {
	b, err := os.ReadFile(r.base + suffix)
	if err != nil {
		return nil, err
	}
	return r.engine.load(b)
}

// tail returns the chunks of the changes that the start document lacks.
func (r run) tail() ([][]byte, error) {
	m, err := readMeta(r.base)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(r.base + ".changes")
	if err != nil {
		return nil, err
	}
	all, err := cutChunks(b)
	if err != nil {
		return nil, err
	}
	return all[m.Start:], nil
}

func cutChunks(b []byte) ([][]byte, error) {
	var out [][]byte
	for len(b) > 0 {
		c, rest, err := crdt.NextChunk(b)
		if err != nil {
			return nil, err
		}
		out = append(out, c.Raw)
		b = rest
	}
	return out, nil
}

// maxSamples bounds what repeat collects.
const maxSamples = 200

// minSamples are taken even beyond the budget, unless one of them takes more than longSample budgets: that one is
// enough, since what else happens on the machine can't matter much for it.
const (
	minSamples = 3
	longSample = 5
)

// repeat collects samples of f until the budget is used up, after one that counts only when it is a long one.
func (r run) repeat(f func() (time.Duration, error)) ([]float64, error) {
	start := time.Now()
	first, err := f()
	if err != nil {
		return nil, err
	}
	if time.Since(start) > longSample*r.budget {
		return []float64{float64(first)}, nil
	}
	var samples []float64
	for end := time.Now().Add(r.budget); len(samples) < maxSamples && (len(samples) < minSamples || time.Now().Before(end)); {
		runtime.GC() // garbage of a sample before isn't this one's
		d, err := f()
		if err != nil {
			return nil, err
		}
		samples = append(samples, float64(d))
	}
	return samples, nil
}

func (r run) load() (res result, err error) {
	b, err := os.ReadFile(r.base + ".automerge")
	if err != nil {
		return res, err
	}
	res.Samples, err = r.repeat(func() (time.Duration, error) {
		start := time.Now()
		d, err := r.engine.load(b)
		took := time.Since(start)
		if err == nil {
			res.Check = state(d)
		}
		return took, err
	})
	return res, err
}

// save measures documents that have just changed, so that nothing can be kept from the save before.
func (r run) save() (res result, err error) {
	d, err := r.document(".start.automerge")
	if err != nil {
		return res, err
	}
	tail, err := r.tail()
	if err != nil {
		return res, err
	}
	i := 0
	res.Samples, err = r.repeat(func() (time.Duration, error) {
		if err := d.apply(tail[i]); err != nil {
			return 0, err
		}
		i++
		start := time.Now()
		_, err := d.save()
		return time.Since(start), err
	})
	return res, err
}

// applyBatch is how many changes make one sample of applyOne.
const applyBatch = 100

func (r run) applyOne() (res result, err error) {
	d, err := r.document(".start.automerge")
	if err != nil {
		return res, err
	}
	tail, err := r.tail()
	if err != nil {
		return res, err
	}
	batch := func() error {
		for _, c := range tail[:applyBatch] {
			if err := d.apply(c); err != nil {
				return err
			}
		}
		tail = tail[applyBatch:]
		return nil
	}
	if err := batch(); err != nil {
		return res, err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for end := time.Now().Add(r.budget); len(tail) >= applyBatch && (len(res.Samples) < minSamples || time.Now().Before(end)); {
		start := time.Now()
		if err := batch(); err != nil {
			return res, err
		}
		res.Samples = append(res.Samples, float64(time.Since(start))/applyBatch)
	}
	runtime.ReadMemStats(&after)
	res.Allocs = float64(after.Mallocs-before.Mallocs) / float64(applyBatch*len(res.Samples))
	return res, nil
}

func (r run) applyMany() (res result, err error) {
	tail, err := r.tail()
	if err != nil {
		return res, err
	}
	res.Samples, err = r.repeat(func() (time.Duration, error) {
		d, err := r.document(".start.automerge")
		if err != nil {
			return 0, err
		}
		start := time.Now()
		err = d.applyAll(tail)
		took := time.Since(start)
		res.Check = state(d)
		return took, err
	})
	return res, err
}

func (r run) readAt() (res result, err error) {
	m, err := readMeta(r.base)
	if err != nil {
		return res, err
	}
	d, err := r.document(".automerge")
	if err != nil {
		return res, err
	}
	res.Samples, err = r.repeat(func() (time.Duration, error) {
		start := time.Now()
		for _, heads := range m.History {
			if _, err := d.valueAt(heads); err != nil {
				return 0, err
			}
		}
		return time.Since(start) / time.Duration(len(m.History)), nil
	})
	return res, err
}

func (r run) editText() (result, error) { return r.edit(false) }
func (r run) editList() (result, error) { return r.edit(true) }

// edit types the recorded keystrokes into an empty text or list, one change each.
func (r run) edit(list bool) (res result, err error) {
	b, err := os.ReadFile(r.base + ".edits.json")
	if err != nil {
		return res, err
	}
	var edits []edit
	if err := json.Unmarshal(b, &edits); err != nil {
		return res, err
	}
	var d document
	res.Samples, err = r.repeat(func() (time.Duration, error) {
		if d, err = r.engine.start(list); err != nil {
			return 0, err
		}
		start := time.Now()
		for _, e := range edits {
			if err := d.splice(e, list); err != nil {
				return 0, err
			}
		}
		return time.Since(start), nil
	})
	if err != nil {
		return res, err
	}
	v, err := d.value()
	if err != nil {
		return res, err
	}
	res.Check, err = digest(v)
	return res, err
}

// memory measures what stays after a load: the growth of the process, and of Go's heap.
func (r run) memory() (res result, err error) {
	b, err := os.ReadFile(r.base + ".automerge")
	if err != nil {
		return res, err
	}
	if _, err := r.engine.start(false); err != nil { // what every engine needs once
		return res, err
	}
	heap, rss, err := settle()
	if err != nil {
		return res, err
	}
	d, err := r.engine.load(b)
	if err != nil {
		return res, err
	}
	heapAfter, rssAfter, err := settle()
	if err != nil {
		return res, err
	}
	res.RSS, res.Check = rssAfter-rss, state(d)
	if _, ok := r.engine.(concord); ok {
		res.Heap = heapAfter - heap
	}
	runtime.KeepAlive(b)
	return res, nil
}

// settle gives free memory back and returns the bytes of live heap and of the process.
func settle() (heap, rss int64, err error) {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return int64(m.HeapAlloc), kb << 10, err
		}
	}
	return 0, 0, errors.New("/proc/self/status has no VmRSS")
}

// verify tells everything on which the engines must agree before any of them is measured.
func (r run) verify() (res result, err error) {
	m, err := readMeta(r.base)
	if err != nil {
		return res, err
	}
	d, err := r.document(".automerge")
	if err != nil {
		return res, err
	}
	res.Check = state(d)
	add := func(v any, err error) error {
		if err != nil {
			return err
		}
		sum, err := digest(v)
		res.Values = append(res.Values, sum)
		return err
	}
	if err := add(d.value()); err != nil {
		return res, err
	}
	for _, heads := range m.History {
		if err := add(d.valueAt(heads)); err != nil {
			return res, err
		}
	}
	again, err := r.appliedAndReloaded()
	if err != nil {
		return res, err
	}
	res.Values = append(res.Values, state(again))
	return res, add(again.value())
}

// verifySingly is how many changes verify applies one by one; those before come in one call.
const verifySingly = 1000

// appliedAndReloaded returns the whole document by way of changes, a save and a load.
func (r run) appliedAndReloaded() (document, error) {
	d, err := r.document(".start.automerge")
	if err != nil {
		return nil, err
	}
	tail, err := r.tail()
	if err != nil {
		return nil, err
	}
	many := max(0, len(tail)-verifySingly)
	if err := d.applyAll(tail[:many]); err != nil {
		return nil, err
	}
	for i, c := range tail[many:] {
		if err := d.apply(c); err != nil {
			return nil, fmt.Errorf("apply change %d of the tail: %w", many+i, err)
		}
	}
	b, err := d.save()
	if err != nil {
		return nil, err
	}
	return r.engine.load(b)
}
