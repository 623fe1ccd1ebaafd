package hostile

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// extraMemory is what attacks may cost, over a node that has served its normal load.
const extraMemory = 64 << 20

// memory watches the resident memory of a process.
type memory struct {
	h        *harness
	pid      int
	baseline int64
	stop     chan struct{}
	owned    sync.WaitGroup

	mu   sync.Mutex // guards the following fields
	peak int64      // since the last phase
	all  int64      // since the baseline
}

// watch takes the baseline and samples from then on.
func (h *harness) watch() *memory {
	h.Helper()
	m := &memory{h: h, pid: h.node.PID(), stop: make(chan struct{})}
	m.baseline = m.status("VmRSS")
	// 5 resets the peak (proc(5)); where that isn't allowed the samples remain.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", m.pid), []byte("5"), 0)
	m.owned.Go(func() {
		for {
			select {
			case <-m.stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if now := m.status("VmRSS"); now > 0 {
				m.mu.Lock()
				m.peak, m.all = max(m.peak, now), max(m.all, now)
				m.mu.Unlock()
			}
		}
	})
	return m
}

// status returns a line of /proc/PID/status in bytes, 0 if the process is gone.
func (m *memory) status(name string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if rest, ok := strings.CutPrefix(string(line), name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// phase returns the peak over the baseline since the last call.
func (m *memory) phase() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	peak := max(m.peak, m.status("VmRSS"))
	m.peak = 0
	return peak - m.baseline
}

func (m *memory) finish() {
	m.h.Helper()
	peak := m.status("VmHWM")
	close(m.stop)
	m.owned.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if os.Geteuid() != 0 && peak > m.all+(8<<20) {
		peak = m.all // the peak could not be reset and may be older than the baseline
	}
	extra := max(peak, m.all) - m.baseline
	m.h.Logf("memory: baseline %s, peak %s, extra %s", mib(m.baseline), mib(max(peak, m.all)), mib(extra))
	if extra > extraMemory {
		m.h.Errorf("the attacks cost %s of memory, want at most %s", mib(extra), mib(extraMemory))
	}
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func (h *harness) metric(name string) float64 {
	h.Helper()
	return h.node.Metric(name)
}

func contextWithin(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
