package node

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Options says how to run a node. The zero value runs one on a free port with an empty data folder.
type Options struct {
	Data   string   // data folder; "" means a new one that goes with the test
	Secret string   // HS256 secret; "" means Secret
	Args   []string // further arguments of "concord serve"; they win over those that Start sets
	Env    []string // further variables, KEY=VALUE
	// Faulty says that the test provokes faults of the node itself: errors in its log don't fail the test.
	Faulty bool
}

// Node is a concord process. Its methods fail the test that started it, and are called from that test's goroutine.
type Node struct {
	Address string // host:port, the same after every restart
	Data    string

	tb     testing.TB
	o      Options
	cmd    *exec.Cmd
	exited chan error // the process's end, once

	mu   sync.Mutex // guards the following fields
	logs []string
}

// startTimeout is generous: it includes opening a big store on a busy machine.
const startTimeout = 30 * time.Second

// Start runs a node until the test ends.
func Start(tb testing.TB, o Options) *Node {
	tb.Helper()
	if o.Data == "" {
		o.Data = filepath.Join(tb.TempDir(), "data")
	}
	if o.Secret == "" {
		o.Secret = Secret
	}
	n := &Node{Address: "127.0.0.1:0", Data: o.Data, tb: tb, o: o}
	tb.Cleanup(func() {
		if n.Running() {
			n.Stop()
		}
		if !o.Faulty {
			n.checkLog()
		}
		if tb.Failed() {
			tb.Logf("log of the node:\n%s", strings.Join(n.Logs(), "\n"))
		}
	})
	n.Run()
	return n
}

// Run starts the process again after Stop or Kill, on the same port and data, and returns when it listens.
func (n *Node) Run() {
	n.tb.Helper()
	if n.Running() {
		n.tb.Fatal("the node is running")
	}
	args := []string{"serve", "--listen", n.Address, "--data", n.Data, "--max-connections-per-ip", "0", "--log-format", "json"}
	n.cmd = exec.Command(Binary(n.tb), append(args, n.o.Args...)...)
	n.cmd.Env = append(append(os.Environ(), "CONCORD_JWT_SECRET="+n.o.Secret), n.o.Env...)
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		n.tb.Fatal(err)
	}
	n.cmd.SysProcAttr = dieWithParent()
	listening, started := make(chan string, 1), make(chan error, 1)
	n.exited = make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan<- error) {
		// The thread that starts the process must last as long as the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			n.follow(stderr, cmd, exited, listening)
		}
	}(n.cmd, n.exited)
	if err := <-started; err != nil {
		n.cmd = nil
		n.tb.Fatal(fmt.Errorf("start concord: %w", err))
	}

	select {
	case n.Address = <-listening:
	case err := <-n.exited:
		n.cmd = nil
		n.tb.Fatalf("concord ended before it listened: %v\n%s", err, strings.Join(n.Logs(), "\n"))
	case <-time.After(startTimeout):
		n.cmd.Process.Kill()
		<-n.exited
		n.cmd = nil
		n.tb.Fatalf("concord doesn't listen after %v\n%s", startTimeout, strings.Join(n.Logs(), "\n"))
	}
}

// follow keeps the log, reports the address from the line "listening", and then the process's end.
func (n *Node) follow(stderr io.Reader, cmd *exec.Cmd, exited chan<- error, listening chan<- string) {
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			n.keep(line)
			var record struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "listening" {
				select {
				case listening <- record.Address:
				default:
				}
			}
		}
		if err != nil {
			break
		}
	}
	exited <- cmd.Wait()
}

// keptLines bounds the log kept in memory.
const keptLines = 5000

func (n *Node) keep(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.logs = append(n.logs, line); len(n.logs) > keptLines {
		n.logs = n.logs[len(n.logs)-keptLines:]
	}
}

// Logs returns the newest lines of all runs so far.
func (n *Node) Logs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.logs...)
}

// checkLog fails the test for every error in the log, which is kept for faults of the node's own making.
func (n *Node) checkLog() {
	n.tb.Helper()
	for _, line := range n.Logs() {
		var record struct{ Level string }
		// A line that isn't JSON comes from the runtime, or was cut short by a kill.
		bad := json.Unmarshal([]byte(line), &record) == nil && record.Level == "ERROR"
		for _, word := range []string{"panic:", "fatal error:", "DATA RACE"} {
			bad = bad || strings.Contains(line, word)
		}
		if bad {
			n.tb.Errorf("the node logged: %s", line)
		}
	}
}

// Check runs "concord check" on the data of the stopped node, and fails the test unless it finds everything in order.
func (n *Node) Check() {
	n.tb.Helper()
	if n.Running() {
		n.tb.Fatal("the node is running")
	}
	out, err := exec.CommandContext(n.tb.Context(), Binary(n.tb), "check", n.Data).CombinedOutput()
	if err != nil {
		n.tb.Errorf("concord check: %v\n%s", err, out)
	}
}

// Running says whether the process was started and neither stopped nor killed.
func (n *Node) Running() bool { return n.cmd != nil }

// PID returns the process ID.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Stop sends SIGTERM and waits for a clean end.
func (n *Node) Stop() {
	n.tb.Helper()
	err := n.end(syscall.SIGTERM)
	if err != nil {
		n.tb.Errorf("concord ended with %v after SIGTERM", err)
	}
}

// Kill sends SIGKILL and waits.
func (n *Node) Kill() {
	n.tb.Helper()
	var exit *exec.ExitError
	if err := n.end(syscall.SIGKILL); err != nil && !errors.As(err, &exit) {
		n.tb.Error(err)
	}
}

// Died returns a channel that gives the exit error if the process ends by itself.
func (n *Node) Died() <-chan error { return n.exited }

func (n *Node) end(s syscall.Signal) error {
	n.tb.Helper()
	cmd := n.cmd
	n.cmd = nil
	if err := cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal concord: %w", errors.Join(err, <-n.exited))
	}
	select {
	case err := <-n.exited:
		return err
	case <-time.After(startTimeout):
		cmd.Process.Kill()
		<-n.exited
		return fmt.Errorf("concord didn't end in %v after %v", startTimeout, s)
	}
}

// URL returns the address of an HTTP path.
func (n *Node) URL(path string) string { return "http://" + n.Address + path }

// SyncURL returns the address of the sync endpoint.
func (n *Node) SyncURL() string { return "ws://" + n.Address + "/v1/sync" }

// TicketURL returns where tickets are to be had.
func (n *Node) TicketURL() string { return n.URL("/v1/tickets") }

// Token signs a token that this node accepts.
func (n *Node) Token(c Claims) string {
	n.tb.Helper()
	return Token(n.tb, n.o.Secret, c)
}
