package doctest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "concord"

// source is what a folder of the module holds.
type source struct {
	imports map[string][]string // files that aren't tests, by what they import
	files   int                 // of these
	tests   map[string]bool     // names of test functions
	texts   map[string]bool     // string literals in tests, which name subtests
}

// sources reads every Go file of the module, by folder as in `sync/hub`.
func sources(tb testing.TB) map[string]*source {
	tb.Helper()
	all := make(map[string]*source)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if base == "node_modules" || base == "testdata" || base == "bin" || name != root && strings.HasPrefix(base, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		s := all[folder]
		if s == nil {
			s = &source{imports: map[string][]string{}, tests: map[string]bool{}, texts: map[string]bool{}}
			all[folder] = s
		}
		return s.add(name)
	})
	if err != nil {
		tb.Fatal(err)
	}
	if len(all) < 10 {
		tb.Fatalf("found packages in %d folders only; is the search broken?", len(all))
	}
	return all
}

func (s *source) add(name string) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(name, "_test.go") {
		s.files++
		for _, i := range file.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports[path] = append(s.imports[path], filepath.Base(name))
		}
		return nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") {
				s.tests[n.Name.Name] = true
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				s.texts[text] = true
			}
		}
		return true
	})
	return nil
}

// pattern matches import paths: an exact one, or with /... one and all below it.
type pattern string

func (p pattern) matches(importPath string) bool {
	base, below := strings.CutSuffix(string(p), "/...")
	return importPath == base || below && strings.HasPrefix(importPath, base+"/")
}

// resolve makes an import path of a pattern of ARCHITECTURE.md: what is a folder of the module is meant.
func resolve(text string, all map[string]*source) pattern {
	base := strings.TrimSuffix(text, "/...")
	for folder := range all {
		if folder == base || base != text && strings.HasPrefix(folder, base+"/") {
			return pattern(path.Join(module, text))
		}
	}
	return pattern(text)
}

func folders(all map[string]*source) []string { return slices.Sorted(maps.Keys(all)) }
