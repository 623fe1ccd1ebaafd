package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckRules(t *testing.T) {
	example := filepath.Join("..", "..", "examples", "rules.yaml")
	code, out, errs := command(t, "serve", "--check-rules", "--rules", example)
	if code != 0 || errs != "" || !strings.Contains(out, "posted invoices are final") || !strings.Contains(out, "/lines/*/price") {
		t.Errorf("code %d, out %q, err %q", code, out, errs)
	}

	broken := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(broken, []byte("guards:\n  - name: a\n    type: invoice\n    when: /status = posted\n    lock: [total]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs = command(t, "serve", "--check-rules", "--rules", broken)
	want := broken + ":4:19: write == to compare\n        when: /status = posted\n                      ^\n" +
		broken + ":5:12: a path begins with a slash: /total\n        lock: [total]\n               ^\n"
	if code != 1 || out != "" || errs != want {
		t.Errorf("code %d, out %q, err %q, want %q", code, out, errs, want)
	}
	for _, args := range [][]string{
		{"--check-rules"},
		{"--check-rules", "--rules", broken + ".missing"},
		{"--dev", "--data", filepath.Join(t.TempDir(), "data"), "--rules", broken},
	} {
		if code, _, errs := command(t, append([]string{"serve"}, args...)...); code == 0 || !strings.Contains(errs, "rules") {
			t.Errorf("%v: code %d, err %q", args, code, errs)
		}
	}
}
