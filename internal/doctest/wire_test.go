package doctest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// constants returns the values of a file's constants whose names begin with a prefix, sorted.
func constants(t *testing.T, file, prefix string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range v.Names {
			if i >= len(v.Values) || !strings.HasPrefix(name.Name, prefix) {
				continue
			}
			if literal, ok := v.Values[i].(*ast.BasicLit); ok {
				values = append(values, strings.Trim(literal.Value, `"`))
			}
		}
		return true
	})
	slices.Sort(values)
	if len(values) == 0 {
		t.Fatalf("%s has no constants %s…", file, prefix)
	}
	return values
}

// firstCells returns the first cell of each row, without backticks, sorted.
func firstCells(t *testing.T, document, header string) []string {
	t.Helper()
	var cells []string
	for _, row := range rows(t, read(t, document), header) {
		cells = append(cells, strings.Trim(row[0], "`"))
	}
	slices.Sort(cells)
	return cells
}

func TestCloseCodes(t *testing.T) {
	want := constants(t, "sync/wire/close.go", "Close")
	for document, header := range map[string]string{"README.md": "| code | meaning |", "sync/README.md": "| code | when |"} {
		if diff := cmp.Diff(want, firstCells(t, document, header)); diff != "" {
			t.Errorf("close codes of %s (-code +document):\n%s", document, diff)
		}
	}
}

func TestMessageTypes(t *testing.T) {
	want := constants(t, "sync/wire/message.go", "Type")
	got := firstCells(t, "sync/README.md", "| type | from | other fields | what the server does |")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message types (-code +document):\n%s", diff)
	}
}
