package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shell runs commands against a server as a user.
type shell struct {
	t     *testing.T
	token string
	url   string
}

func newShell(t *testing.T, s *server, user, role string) shell {
	t.Helper()
	token := succeed(t, "token", "--sub", user, "--company", "acme", "--role", role, "--jwt-secret", testSecret)
	return shell{t, strings.TrimSpace(token), s.url}
}

// run returns what a command prints; it must succeed.
func (s shell) run(args ...string) string {
	s.t.Helper()
	return succeed(s.t, s.with(args)...)
}

// fails runs a command that must fail and say something.
func (s shell) fails(want string, args ...string) {
	s.t.Helper()
	fail(s.t, want, s.with(args)...)
}

// with says where, and as whom, a command is run.
func (s shell) with(args []string) []string {
	return append(args, "--server", s.url, "--token", s.token)
}

func (s shell) json(out any, args ...string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.run(append(args, "--json")...)), out); err != nil {
		s.t.Fatalf("concord %s: %v", strings.Join(args, " "), err)
	}
}

func contains(t *testing.T, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestDocuments(t *testing.T) {
	dir := t.TempDir()
	s := newShell(t, serve(t, filepath.Join(dir, "data"), "--jwt-secret", testSecret), "alice", "admin")
	s.run("doc", "set", "invoice/4711", "--create", "--merge", `{"status":"draft","total":100,"lines":[{"item":"Espresso","qty":1}]}`, "-m", "first")
	s.run("doc", "set", "invoice/4711", "/total", "120")
	s.run("doc", "set", "invoice/4711", "/lines/0/item", "Latte")
	contains(t, s.run("doc", "get", "invoice/4711", "--path", "/lines"), `"item": "Latte"`)
	contains(t, s.run("doc", "ls", "--type", "invoice"), "4711", "alice")
	contains(t, s.run("doc", "history", "invoice/4711"), "first", "/lines/0/item")
	contains(t, s.run("doc", "blame", "invoice/4711"), "/total", "120", "alice")
	var changes []changeJSON
	s.json(&changes, "doc", "history", "invoice/4711")
	first := changes[len(changes)-2].Hash
	contains(t, s.run("doc", "diff", "invoice/4711", first), "/total", "100", "120")
	s.run("doc", "restore", "invoice/4711", "--at", first, "--path", "/total")
	var total struct{ Content int }
	if s.json(&total, "doc", "get", "invoice/4711", "--path", "/total"); total.Content != 100 {
		t.Errorf("restored total %d", total.Content)
	}
	s.run("doc", "set", "invoice/4711", "/status", "--delete")
	s.fails("status", "doc", "get", "invoice/4711", "--path", "/status")
	s.fails("no document", "doc", "get", "invoice/none")
	s.fails("neither", "doc", "get", "nonsense")

	file := filepath.Join(dir, "a.automerge")
	s.run("doc", "export", "invoice/4711", "-o", file)
	s.run("doc", "import", file, "--type", "invoice", "--ref", "4712")
	contains(t, s.run("doc", "get", "invoice/4712"), "Latte")
	s.fails("pass --yes", "doc", "rm", "invoice/4712")
	s.run("doc", "rm", "invoice/4712", "--yes", "--reason", "a copy")
	contains(t, s.run("doc", "ls", "--deleted"), "a copy")
	s.fails("no document", "doc", "get", "invoice/4712")
	newShell(t, &server{url: s.url}, "eve", "viewer").fails("viewer", "doc", "set", "invoice/4711", "/total", "1")
}

func TestImportOfFolder(t *testing.T) {
	dir := t.TempDir()
	s := newShell(t, serve(t, filepath.Join(dir, "data"), "--jwt-secret", testSecret), "alice", "admin")
	s.run("doc", "set", "item/1", "--create", "--merge", `{"price":10}`)
	file := filepath.Join(dir, "a.automerge")
	s.run("doc", "export", "item/1", "-o", file)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "repo")
	put := func(path string, b []byte) {
		t.Helper()
		path = filepath.Join(folder, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("4N/MNnkMhL8jXrdJ9jamS58PAVdXu/snapshot/a", b)
	put("4N/MNnkMhL8jXrdJ9jamS58PAVdXu/incremental/b", []byte("damaged"))
	code, out, errs := command(t, s.with([]string{"doc", "import", "--nodefs", folder})...)
	if code != 1 || !strings.Contains(errs, "incremental/b") || !strings.Contains(out, "1 of 1 document") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	contains(t, s.run("doc", "get", "4NMNnkMhL8jXrdJ9jamS58PAVdXu", "--path", "/price"), "10")
	put("4N/MNnkMhL8jXrdJ9jamS58PAVdXu/incremental/b", b) // mended
	contains(t, s.run("doc", "import", "--nodefs", folder), "1 of 1 document imported, 0 new changes")
	contains(t, s.run("doc", "import", "--nodefs", folder), "1 had been imported before")
	s.fails("NodeFSStorageAdapter", "doc", "import", "--nodefs", dir)
}
