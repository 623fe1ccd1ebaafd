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
		code, out, errs := command(t, append([]string{"backup", "--data", data}, args...)...)
		if code != 0 {
			t.Fatal(errs)
		}
		return out
	}
	contains(t, backup(full), "2 documents", "4 changes")
	s.run("doc", "set", "invoice/1", "/total", "101")
	contains(t, backup(more, "--since", full), "2 documents", "5 changes")
	if a, b := size(t, full), size(t, more); b >= a {
		t.Errorf("the full backup has %d bytes, the one that continues it %d", a, b)
	}
	s.run("doc", "rm", "invoice/2", "--yes")
	code, _, errs := command(t, "backup", "--data", data, full)
	if code != 1 || !strings.Contains(errs, "exists") {
		t.Errorf("over another backup: exit code %d, %q", code, errs)
	}
	first.stop()
	contains(t, backup(cold), "1 document,")

	restored := func(want string, args ...string) shell {
		t.Helper()
		to := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+want)
		code, out, errs := command(t, append([]string{"restore", "--data", to}, args...)...)
		if code != 0 {
			t.Fatal(errs)
		}
		contains(t, out, "all verified")
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
	if code, _, errs := command(t, "restore", "--data", filepath.Join(dir, "other"), more); code != 1 || errs == "" {
		t.Errorf("without the full backup: exit code %d, %q", code, errs)
	}
	if code, _, errs := command(t, "restore", "--data", data, full); code != 1 || !strings.Contains(errs, "empty") {
		t.Errorf("over a data folder: exit code %d, %q", code, errs)
	}
	b, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(full, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, "restore", "--data", filepath.Join(dir, "damaged"), full); code != 1 || errs == "" {
		t.Errorf("a damaged backup: exit code %d, %q", code, errs)
	}
	if code, _, errs := command(t, "backup", "--data", filepath.Join(dir, "none"), filepath.Join(dir, "x")); code != 1 || !strings.Contains(errs, "--data") {
		t.Errorf("no data folder: exit code %d, %q", code, errs)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
