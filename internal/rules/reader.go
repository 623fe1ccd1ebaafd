package rules

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of a rules file.
const (
	MaxFileBytes = 1 << 20
	MaxName      = 128 // bytes of a rule's name
	maxNesting   = 100 // of brackets, or of indentations, in a file
	maxProblems  = 50
)

// sections are what a rules file may have.
var sections = []string{"guards", "events", "types"}

// Reader reads one rules file and gathers what is wrong with it.
type Reader struct {
	file  string
	lines []string
	top   Fields
	list  []Problem
	more  int // mistakes beyond list
	notes []Problem
}

// Open reads the top of a rules file; file is how they call it. What is wrong
// with it is in Err.
func Open(file string, b []byte) *Reader {
	r := &Reader{file: file, lines: strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n")}
	if root := r.read(b); root != nil {
		r.top = r.Fields(root, "the file", sections...)
	}
	return r
}

// Section returns a section of the file, nil if it has none.
func (r *Reader) Section(key string) *yaml.Node {
	for _, f := range r.top {
		if f.Key == key {
			return f.Value
		}
	}
	return nil
}

// Err returns an *Error with all mistakes found so far, nil for none.
func (r *Reader) Err() error {
	if len(r.list) == 0 {
		return nil
	}
	slices.SortStableFunc(r.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{File: r.file, Problems: r.list, More: r.more}
}

// Count returns how many mistakes have been found so far.
func (r *Reader) Count() int { return len(r.list) + r.more }

// TakeNotes returns the notes made since the last call.
func (r *Reader) TakeNotes() []Problem {
	notes := r.notes
	r.notes = nil
	return notes
}

// read returns the top of the file, nil for an empty one or a broken one.
func (r *Reader) read(b []byte) *yaml.Node {
	switch {
	case len(b) > MaxFileBytes:
		r.add(Problem{Line: 1, Column: 1, Text: "the file has more than " + strconv.Itoa(MaxFileBytes>>20) + " MiB"})
		return nil
	case !utf8.Valid(b):
		for i, line := range r.lines {
			if !utf8.ValidString(line) {
				r.at(i+1, 1, "the line isn't UTF-8")
			}
		}
		return nil
	case r.nested():
		return nil
	}
	var document yaml.Node
	if err := yaml.Unmarshal(b, &document); err != nil {
		r.syntax(err)
		return nil
	}
	if len(document.Content) == 0 {
		return nil
	}
	return document.Content[0]
}

// nested refuses what would take a YAML parser long.
func (r *Reader) nested() bool {
	brackets := 0
	for i, line := range r.lines {
		brackets += strings.Count(line, "[") + strings.Count(line, "{") - strings.Count(line, "]") - strings.Count(line, "}")
		indent := len(line) - len(strings.TrimLeft(line, " -?:\t"))
		if brackets > maxNesting || strings.Count(line, "[")+strings.Count(line, "{") > 10*maxNesting || indent > 2*maxNesting {
			r.at(i+1, 1, "this is nested too deeply")
			return true
		}
	}
	return false
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

func (r *Reader) syntax(err error) {
	var typed *yaml.TypeError
	text := err.Error()
	if errors.As(err, &typed) && len(typed.Errors) > 0 {
		text = "yaml: " + typed.Errors[0]
	}
	line, what := 1, text
	if m := yamlError.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = max(1, min(n, len(r.lines)))
		}
		what = m[2]
	}
	column := 1
	if line <= len(r.lines) {
		s := r.lines[line-1]
		column = 1 + len(s) - len(strings.TrimLeft(s, " "))
	}
	r.at(line, column, "this isn't YAML: %s", what)
}

func (r *Reader) add(p Problem) {
	if len(r.list) == maxProblems {
		r.more++
		return
	}
	r.list = append(r.list, p)
}

// at adds a problem at a place in the file.
func (r *Reader) at(line, column int, format string, args ...any) {
	r.add(r.problem(line, column, format, args...))
}

func (r *Reader) problem(line, column int, format string, args ...any) Problem {
	p := Problem{Line: line, Column: column, Text: fmt.Sprintf(format, args...), Caret: column - 1}
	if line >= 1 && line <= len(r.lines) {
		p.Source = r.lines[line-1]
	}
	return p
}

// Note adds what is no mistake, but may not be meant.
func (r *Reader) Note(n *yaml.Node, format string, args ...any) {
	if len(r.notes) < maxProblems {
		r.notes = append(r.notes, r.problem(n.Line, n.Column, format, args...))
	}
}
