package doctest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the module's folder, as seen from this package.
const root = "../.."

// documents are the texts that are held to the code.
var documents = []string{"README.md", "ARCHITECTURE.md", "sync/README.md", "docs/engine.md", "docs/events.md", "docs/guards.md", "docs/rules.md", "docs/mobile.md"}

func read(tb testing.TB, path string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// section returns the lines below a heading, up to the next one of its level or a higher one.
func section(tb testing.TB, text, heading string) string {
	tb.Helper()
	_, rest, found := strings.Cut("\n"+text, "\n"+heading+"\n")
	if !found {
		tb.Fatalf("no heading %q", heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	end := regexp.MustCompile(`(?m)^#{1,` + string('0'+rune(len(level))) + `} `).FindStringIndex(rest)
	if end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

// rows returns the cells of the first table with a header row, without header and rule.
func rows(tb testing.TB, text, header string) [][]string {
	tb.Helper()
	_, rest, found := strings.Cut("\n"+text, "\n"+header+"\n")
	if !found {
		tb.Fatalf("no table with the header %q", header)
	}
	var cells [][]string
	for i, line := range strings.Split(rest, "\n") {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if i == 0 { // |---|
			continue
		}
		var row []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		cells = append(cells, row)
	}
	if len(cells) == 0 {
		tb.Fatalf("the table %q is empty", header)
	}
	return cells
}

var (
	span  = regexp.MustCompile("`([^`\n]+)`")
	fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
)

// spans returns what stands between backticks in running text.
func spans(text string) []string {
	var all []string
	for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		all = append(all, m[1])
	}
	return all
}

// blocks returns the fenced blocks of a language.
func blocks(text, language string) []string {
	var all []string
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			all = append(all, m[2])
		}
	}
	return all
}
