package crash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"syscall"
	"time"

	"concord/crdt"
	"concord/internal/client"
	"concord/internal/id"
	"concord/internal/testkit/node"
)

// admin returns a client of a node that doesn't use a connection twice: the other end of an old one may be dead.
func (r *run) admin(n *node.Node) *client.Client {
	r.t.Helper()
	return &client.Client{
		Server: n.URL(""), Token: n.Token(node.Claims{Sub: "admin", Role: "admin"}),
		HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: syncTimeout},
	}
}

// export returns a document that the server has to have.
func (r *run) export(c *client.Client, doc id.DocumentID) *crdt.Doc {
	r.t.Helper()
	b, _, err := c.Bytes(r.t.Context(), client.Request{Method: http.MethodGet, Path: "/v1/documents/" + doc.String() + "/export"})
	if err != nil {
		r.t.Fatalf("export document %v: %v", doc, err)
	}
	d, err := crdt.Load(b, crdt.Limits{})
	if err != nil {
		r.t.Fatalf("load document %v: %v", doc, err)
	}
	return d
}

// holds fails the test unless a document on the server has the changes.
func (r *run) holds(c *client.Client, doc id.DocumentID, want []crdt.Hash) {
	r.t.Helper()
	d, got := r.export(c, doc), make(map[crdt.Hash]bool)
	for _, h := range want {
		got[h] = d.Has(h)
	}
	r.compare(doc, want, got)
}

// command is a concord command that is under way.
type command struct {
	cmd   *exec.Cmd
	out   bytes.Buffer // to be read after wait
	ended chan error
	begun time.Time
}

// start runs concord with arguments.
func (r *run) start(args ...string) *command {
	r.t.Helper()
	c := &command{cmd: exec.Command(node.Binary(r.t), args...), ended: make(chan error, 1), begun: time.Now()}
	c.cmd.Env = append(c.cmd.Environ(), "CONCORD_URL="+r.node.URL(""), "CONCORD_TOKEN="+r.node.Token(node.Claims{Sub: "importer"}))
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	if err := c.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { c.ended <- c.cmd.Wait() }()
	return c
}

// wait returns the command's end.
func (r *run) wait(c *command) error {
	r.t.Helper()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(syncTimeout):
		_ = c.cmd.Process.Kill()
		<-c.ended
		r.t.Fatalf("%v doesn't end\n%s", c.cmd.Args, &c.out)
		return nil
	}
}

// kill ends the command at once; it may have ended before. It reports whether the signal was what ended it.
func (r *run) kill(c *command) bool {
	r.t.Helper()
	_ = c.cmd.Process.Kill()
	_ = r.wait(c)
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// amid waits for a random moment of the command, or its end.
func (r *run) amid(c *command, p *pace) {
	select {
	case err := <-c.ended:
		p.took(time.Since(c.begun))
		c.ended <- err // for wait
	case <-time.After(p.moment(r.rng)):
	}
}

// learn runs a command that nothing happens to.
func (r *run) learn(p *pace, args ...string) {
	r.t.Helper()
	begin := time.Now()
	r.must(args...)
	p.took(time.Since(begin))
}

// must runs a command to its good end.
func (r *run) must(args ...string) {
	r.t.Helper()
	c := r.start(args...)
	if err := r.wait(c); err != nil {
		r.t.Fatalf("concord %v: %v\n%s", args, err, &c.out)
	}
}

// pace learns how long something takes, so that kills hit all of it, on fast and slow machines.
type pace struct{ usual time.Duration }

func (p *pace) took(d time.Duration) {
	if p.usual == 0 {
		p.usual = d
	}
	p.usual = (p.usual + d) / 2
}

// moment is a bit more often within the usual time than after it.
func (p *pace) moment(rng *rand.Rand) time.Duration {
	return time.Duration(rng.Int64N(int64(max(p.usual, time.Millisecond)) * 9 / 8))
}

// file is a document as a file to be imported, with what is to be found afterwards.
type file struct {
	id      id.DocumentID
	ref     string // "" = imported by ID
	whole   []byte // the older changes, as one chunk
	changes []byte // the newer ones
	hashes  []crdt.Hash
}

// makeFile writes a document of n changes. Values are random, so that they can be found again, behind a mark.
func (r *run) makeFile(n int, mark []byte) file {
	r.t.Helper()
	d, f := crdt.New(), file{id: r.newID()}
	actor := r.newID()
	d.SetActor(crdt.ActorID(actor[:]))
	older := r.rng.IntN(n)
	var heads []crdt.Hash
	for i := range n {
		value := append(append(bytes.Clone(mark), f.id[:]...), byte(i), byte(i>>8)) // no two are equal
		for range r.rng.IntN(40) {
			value = append(value, byte(r.rng.Uint32()))
		}
		c, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
			_, err := tx.Set(crdt.Root, fmt.Sprint("key-", r.rng.IntN(30)), value)
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
		f.hashes = append(f.hashes, c.Hash)
		if i == older {
			f.whole, heads = d.Save(), d.Heads()
		}
	}
	f.changes = d.SaveSince(heads)
	return f
}

// imported is the server's answer to an import.
type imported struct {
	ID         id.DocumentID
	New, Known int
	Waiting    int
	Refused    []struct{ Detail string }
}

// send imports a file.
func (f file) send(ctx context.Context, c *client.Client) (got imported, err error) {
	query := map[string][]string{"id": {f.id.String()}}
	if f.ref != "" {
		query = map[string][]string{"type": {"order"}, "ref": {f.ref}}
	}
	_, err = c.JSON(ctx, client.Request{
		Method: http.MethodPost, Path: "/v1/documents/import", Query: query,
		Body: bytes.NewReader(append(bytes.Clone(f.whole), f.changes...)), Type: "application/octet-stream",
	}, nil, &got)
	return got, err
}
