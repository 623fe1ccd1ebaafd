package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// gate holds commits back until it is opened, so that a test decides what a batch holds.
type gate struct {
	reached chan struct{}
	open    chan struct{}
}

func newGate() *gate { return &gate{make(chan struct{}, 100), make(chan struct{})} }

func (g *gate) hook() error {
	g.reached <- struct{}{}
	<-g.open
	return nil
}

func TestWritesGatherDuringACommit(t *testing.T) {
	dir := t.TempDir()
	g := newGate()
	s := open(t, dir, Options{hooks: commitHooks{before: g.hook}})
	var mu sync.Mutex
	var order []int
	submit := func(i int) {
		d := doc("acme", byte(i))
		err := s.Append(t.Context(), appendOf(d, 0, 1), func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("write %d: %v", i, err)
			}
			if _, ok, err := s.Document(d); !ok || err != nil {
				t.Errorf("write %d is acknowledged and not there: %v", i, err)
			}
			order = append(order, i)
		})
		if err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	submit(0)
	<-g.reached // the first commit is under way
	var want []int
	for i := range 50 {
		if i > 0 {
			submit(i)
		}
		want = append(want, i)
	}
	if _, ok, _ := s.Document(doc("acme", 0)); ok {
		t.Error("a write is readable before its commit")
	}
	close(g.open)
	closeAndCheck(t, s, dir)
	if diff := cmp.Diff(want, order); diff != "" {
		t.Errorf("callbacks out of order (-want +got):\n%s", diff)
	}
	if st := s.Stats(); st.Commits != 2 || st.Writes != 50 {
		t.Errorf("%d writes in %d commits, want 50 in 2", st.Writes, st.Commits)
	}
}

func TestConcurrentSubmitters(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{QueueBytes: 8 << 10})
	const writers, appends = 16, 40
	var done atomic.Int64
	var group sync.WaitGroup
	for n := range byte(writers) {
		group.Go(func() {
			d := doc("acme", n)
			for i := range uint64(appends) {
				a := appendOf(d, i*3, 3)
				if err := s.Append(t.Context(), a, func(err error) {
					if err != nil {
						t.Error(err)
					}
					done.Add(1)
				}); err != nil {
					t.Error(err)
				}
				if i%10 == 0 {
					s.Document(d)
					s.Changes(d, 0, 5, func(uint64, Change) error { return nil })
				}
			}
		})
	}
	group.Wait()
	r := closeAndCheck(t, s, dir)
	if done.Load() != writers*appends || r.Changes != writers*appends*3 {
		t.Errorf("%d callbacks and %d changes, want %d and %d", done.Load(), r.Changes, writers*appends, writers*appends*3)
	}
}

func TestCallbackMaySubmit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{QueueBytes: 600})
	d := doc("acme", 1)
	finished := make(chan struct{})
	var next func(error)
	i := uint64(0)
	next = func(err error) {
		if err != nil {
			t.Error(err)
		}
		if i++; i == 20 {
			close(finished)
			return
		}
		if err := s.Append(t.Context(), appendOf(d, i, 1), next); err != nil {
			t.Error(err)
		}
	}
	if err := s.Append(t.Context(), appendOf(d, 0, 1), next); err != nil {
		t.Fatal(err)
	}
	<-finished
	closeAndCheck(t, s, dir)
}

func TestFullQueueObeysItsContext(t *testing.T) {
	dir := t.TempDir()
	g := newGate()
	s := open(t, dir, Options{QueueBytes: 1000, hooks: commitHooks{before: g.hook}})
	if err := s.Append(t.Context(), appendOf(doc("acme", 1), 0, 5), nil); err != nil {
		t.Fatal(err)
	}
	<-g.reached
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		result <- s.Append(ctx, appendOf(doc("acme", 2), 0, 5), func(error) { t.Error("done was called") })
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("append: %v, want context.Canceled", err)
	}
	close(g.open)
	closeAndCheck(t, s, dir)
}

func TestCloseCommitsWhatWasSubmitted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	var calls atomic.Int64
	for n := range byte(100) {
		if err := s.Append(t.Context(), appendOf(doc("acme", n), 0, 1), func(err error) {
			if err != nil {
				t.Error(err)
			}
			calls.Add(1)
		}); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if calls.Load() != 100 {
				t.Errorf("close returned after %d callbacks of 100", calls.Load())
			}
		})
	}
	group.Wait()
	if err := s.Append(t.Context(), appendOf(doc("acme", 1), 1, 1), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v, want ErrClosed", err)
	}
	if _, _, err := s.Document(doc("acme", 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("read after close: %v, want ErrClosed", err)
	}
	if r := checkClean(t, dir); r.Documents != 100 {
		t.Errorf("%d documents, want 100", r.Documents)
	}
}

