package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// reference asks automerge-go for documents, in a child process that is started anew when it has died. Close it.
type reference struct {
	command []string // of the child
	timeout time.Duration
	child   *childProcess
}

// childProcess is a running child. Its answers are read by one goroutine, which ends with the process.
type childProcess struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	stderr  *head
	answers chan []byte
}

var (
	errDied    = errors.New("automerge-go died")
	errTimeout = errors.New("automerge-go didn't answer in time")
)

// ask returns what the child says of a document. The error is errDied with the child's last words, or errTimeout; the
// next call starts another child. Any other error means that there can be no child.
func (r *reference) ask(ctx context.Context, doc []byte) (answer, error) {
	if r.child == nil {
		child, err := startChild(r.command)
		if err != nil {
			return answer{}, fmt.Errorf("start a child: %w", err)
		}
		r.child = child
	}
	timer := time.NewTimer(r.timeout)
	defer timer.Stop()
	go r.child.send(doc)
	select {
	case line, ok := <-r.child.answers:
		var a answer
		if ok && json.Unmarshal(line, &a) == nil {
			return a, nil
		}
		return answer{}, fmt.Errorf("%w: %s", errDied, r.end())
	case <-timer.C:
		r.end()
		return answer{}, fmt.Errorf("%w: %s", errTimeout, r.timeout)
	case <-ctx.Done():
		r.end()
		return answer{}, ctx.Err()
	}
}

// end kills the child, if it still runs, and returns its last words.
func (r *reference) end() string {
	if r.child == nil {
		return ""
	}
	child := r.child
	r.child = nil
	child.stdin.Close()
	died := make(chan struct{})
	go func() {
		for range child.answers { // ends with the process
		}
		close(died)
	}()
	select {
	case <-died: // of itself, or because its input has ended
	case <-time.After(100 * time.Millisecond):
		_ = child.cmd.Process.Kill()
		<-died
	}
	err := child.cmd.Wait()
	return child.stderr.lastWords(err)
}

// close ends the child.
func (r *reference) close() { r.end() }

func startChild(command []string) (*childProcess, error) {
	c := &childProcess{cmd: exec.Command(command[0], command[1:]...), stderr: &head{}, answers: make(chan []byte)}
	c.cmd.Env = append(os.Environ(), "GOTRACEBACK=none")
	c.cmd.Stderr = c.stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(c.answers)
		lines := bufio.NewReader(stdout)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			c.answers <- line
		}
	}()
	return c, nil
}

// send writes a document. That the child has died shows in the missing answer.
func (c *childProcess) send(doc []byte) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(doc)))
	if _, err := c.stdin.Write(size[:]); err == nil {
		_, _ = c.stdin.Write(doc)
	}
}

// head keeps the beginning of what is written.
type head struct{ b bytes.Buffer }

const maxHead = 16 << 10

func (h *head) Write(p []byte) (int, error) {
	h.b.Write(p[:min(len(p), maxHead-h.b.Len())])
	return len(p), nil
}

// lastWords tells how a child ended, in one line.
func (h *head) lastWords(err error) string {
	how := "it ended"
	if err != nil {
		how = err.Error()
	}
	for line := range strings.Lines(h.b.String()) {
		if line = strings.TrimSpace(line); line != "" {
			return how + ": " + line
		}
	}
	return how
}
