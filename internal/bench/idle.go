package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"concord/internal/peer"
)

// portsPerAddress is how many connections leave from one loopback address: fewer than the usual range of ports.
const portsPerAddress = 20_000

// settleTime is how long memory may take to settle before it is read.
const settleTime = 3 * time.Second

// idle measures what connections cost the server that have joined and are silent.
func idle(ctx context.Context, o Options, r *report) error {
	name := fmt.Sprintf("%s/connections=%d", ScenarioIdle, o.Connections)
	if o.PID == 0 {
		r.row(name, "memory per connection", "not measured: name the server's process with --pid")
		return nil
	}
	if err := allowFiles(o.Connections + 200); err != nil {
		return err
	}
	warm, err := connect(ctx, o, min(200, o.Connections), o.spread)
	if err != nil {
		return err
	}
	drop(warm)
	before, err := o.rested(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	peers, err := connect(ctx, o, o.Connections, o.spread)
	if err != nil {
		return err
	}
	defer drop(peers)
	took := time.Since(begin)
	after, err := o.rested(ctx)
	if err != nil {
		return err
	}
	for _, p := range peers {
		if err := p.Err(); err != nil {
			return fmt.Errorf("a silent connection ended: %w", err)
		}
	}
	r.row(name, "memory per connection", bytesText((after-before)/float64(o.Connections)))
	r.row(name, "memory before, with all", bytesText(before)+", "+bytesText(after))
	r.row(name, "joins", fmt.Sprintf("%.0f/s", float64(o.Connections)/took.Seconds()))
	return nil
}

// spread gives connections to a loopback server source addresses in turn, so that ports don't run out.
func (o Options) spread(i int, po *peer.Options) {
	u, err := url.Parse(o.URL)
	if err != nil || o.Connections <= portsPerAddress {
		return
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() && ip.To4() != nil {
		po.LocalAddr = fmt.Sprintf("127.0.0.%d", 2+i/portsPerAddress)
	}
}

// allowFiles raises the limit of open files to at least n, as far as the system lets it.
func allowFiles(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if limit.Max < uint64(n) {
		return fmt.Errorf("%d open files are needed and %d allowed: raise the hard limit (ulimit -Hn) or measure fewer connections", n, limit.Max)
	}
	if limit.Cur < uint64(n) {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return fmt.Errorf("raise the limit of open files: %w", err)
		}
	}
	return nil
}

// rested returns the server's resident bytes after a pause.
func (o Options) rested(ctx context.Context) (float64, error) {
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return residentOf(o.PID)
}

// residentOf reads VmRSS of a process (proc(5)), in bytes.
func residentOf(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the server's memory: %w", err)
	}
	for line := range bytes.Lines(b) {
		if rest, ok := strings.CutPrefix(string(line), "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err != nil {
				return 0, fmt.Errorf("read the server's memory: %w", err)
			}
			return kib * 1024, nil
		}
	}
	return 0, fmt.Errorf("process %d tells no memory", pid)
}
