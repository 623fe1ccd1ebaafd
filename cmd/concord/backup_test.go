package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	first := serve(t, data, "--jwt-secret", testSecret)
	s := newShell(t, first, "alice", "admin")
	s.run("doc", "set", "invoice/1", "--create", "--merge", `{"total":100}`)
	s.run("doc", "set", "invoice/2", "--create", "--merge", `{"total":200}`)
	full, more, cold := filepath.Join(dir, "full"), filepath.Join(dir, "more"), filepath.Join(dir, "cold")
	backup := func(args ...string) string {
		t.Helper()
		return succeed(t, append([]string{"backup", "--data", data}, args...)...)
	}
	contains(t, backup(full), "2 documents", "4 changes")
	s.run("doc", "set", "invoice/1", "/total", "101")
	contains(t, backup(more, "--since", full), "2 documents", "5 changes")
	if a, b := size(t, full), size(t, more); b >= a {
		t.Errorf("the full backup has %d bytes, the one that continues it %d", a, b)
	}
	s.run("doc", "rm", "invoice/2", "--yes")
	fail(t, "exists", "backup", "--data", data, full)
	first.stop()
	contains(t, backup(cold), "1 document,")

	restored := func(want string, args ...string) shell {
		t.Helper()
		to := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+want)
		contains(t, succeed(t, append([]string{"restore", "--data", to}, args...)...), "all verified")
		return newShell(t, serve(t, to, "--jwt-secret", testSecret), "alice", "admin")
	}
	get := func(s shell, doc string) int {
		t.Helper()
		var total struct{ Content int }
		s.json(&total, "doc", "get", doc, "--path", "/total")
		return total.Content
	}
	r := restored("full", full)
	if a, b := get(r, "invoice/1"), get(r, "invoice/2"); a != 100 || b != 200 {
		t.Errorf("totals %d, %d", a, b)
	}
	if a := get(restored("both", full, more), "invoice/1"); a != 101 {
		t.Errorf("total %d", a)
	}
	r = restored("cold", cold)
	r.fails("no document", "doc", "get", "invoice/2")
	fail(t, "", "restore", "--data", filepath.Join(dir, "other"), more)
	fail(t, "empty", "restore", "--data", data, full)
	b, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(full, b, 0o600); err != nil {
		t.Fatal(err)
	}
	fail(t, "", "restore", "--data", filepath.Join(dir, "damaged"), full)
	fail(t, filepath.Join(dir, "missing")+":", "backup", "--data", data, filepath.Join(dir, "missing", "x"))
	fail(t, "--company", "restore", "--data", filepath.Join(dir, "other"), "--document", "4NMNnkMhL8jXrdJ9jamS58PAVdXu", more)
	fail(t, "doc ls", "restore", "--data", filepath.Join(dir, "other"), "--company", "acme", "--document", "invoice/1", more)
	fail(t, "--document", "restore", "--data", filepath.Join(dir, "other"), "--until", "1h", more)
	fail(t, "--data", "backup", "--data", filepath.Join(dir, "none"), filepath.Join(dir, "x"))
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A backup that was killed leaves a hidden file. The next one to the same place removes it, and nothing else.
func TestBackupRemovesWhatWasKilled(t *testing.T) {
	dir := t.TempDir()
	data, to := filepath.Join(dir, "data"), filepath.Join(dir, "full")
	serve(t, data, "--jwt-secret", testSecret).stop()
	put := func(name string) *os.File {
		t.Helper()
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	put(".full-123.concord-part")
	for _, name := range []string{".full-124", ".full-x.concord-part", ".full-2-125.concord-part", ".fuller-126.concord-part"} {
		put(name)
	}
	if !lock(put(".full-127.concord-part")) { // by a backup that goes on
		t.Fatal("can't lock")
	}
	succeed(t, "backup", "--data", data, to)
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != ".full-124 .full-127.concord-part .full-2-125.concord-part .full-x.concord-part .fuller-126.concord-part data full" {
		t.Errorf("left: %s", got)
	}
}
