package doctest

import (
	"flag"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/internal/config"
)

var update = flag.Bool("update", false, "write the configuration table into README.md")

const (
	tableBegin = "<!-- config:begin -->\n"
	tableEnd   = "<!-- config:end -->"
)

func TestConfigurationTable(t *testing.T) {
	readme := read(t, "README.md")
	before, rest, begun := strings.Cut(readme, tableBegin)
	table, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		t.Fatalf("README.md lacks %q or %q", tableBegin, tableEnd)
	}
	if *update {
		text := before + tableBegin + config.Markdown() + tableEnd + after
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(config.Markdown(), "\n"), strings.Split(table, "\n")); diff != "" {
		t.Errorf("the table differs from the options (-options +README.md); run go test ./internal/doctest -update:\n%s", diff)
	}
}

// Variables that the documents name, and that aren't options of the server.
var otherVariables = []string{"CONCORD_URL", "CONCORD_TOKEN"} // of the sample, and of commands that call a server

func TestVariablesExist(t *testing.T) {
	known := slices.Clone(otherVariables)
	for _, o := range config.Options() {
		known = append(known, o.Env)
	}
	for _, document := range documents {
		for _, name := range regexp.MustCompile(`\b(CONCORD|WS)_[A-Z_]+\b`).FindAllString(read(t, document), -1) {
			if !slices.Contains(known, name) {
				t.Errorf("%s names %s, which is no variable of the server", document, name)
			}
		}
	}
}

func TestMakeTargetsExist(t *testing.T) {
	makefile := read(t, "Makefile")
	named := 0
	for _, document := range documents {
		text := read(t, document)
		code := strings.Join(append(spans(text), blocks(text, "sh")...), "\n")
		for _, m := range regexp.MustCompile(`(?m)^make ([a-z-]+)`).FindAllStringSubmatch(code, -1) {
			named++
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				t.Errorf("%s names make %s, which is no target", document, m[1])
			}
		}
	}
	if named < 3 {
		t.Errorf("found %d targets in the documents; is the search broken?", named)
	}
}

var link = regexp.MustCompile(`\[[^\]\n]+\]\(([^)\s]+)\)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, document := range documents {
		found := 0
		for _, m := range link.FindAllStringSubmatch(read(t, document), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			found++
			target = path.Join(path.Dir(document), target)
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s: %v", document, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
				t.Errorf("%s links to %s: no such heading", document, m[1])
			}
		}
		if found < 3 {
			t.Errorf("%s has %d links; is the search broken?", document, found)
		}
	}
}

// anchors returns the names of a text's headings as forges make them.
func anchors(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}

var pathLike = regexp.MustCompile(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+/?$`)

// notPaths begin what looks like a path and is none: media types, and keys of documents.
var notPaths = []string{"application/", "text/", "TYPE/REF", "invoice/2026-0815"}

func TestPathsExist(t *testing.T) {
	text := read(t, "README.md")
	if before, rest, found := strings.Cut(text, tableBegin); found { // the defaults of options needn't exist
		_, after, _ := strings.Cut(rest, tableEnd)
		text = before + after
	}
	words := spans(text)
	for _, block := range blocks(text, "sh") {
		words = append(words, strings.Fields(block)...)
	}
	for _, word := range words {
		for _, w := range strings.Fields(word) {
			if !pathLike.MatchString(w) || slices.ContainsFunc(notPaths, func(p string) bool { return strings.HasPrefix(w, p) }) {
				continue
			}
			if w == "bin/concord" { // made by make build
				if !strings.Contains(read(t, "Makefile"), ":= "+w+"\n") {
					t.Errorf("README.md names %s, which make build doesn't make", w)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(w))); err != nil {
				t.Errorf("README.md names the path %s: %v", w, err)
			}
		}
	}
}

// Metrics are named in the source with concord_ and _total or without.
func TestMetricsExist(t *testing.T) {
	source := read(t, "internal/api/metrics.go") + read(t, "internal/api/metrics_snapshots.go")
	names := regexp.MustCompile("`(concord_[a-z_]+)`").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(names) == 0 {
		t.Error("README.md names no metric; is the search broken?")
	}
	for _, m := range names {
		name := strings.TrimPrefix(m[1], "concord_")
		known := func(name string) bool { return strings.Contains(source, `"`+name+`"`) }
		if !known(m[1]) && !known(name) && !known(strings.TrimSuffix(name, "_total")) {
			t.Errorf("README.md names the metric %s, which isn't in the source", m[1])
		}
	}
}
