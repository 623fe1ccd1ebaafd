// Package stock runs unmodified automerge-repo clients, of two generations, inside Node processes, as a test instrument.
//
// One process holds any number of clients; the driver in js/ takes commands as JSON lines. The packages themselves are
// installed by "make deps" from the lock files in js/v1 and js/v2.
package stock

import (
	"bufio"
	"bytes"
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
	"testing"
	"time"
)

// Generation names a set of package versions.
type Generation string

const (
	V1 Generation = "v1" // automerge-repo 1.2 with automerge 2.2
	V2 Generation = "v2" // automerge-repo 2.5 with automerge 3.5
)

// CallTimeout bounds every call to a driver; waiting calls add their own patience to it.
const CallTimeout = 60 * time.Second

// Process is a running driver. Its methods are safe for concurrent use.
type Process struct {
	Generation Generation

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr tail
	gone   chan struct{} // closed when the process has ended

	mu      sync.Mutex // guards the following fields
	next    int
	waiting map[int]chan answer
}

type answer struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

// Start launches a driver that ends with the test; what it wrote to stderr is shown if the test fails.
func Start(tb testing.TB, g Generation) *Process {
	tb.Helper()
	p, err := Launch(g)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.Stop()
		if tb.Failed() {
			tb.Logf("stderr of the %s driver:\n%s", g, p.Stderr())
		}
	})
	return p
}

// Launch starts a driver that several tests share. The caller stops it.
func Launch(g Generation) (*Process, error) {
	dir := filepath.Join(scripts(), string(g))
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		return nil, fmt.Errorf("stock clients: %s is missing: run \"make deps\"", filepath.Join(dir, "node_modules"))
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("stock clients need Node 20 or later: %w", err)
	}

	p := &Process{Generation: g, gone: make(chan struct{}), waiting: map[int]chan answer{}}
	p.cmd = exec.Command(node, filepath.Join(dir, "main.mjs"))
	p.cmd.Stderr = &p.stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the %s driver: %w", g, err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the %s driver: %w", g, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the %s driver: %w", g, err)
	}
	go p.read(stdout)
	return p, nil
}

// Stop ends the process and waits for it.
func (p *Process) Stop() {
	p.stdin.Close()
	select {
	case <-p.gone:
	case <-time.After(5 * time.Second):
		p.cmd.Process.Kill()
		<-p.gone
	}
}

// Kill ends the process with SIGKILL: no client of it says goodbye.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.gone
}

// Stderr returns the end of what the process wrote to stderr.
func (p *Process) Stderr() string { return p.stderr.String() }

// Call sends a command and stores the result in result, unless that is nil. Patience is added to CallTimeout.
func (p *Process) Call(command string, args map[string]any, result any, patience time.Duration) error {
	reply := make(chan answer, 1)
	line := map[string]any{"command": command}
	for k, v := range args {
		line[k] = v
	}
	if err := p.send(line, reply); err != nil {
		return fmt.Errorf("%s driver: %s: %w", p.Generation, command, err)
	}
	select {
	case a := <-reply:
		if a.Error != "" {
			return fmt.Errorf("%s driver: %s: %s", p.Generation, command, a.Error)
		}
		if result == nil {
			return nil
		}
		if err := json.Unmarshal(a.Result, result); err != nil {
			return fmt.Errorf("%s driver: read the result of %s: %w", p.Generation, command, err)
		}
		return nil
	case <-p.gone:
		return fmt.Errorf("%s driver: %s: the process has ended; stderr:\n%s", p.Generation, command, p.Stderr())
	case <-time.After(CallTimeout + patience):
		return fmt.Errorf("%s driver: %s: no answer in %v; stderr:\n%s", p.Generation, command, CallTimeout+patience, p.Stderr())
	}
}

func (p *Process) send(line map[string]any, reply chan answer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	line["id"] = p.next
	b, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode the command: %w", err)
	}
	p.waiting[p.next] = reply
	if _, err := p.stdin.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write the command: %w", err)
	}
	return nil
}

// read hands out the answers until the process ends.
func (p *Process) read(stdout io.Reader) {
	defer close(p.gone)
	lines := bufio.NewReaderSize(stdout, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			fmt.Fprintf(&p.stderr, "not an answer: %s\n", line)
			continue
		}
		p.mu.Lock()
		reply := p.waiting[a.ID]
		delete(p.waiting, a.ID)
		p.mu.Unlock()
		if reply != nil {
			reply <- a
		}
	}
	if err := p.cmd.Wait(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		fmt.Fprintf(&p.stderr, "driver ended: %v\n", err)
	}
}

// scripts returns the folder js beside this file.
func scripts() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "js")
}

// tail keeps the last 64 KB written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailBytes = 64 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b)
	if extra := t.buf.Len() - tailBytes; extra > 0 {
		t.buf.Next(extra)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.buf.String())
}
