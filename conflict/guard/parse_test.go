package guard

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/internal/rules"
)

var update = flag.Bool("update", false, "write the golden files")

// TestParse reads each rules file of testdata and compares what it says, or what
// is wrong with it, with the golden file beside it.
func TestParse(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", outcome(t, file))
		})
	}
}

// outcome returns what Explain or the error says.
func outcome(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	guards, err := Parse(filepath.Base(file), b)
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	if err := guards.Explain(&out, filepath.Base(file)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestParseLimits(t *testing.T) {
	guard := "- {name: n%, type: invoice, lock: /total}\n"
	many := func(n int) string {
		var b strings.Builder
		b.WriteString("guards:\n")
		for i := range n {
			b.WriteString(strings.Replace(guard, "%", strings.Repeat("x", i%100+1)+string(rune('a'+i/100)), 1))
		}
		return b.String()
	}
	one := func(field string) string { return "guards: [{name: n, type: invoice, " + field + "}]\n" }
	for name, c := range map[string]struct{ file, want string }{
		"most guards":   {many(maxGuards), ""},
		"guards":        {many(maxGuards + 1), "a file has at most 1000 guards"},
		"bytes":         {many(1) + strings.Repeat("#\n", rules.MaxFileBytes/2), "more than 1 MiB"},
		"nesting":       {"guards: " + strings.Repeat("[", 200) + "\n", "nested too deeply"},
		"indentation":   {strings.Repeat("- ", 200000) + "x\n", "nested too deeply"},
		"locks":         {one("lock: [" + strings.Repeat("/a,", 101) + "/b]"), "at most 100 locks"},
		"steps":         {one("lock: " + strings.Repeat("/a", 33)), "at most 32 steps"},
		"most steps":    {one("lock: " + strings.Repeat("/a", 32)), ""},
		"roles":         {one("lock: /a, except: {roles: [" + strings.Repeat("a,", 100) + "b]}"), "at most 100 roles"},
		"role":          {one("lock: /a, except: {roles: [" + strings.Repeat("a", 65) + "]}"), "at most 64 bytes"},
		"name":          {"guards: [{name: " + strings.Repeat("n", 129) + ", type: t, lock: /a}]", "at most 128 bytes"},
		"type":          {"guards: [{name: n, type: " + strings.Repeat("t", 65) + ", lock: /a}]", "at most 64 long"},
		"expression":    {one("lock: /a, when: '/b == " + strings.Repeat("b", 4096) + "'"), "at most 4096 bytes"},
		"text":          {one("lock: /a, when: '/b == " + strings.Repeat("b", 257) + "'"), "at most 256 bytes"},
		"parentheses":   {one("lock: /a, when: '" + strings.Repeat("(", 40) + "/b exists" + strings.Repeat(")", 40) + "'"), "more than 32"},
		"nots":          {one("lock: /a, when: '" + strings.Repeat("not ", 40) + "/b exists'"), "more than 32"},
		"comparisons":   {one("lock: /a, when: '/b exists" + strings.Repeat(" or /b exists", 256) + "'"), "more than 256"},
		"long lists":    {one("lock: /a, when: '/b in [1" + strings.Repeat(",1", 256) + "]'"), "at most 256 values"},
		"all of it":     {one("when: '/a == 1', lock: ''"), ""},
		"empty":         {"", ""},
		"only comments": {"# nothing yet\n", ""},
		"no guards":     {"guards: []\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("rules.yaml", []byte(c.file))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// FuzzParse looks for panics, and for rules that mean something else once they
// have been written down and read again.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		guards, err := Parse("rules.yaml", b)
		if (guards == nil) == (err == nil) {
			t.Fatalf("guards %v and error %v", guards, err)
		}
		if err != nil {
			_ = err.Error()
			return
		}
		var first, second strings.Builder
		if err := guards.Explain(&first, "f"); err != nil {
			t.Fatal(err)
		}
		again, err := Parse("rules.yaml", b)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Explain(&second, "f"); err != nil || first.String() != second.String() {
			t.Fatalf("reading twice gives two results: %v", err)
		}
	})
}
