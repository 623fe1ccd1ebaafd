package doctest

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestArchitectureIsShort(t *testing.T) {
	if n := strings.Count(read(t, "ARCHITECTURE.md"), "\n"); n > 200 {
		t.Errorf("ARCHITECTURE.md has %d lines, at most 200 are wanted", n)
	}
}

func TestPackageTable(t *testing.T) {
	all := sources(t)
	listed := make(map[string]bool)
	for _, row := range rows(t, read(t, "ARCHITECTURE.md"), "| package | provides |") {
		for _, folder := range spans(row[0]) {
			listed[folder] = true
			if all[folder] == nil {
				t.Errorf("ARCHITECTURE.md lists the package %s, which doesn't exist", folder)
			}
		}
	}
	for _, folder := range folders(all) {
		if !listed[folder] {
			t.Errorf("ARCHITECTURE.md doesn't list the package %s", folder)
		}
	}
}

// rule is a row of the table of imports.
type rule struct {
	text      string
	packages  []pattern // whom it concerns; or, with but set, whom it doesn't
	but       bool
	forbidden []pattern
	why       string
}

func (r rule) concerns(importPath string) bool {
	return matchesAny(r.packages, importPath) != r.but
}

func matchesAny(patterns []pattern, importPath string) bool {
	return slices.ContainsFunc(patterns, func(p pattern) bool { return p.matches(importPath) })
}

func importRules(t *testing.T, all map[string]*source) []rule {
	t.Helper()
	var rules []rule
	for _, row := range rows(t, read(t, "ARCHITECTURE.md"), "| package | must not import | why |") {
		if len(row) != 3 || row[2] == "" {
			t.Fatalf("a rule needs three cells: %q", row)
		}
		r := rule{text: row[0] + " | " + row[1], but: strings.HasPrefix(row[0], "all"), why: row[2]}
		for _, p := range spans(row[0]) {
			r.packages = append(r.packages, resolve(p, all))
			if own := string(resolve(p, all)); own == p {
				t.Errorf("the rule for %s names %s, which is no package of the module", row[0], p)
			}
		}
		for _, p := range spans(row[1]) {
			r.forbidden = append(r.forbidden, resolve(p, all))
		}
		if !r.but && len(r.packages) == 0 || len(r.forbidden) == 0 {
			t.Errorf("the rule %q forbids nothing", r.text)
		}
		rules = append(rules, r)
	}
	return rules
}

func TestImports(t *testing.T) {
	all := sources(t)
	for _, r := range importRules(t, all) {
		for _, folder := range folders(all) {
			if !r.concerns(path.Join(module, folder)) {
				continue
			}
			for imported, files := range all[folder].imports {
				if matchesAny(r.forbidden, imported) {
					t.Errorf("%s imports %s (%s): %s", folder, imported, strings.Join(files, ", "), r.why)
				}
			}
		}
	}
}

// A rule about an import that nobody has is either a wall or a slip of the pen: what is not of this module and not
// of the standard library must be imported somewhere.
func TestImportRulesNameRealPackages(t *testing.T) {
	all := sources(t)
	for _, r := range importRules(t, all) {
		for _, p := range r.forbidden {
			if first, _, _ := strings.Cut(string(p), "/"); !strings.Contains(first, ".") {
				continue
			}
			if !slices.ContainsFunc(folders(all), func(f string) bool {
				for imported := range all[f].imports {
					if p.matches(imported) {
						return true
					}
				}
				return false
			}) {
				t.Errorf("the rule %q forbids %s, which no package imports", r.text, p)
			}
		}
	}
}

var testName = regexp.MustCompile(`^([a-z0-9/]+)\.(Test\w+)(?:/(.+))?$`)

func TestInvariantsAreTested(t *testing.T) {
	all := sources(t)
	items := regexp.MustCompile(`(?m)^\d+\. `).Split(section(t, read(t, "ARCHITECTURE.md"), "## Invariants"), -1)[1:]
	if len(items) < 10 {
		t.Fatalf("found %d invariants; is the search broken?", len(items))
	}
	for i, item := range items {
		tested := false
		for _, text := range spans(strings.ReplaceAll(item, "\n", " ")) {
			m := testName.FindStringSubmatch(text)
			if m == nil {
				continue
			}
			tested = true
			folder, name, sub := m[1], m[2], m[3]
			switch s := all[folder]; {
			case s == nil || !s.tests[name]:
				t.Errorf("invariant %d: there is no test %s in %s", i+1, name, folder)
			case sub != "" && !s.texts[sub]:
				t.Errorf("invariant %d: %s in %s has no subtest %q", i+1, name, folder, sub)
			}
		}
		if !tested {
			t.Errorf("invariant %d names no test: %s", i+1, item)
		}
	}
}
