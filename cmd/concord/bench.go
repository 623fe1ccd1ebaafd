package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"concord/internal/auth"
	"concord/internal/bench"
)

type benchCommand struct {
	URL         string        `help:"Sync endpoint to measure (ws://…). Without it, a node of this program is started in a temporary folder."`
	Secret      string        `name:"jwt-secret" env:"CONCORD_JWT_SECRET" help:"Secret that signs the clients' tokens; needed for a Concord node given by --url, left out for servers that ask for no token."`
	Company     string        `default:"bench" help:"Company of the clients' tokens."`
	Scenario    string        `default:"all" enum:"all,fan-out,closed,conflicts,first-sync,idle" help:"What to measure: ${enum}."`
	PID         int           `name:"pid" help:"Process of the server on this machine, for its memory."`
	Peers       []int         `default:"2,50,500" help:"Clients of one document in fan-out."`
	Edits       int           `default:"200" help:"Edits of fan-out, for each number of clients."`
	Documents   int           `default:"100" help:"Documents of closed and conflicts, with two clients each."`
	Duration    time.Duration `default:"10s" help:"How long closed and conflicts run."`
	Changes     int           `default:"20000" help:"Changes of first-sync's document."`
	Connections int           `default:"10000" help:"Connections of idle."`
}

// Run measures and prints a table.
func (c *benchCommand) Run(ctx context.Context, s streams) error {
	o := bench.Options{
		URL: c.URL, Scenario: c.Scenario, Out: s.out, PID: c.PID,
		Peers: c.Peers, Edits: c.Edits, Documents: c.Documents, Duration: c.Duration, Changes: c.Changes, Connections: c.Connections,
	}
	secret := c.Secret
	if o.URL == "" {
		n, err := startNode(ctx, s)
		if err != nil {
			return err
		}
		defer n.stop()
		o.URL, o.PID, secret = "ws://"+n.address+"/v1/sync", n.cmd.Process.Pid, n.secret
	}
	if secret != "" {
		if _, err := c.token(secret, "bench"); err != nil {
			return err
		}
		o.Token = func(user string) string {
			token, _ := c.token(secret, user) // has worked above
			return token
		}
	}
	return bench.Run(ctx, o)
}

func (c *benchCommand) token(secret, user string) (string, error) {
	return auth.Sign([]byte(secret), auth.Claims{
		Subject: user, Company: c.Company, Role: auth.RoleEditor, Expires: time.Now().Add(time.Hour),
	})
}

// childNode is a server process of this program, for measuring.
type childNode struct {
	cmd     *exec.Cmd
	dir     string
	address string
	secret  string
}

// startNode runs this program's server in a process of its own, so that its
// memory and its scheduler are not those of the clients.
func startNode(ctx context.Context, s streams) (_ *childNode, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	n := &childNode{}
	if n.dir, err = os.MkdirTemp("", "concord-bench-"); err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make a secret: %w", err)
	}
	n.secret = hex.EncodeToString(key)
	n.cmd = exec.CommandContext(ctx, self, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(n.dir, "data"),
		"--max-connections-per-ip", "0", "--message-rate", "0", "--log-format", "json")
	n.cmd.Env = append(os.Environ(), "CONCORD_JWT_SECRET="+n.secret)
	n.cmd.Cancel = func() error { return n.cmd.Process.Signal(syscall.SIGTERM) }
	log, err := n.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a node: %w", err)
	}
	if n.address, err = listening(log, s.err); err != nil {
		n.stop()
		return nil, err
	}
	return n, nil
}

// listening reads a node's log until it tells its address, and passes on the
// warnings and errors that come after it.
func listening(log io.Reader, w io.Writer) (string, error) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var record struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "listening" {
			go func() {
				for lines.Scan() {
					var record struct{ Level string }
					if json.Unmarshal(lines.Bytes(), &record) != nil || record.Level == "WARN" || record.Level == "ERROR" {
						fmt.Fprintln(w, lines.Text())
					}
				}
			}()
			return record.Address, nil
		}
		fmt.Fprintln(w, lines.Text())
	}
	return "", errors.New("the node ended before it listened; its log is above")
}

func (n *childNode) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	_ = n.cmd.Wait()
	_ = os.RemoveAll(n.dir)
}
