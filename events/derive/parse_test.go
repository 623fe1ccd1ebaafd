package derive

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// TestParse reads each rules file of testdata and compares what it says, or what
// is wrong with it, with the golden file beside it.
func TestParse(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := outcome(t, filepath.Base(file), b)
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// outcome returns what Explain or the error says.
func outcome(t *testing.T, file string, b []byte) string {
	t.Helper()
	rules, err := Parse(file, b)
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	if err := rules.Explain(&out, file); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// What the documentation shows is without mistakes.
func TestDocumentation(t *testing.T) {
	b, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(b), "```yaml\n")[1:]
	for i, block := range blocks {
		blocks[i], _, _ = strings.Cut(block, "```")
	}
	if b, err = os.ReadFile("../../examples/rules.yaml"); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, block := range append(blocks, string(b)) {
		r, err := Parse("rules.yaml", []byte(block))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		rules += len(r.Events) + len(r.Types)
		for _, n := range r.Notes {
			t.Errorf("note in line %d: %s", n.Line, n.Text)
		}
	}
	if len(blocks) != 2 || rules < 8 {
		t.Errorf("%d blocks, %d rules", len(blocks), rules)
	}
}

func TestParseLimits(t *testing.T) {
	one := func(fields string) string {
		return "events: [{name: n, type: t, emit: invoice:paid, room: company, " + fields + "}]\n"
	}
	many := func(n int, section, item string) string {
		var b strings.Builder
		b.WriteString(section + ":\n")
		for i := range n {
			b.WriteString(strings.ReplaceAll(item, "%", strings.Repeat("x", i%50+1)+string(rune('a'+i/50))))
		}
		return b.String()
	}
	fields := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Repeat("k", i+1) + ": /a, ")
		}
		return one("field: /a, data: {" + b.String() + "}")
	}
	rule := "- {name: n%, type: t, field: /a, emit: invoice:paid, room: company}\n"
	for name, c := range map[string]struct{ file, want string }{
		"most rules":   {many(maxRules, "events", rule), ""},
		"rules":        {many(maxRules+1, "events", rule), "at most 1000 rules"},
		"most types":   {many(maxTypes, "types", "- {name: a:%}\n"), ""},
		"types":        {many(maxTypes+1, "types", "- {name: a:%}\n"), "at most 200 types"},
		"most data":    {fields(maxData), ""},
		"data":         {fields(maxData + 1), "at most 50 fields"},
		"data's name":  {one("field: /a, data: {" + strings.Repeat("k", maxDatum+1) + ": /a}"), "1 to 64 bytes"},
		"values":       {one("field: /a, to: [1" + strings.Repeat(", 1", maxValues) + "]"), "at most 256 values"},
		"value":        {one("field: /a, to: " + strings.Repeat("x", 257)), "at most 256 bytes"},
		"steps":        {one("field: " + strings.Repeat("/a", 33)), "at most 32 steps"},
		"type's name":  {"types: [{name: 'a:" + strings.Repeat("b", 127) + "'}]", "128 bytes"},
		"summary":      {"types: [{name: a:b, summary: " + strings.Repeat("b", 2000) + "}]", "at most 1024"},
		"reference":    {"types: [{name: a:b, schema: {$ref: 'http://localhost/x'}}]", "isn't loaded"},
		"empty":        {"", ""},
		"no events":    {"events: []\n", ""},
		"only types":   {"types: [{name: a:b}]\n", ""},
		"anchors":      {"types: [{name: a:b, schema: {type: &x object}}]\n", "anchors"},
		"schema twice": {"types: [{name: a:b, schema: {type: object, type: object}}]\n", "there once"},
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

// FuzzParse looks for panics.
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
		if rules, err := Parse("rules.yaml", b); (rules == nil) == (err == nil) {
			t.Fatalf("rules %v and error %v", rules, err)
		}
		if first, second := outcome(t, "f", b), outcome(t, "f", b); first != second {
			t.Fatalf("reading twice gives two results:\n%s\n%s", first, second)
		}
	})
}
