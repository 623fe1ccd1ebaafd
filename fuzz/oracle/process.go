package oracle

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
	"time"
)

// Patience is how long an engine may take for one request before it is killed.
const Patience = 2 * time.Minute

// Engine is a reference implementation in a child process, which is started
// anew when it dies. It takes one request at a time; its methods are safe for
// concurrent use.
type Engine struct {
	name  string
	start func() *exec.Cmd

	mu      sync.Mutex // guards the following fields
	process *process   // nil = not running
	deaths  int
}

// ErrDied is returned when the engine's process ended, or had to be killed,
// before it answered.
var ErrDied = errors.New("the process died")

// JS returns automerge-js 3.5 in Node.
func JS() (*Engine, error) {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "js")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		return nil, fmt.Errorf("automerge-js: %s is missing: run \"make deps\"", filepath.Join(dir, "node_modules"))
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("automerge-js needs Node 20 or later: %w", err)
	}
	return &Engine{name: "automerge-js", start: func() *exec.Cmd {
		return exec.Command(node, filepath.Join(dir, "main.mjs"))
	}}, nil
}

// goVariable tells a copy of the program to be automerge-go.
const goVariable = "CONCORD_ORACLE"

// Go returns automerge-go in a copy of the running program, whose main, or
// TestMain, has to call ServeGo first of all.
func Go() (*Engine, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("automerge-go: find the own program: %w", err)
	}
	return &Engine{name: "automerge-go", start: func() *exec.Cmd {
		c := exec.Command(program)
		c.Env = append(os.Environ(), goVariable+"=automerge-go")
		return c
	}}, nil
}

// Name says which implementation it is.
func (e *Engine) Name() string { return e.name }

// Deaths returns how often the process ended without having been asked to.
func (e *Engine) Deaths() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.deaths
}

// Close ends the process and waits for it. The engine can be used again.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.process != nil {
		e.process.end()
		e.process = nil
	}
}

// Cases has the engine work on cases. When it dies or panics over one of them,
// each is asked alone, so that one bad case costs the others nothing.
func (e *Engine) Cases(cases []Case) ([]Answer, error) {
	answers, err := e.cases(cases)
	if err == nil && !panicked(answers) || errors.Is(err, errNoStart) {
		return answers, err
	}
	answers = answers[:0]
	for _, c := range cases {
		one, err := e.cases([]Case{c})
		switch {
		case errors.Is(err, ErrDied):
			one = []Answer{{Error: err.Error(), Panic: true}}
		case err != nil:
			return nil, err
		case one[0].Panic:
			e.Close()
		}
		answers = append(answers, one[0])
	}
	return answers, nil
}

func panicked(answers []Answer) bool {
	for i := range answers {
		if answers[i].Panic {
			return true
		}
	}
	return false
}

func (e *Engine) cases(cases []Case) ([]Answer, error) {
	var answers []Answer
	if err := e.call("cases", map[string]any{"cases": cases}, &answers); err != nil {
		return nil, err
	}
	if len(answers) != len(cases) {
		return nil, fmt.Errorf("%s: %d answers to %d cases", e.name, len(answers), len(cases))
	}
	if panicked(answers) {
		e.Close()
	}
	return answers, nil
}

// Author has the engine write n histories, each of which is a list of changes
// in an order that fits. The seed decides what they are.
func (e *Engine) Author(seed uint64, n int) ([][][]byte, error) {
	var histories [][][]byte
	err := e.call("author", map[string]any{"seed": seed % (1 << 32), "cases": n}, &histories)
	return histories, err
}

var errNoStart = errors.New("cannot start")

func (e *Engine) call(command string, args map[string]any, result any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.process == nil {
		p, err := launch(e.start())
		if err != nil {
			return fmt.Errorf("%s: %w: %w", e.name, errNoStart, err)
		}
		e.process = p
	}
	args["command"] = command
	if err := e.process.call(args, result); err != nil {
		if errors.Is(err, ErrDied) {
			e.deaths++
			e.process = nil
		}
		return fmt.Errorf("%s: %s: %w", e.name, command, err)
	}
	return nil
}

// process is one life of an engine.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr head
}

func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd}
	cmd.Stderr = &p.stderr
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReaderSize(stdout, 1<<16)
	return p, cmd.Start()
}

func (p *process) call(request map[string]any, result any) error {
	line, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	timer := time.AfterFunc(Patience, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	if _, err = p.stdin.Write(append(line, '\n')); err == nil {
		line, err = p.stdout.ReadBytes('\n')
	}
	if err != nil {
		p.end()
		return fmt.Errorf("%w (%v): %s", ErrDied, p.cmd.ProcessState, p.stderr.firstLines())
	}
	var reply struct {
		Result json.RawMessage `json:"result"`
		Error  string          `json:"error"`
	}
	if err := json.Unmarshal(line, &reply); err != nil {
		return fmt.Errorf("read the reply: %w", err)
	}
	if reply.Error != "" {
		return errors.New(reply.Error)
	}
	return json.Unmarshal(reply.Result, result)
}

func (p *process) end() {
	p.stdin.Close()
	timer := time.AfterFunc(5*time.Second, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait() // its fate is in ProcessState
}

// head keeps the beginning of what a process wrote to stderr.
type head struct {
	mu   sync.Mutex
	text []byte
}

const headBytes = 4 << 10

func (t *head) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b[:min(len(b), headBytes-len(t.text))]...)
	return len(b), nil
}

func (t *head) firstLines() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.SplitN(strings.TrimSpace(string(t.text)), "\n", 6)
	return strings.Join(lines[:min(5, len(lines))], "\n")
}
