package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/auth"
)

// begin opens a connection and sends the beginning of a POST.
func (r *rig) begin(path, bearer, length, body string) net.Conn {
	r.tb.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.http.URL, "http://"))
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { c.Close() })
	_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n%s\r\n\r\n%s", path, bearer, octets, length, body)
	if err != nil {
		r.tb.Fatal(err)
	}
	return c
}

// drip sends a byte now and then, until the test ends.
func (r *rig) drip(c net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, err := c.Write([]byte{0}); err == nil; _, err = c.Write([]byte{0}) {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	r.tb.Cleanup(func() { c.Close(); <-done })
}

// shares returns how many large bodies have one.
func (r *rig) shares() int {
	b := r.api.bodies
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.pools[bodyPool{level: 2}]; s != nil {
		return len(s.held)
	}
	return 0
}

// importLarge imports a document that takes a share.
func (r *rig) importLarge(bearer string) {
	r.tb.Helper()
	doc := crdt.New()
	doc.SetActor("large document..")
	if _, err := doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
		noise := make([]byte, 2*smallBody)
		_, _ = randomBytes{}.Read(noise)
		_, err := tx.Set(crdt.Root, "noise", noise)
		return err
	}); err != nil {
		r.tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(r.tb.Context(), 20*time.Second)
	defer cancel()
	// The size of a reader of its own isn't known beforehand.
	req, err := http.NewRequestWithContext(ctx, "POST", r.http.URL+"/v1/documents/import", io.MultiReader(strings.NewReader(string(doc.Save()))))
	if err != nil {
		r.tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	res, err := r.http.Client().Do(req)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		b, _ := io.ReadAll(res.Body)
		r.tb.Fatalf("%d %s", res.StatusCode, b)
	}
}

// Who sends large bodies slowly, over as many connections as there may be, is in
// nobody's way: others of the company get through, and other companies.
func TestSlowBodiesAreInNobodysWay(t *testing.T) {
	r := newRig(t, settings{})
	slow := func(company, user string, size int) {
		for range 2 * largeBodies[2] {
			r.drip(r.begin("/v1/documents/import", token(t, company, user, auth.RoleEditor), "Content-Length: 8000000", strings.Repeat("\x00", size)))
		}
	}
	slow("acme", "alice", 1) // announces more than is sent
	r.importLarge(token(t, "acme", "alice", auth.RoleEditor))
	slow("acme", "eve", smallBody+1)
	waitFor(t, "a slow body holds what one may hold", func() bool { return r.shares() == 1 })
	r.importLarge(token(t, "acme", "alice", auth.RoleEditor))
	slow("acme", "mallory", smallBody+1)
	waitFor(t, "slow bodies hold what a company may hold", func() bool { return r.shares() == 2 })
	slow("acme", "trudy", smallBody+1)
	r.importLarge(token(t, "other", "olga", auth.RoleEditor))
	r.importLarge(token(t, "third", "tom", auth.RoleEditor))
}

// A pool is forgotten with the last call of its company or user.
func TestBodySharesAreGivenBack(t *testing.T) {
	b := newBodyBudget()
	alice, bob := auth.Principal{Company: "acme", User: "alice"}, auth.Principal{Company: "acme", User: "bob"}
	first := b.take(t.Context(), alice)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if b.take(ended, alice) != nil {
		t.Error("a user has two shares")
	}
	second := b.take(t.Context(), bob)
	if b.take(ended, auth.Principal{Company: "acme", User: "carol"}) != nil {
		t.Error("a company has three shares")
	}
	next := make(chan func())
	go func() { next <- b.take(t.Context(), alice) }()
	first()
	(<-next)()
	second()
	if len(b.pools) > 0 {
		t.Errorf("left: %v", b.pools)
	}
}

// A body that breaks off, or isn't HTTP, is no fault of the server's.
func TestBrokenBodies(t *testing.T) {
	r := newRig(t, settings{})
	admin := token(t, "acme", "root", auth.RoleAdmin)
	for _, path := range []string{"/v1/documents/import", "/v1/revocations"} {
		for _, c := range [][2]string{{"Content-Length: 100", "short"}, {"Transfer-Encoding: chunked", "zz\r\nnonsense\r\n"}, {"Transfer-Encoding: chunked", "5\r\nshort"}} {
			conn := r.begin(path, admin, c[0], c[1])
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != http.StatusRequestTimeout || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s with %q: %d %s", path, c, res.StatusCode, res.Header.Get("Content-Type"))
			}
		}
	}
}

// pipeListener accepts one connection.
type pipeListener struct {
	net.Listener
	conns chan net.Conn
}

func (l pipeListener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l pipeListener) Close() error   { return nil }
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// An answer that nobody takes ends; one that is taken slowly arrives.
func TestAnswersThatNobodyTakes(t *testing.T) {
	const timeout = time.Second
	answer := make([]byte, 4*writeStep)
	wrote := make(chan error, 1)
	s := httptest.NewUnstartedServer(bounded(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(answer)
		wrote <- err
	}), timeout))
	s.Listener.Close()
	conns := make(chan net.Conn, 2)
	s.Listener = pipeListener{conns: conns}
	s.Start()
	defer s.Close()
	defer close(conns)
	ask := func() net.Conn {
		client, server := net.Pipe()
		conns <- server
		if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return client
	}
	idle := ask()
	defer idle.Close()
	if err := <-wrote; !os.IsTimeout(err) {
		t.Errorf("an answer that nobody took ended with %v", err)
	}
	slow := ask()
	defer slow.Close()
	in := bufio.NewReaderSize(slow, 16)
	for range 7 { // takes nearly twice as long as there is for one step
		time.Sleep(timeout / 4)
		if _, err := io.ReadFull(in, make([]byte, writeStep/2)); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, in) }()
	if err := <-wrote; err != nil {
		t.Errorf("an answer that was taken slowly ended with %v", err)
	}
}