func TestFailedCommitStopsTheStore(t *testing.T) {
	cause := errors.New("disk is full")
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			dir := t.TempDir()
			var failing atomic.Bool
			g := newGate()
			hook := func() error {
				if !failing.Load() {
					return nil
				}
				g.hook()
				return cause
			}
			var reported []error
			var calls []int
			o := Options{OnFailure: func(err error) {
				reported = append(reported, err)
				if len(calls) != 10 {
					t.Errorf("failure was reported after %d callbacks of 10", len(calls))
				}
			}}
			if when == "before" {
				o.hooks.before = hook
			} else {
				o.hooks.after = hook
			}
			s := open(t, dir, o)
			mustPut(t, s, appendOf(doc("acme", 0), 0, 1))
			failing.Store(true)
			for i := range 10 {
				if err := s.Append(t.Context(), appendOf(doc("acme", byte(i+1)), 0, 1), func(err error) {
					if !errors.Is(err, ErrFailed) || !errors.Is(err, cause) {
						t.Errorf("write %d: %v, want ErrFailed and its cause", i, err)
					}
					calls = append(calls, i)
				}); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					<-g.reached // the other nine are queued behind it
				}
			}
			close(g.open)
			if err := s.Close(); !errors.Is(err, ErrFailed) {
				t.Errorf("close: %v, want ErrFailed", err)
			}
			if err := s.Append(t.Context(), appendOf(doc("acme", 0), 1, 1), nil); !errors.Is(err, ErrFailed) {
				t.Errorf("append: %v, want ErrFailed", err)
			}
			if diff := cmp.Diff([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, calls); diff != "" {
				t.Errorf("callbacks (-want +got):\n%s", diff)
			}
			if len(reported) != 1 || !errors.Is(reported[0], cause) {
				t.Errorf("reported %v, want the cause once", reported)
			}
			r := checkClean(t, dir)
			if want := map[string]uint64{"before": 1, "after": 2}[when]; r.Documents != want {
				t.Errorf("%d documents, want %d", r.Documents, want)
			}
		})
	}
}

func TestPanicInACommitFailsTheStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{hooks: commitHooks{before: func() error { panic("assertion failed") }}})
	if err := put(t, s, appendOf(doc("acme", 0), 0, 1)); !errors.Is(err, ErrFailed) || !errors.Is(err, ErrCorrupt) {
		t.Errorf("append: %v, want ErrFailed and ErrCorrupt", err)
	}
	if err := s.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("close: %v, want ErrFailed", err)
	}
	checkClean(t, dir)
}

// TestFullDisk lets the kernel refuse to write beyond a file size.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=full", childDirEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	acked := uint64(0)
	for line := range strings.Lines(string(out)) {
		fmt.Sscanf(line, "ack %d", &acked)
	}
	if !strings.Contains(string(out), "failure "+ErrFailed.Error()) || acked == 0 {
		t.Fatalf("child said:\n%s", out)
	}
	s := open(t, dir, Options{})
	info, _, err := s.Document(doc("acme", 1))
	if err != nil || info.Changes < acked {
		t.Errorf("%d changes are stored of %d acknowledged: %v", info.Changes, acked, err)
	}
	mustPut(t, s, appendOf(doc("acme", 1), info.Changes, 1)) // with room again, writing goes on
	closeAndCheck(t, s, dir)
}

func fullDiskChild(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	failed := make(chan struct{})
	s, err := Open(dir, Options{OnFailure: func(err error) {
		fmt.Println("failure", err)
		close(failed)
	}})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	// bbolt has sized the file; writing to its pages beyond the limit fails as on a full disk.
	limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for next := uint64(0); ; next += 50 {
		ch := make(chan error, 1)
		err := s.Append(context.Background(), appendOf(doc("acme", 1), next, 50), func(err error) { ch <- err })
		if err == nil {
			err = <-ch
		}
		if err != nil {
			break
		}
		fmt.Println("ack", next+50)
	}
	<-failed
}
