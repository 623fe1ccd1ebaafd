// Package oracle asks the reference implementations of Automerge what they make
// of changes and documents: automerge-js in a Node process, automerge-go in a
// child process, because both can abort on input that they don't expect.
//
// # Dumps
//
// What a document says is compared as text. A line is a bracket or
//
//	LABEL ID VALUE
//
// with the label "-" for a list element, the quoted name of a map key, and "|"
// for each further visible value of the same place: all concurrent values stand
// there in ascending order of their ids, the winner last. VALUE is a scalar with
// a letter for its type, or the kind of an object whose lines follow in
// brackets. Keys are sorted by their UTF-8 bytes. A text begins with its
// content, then come its elements, its spans with their marks, and its marks
// with indexes in UTF-16 code units.
package oracle

import (
	"strings"
)

// Case is a history for an engine: changes, and the order in which a live
// document gets them; or, without batches, a document to load.
type Case struct {
	Changes [][]byte   `json:"changes"`
	Batches [][]int    `json:"batches,omitempty"` // indexes of Changes; repeats and any order are fine
	Load    []byte     `json:"load,omitempty"`    // another engine's document chunk of the same history
	Views   [][]string `json:"views,omitempty"`   // earlier heads, in hex, to dump as well
}

// Answer is what an engine made of a Case.
type Answer struct {
	Error string `json:"error"` // "" = none; then nothing else is set
	Panic bool   `json:"panic"` // the engine is beyond repair and was started anew

	Heads []string `json:"heads"` // of the document after saving and loading
	Dump  string   `json:"dump"`
	Views []string `json:"views"`
	Save  []byte   `json:"save"` // a document chunk without compression; orphans follow it

	LiveHeads []string `json:"liveHeads"` // before saving
	Live      string   `json:"live"`      // dump before saving, if it differs from Dump

	// Why the changes could not be applied. The answer is about Case.Load then,
	// and says nothing of a live document.
	LiveError string `json:"liveError"`

	Loaded *Answer `json:"loaded"` // what it made of Case.Load; Dump is set if it differs
}

// Plain reduces a dump to what automerge-go can say too: values without ids,
// winners only, texts without elements and marks.
func Plain(dump string) string {
	p := plainer{lines: strings.Split(dump, "\n")}
	p.object()
	return strings.Join(p.out, "\n")
}

type plainer struct {
	lines []string
	out   []string
}

// object copies an object from its opening to its closing bracket.
func (p *plainer) object() {
	p.keep()
	for len(p.lines) > 0 {
		switch line := p.lines[0]; {
		case line == "]" || line == "}":
			p.keep()
			return
		case strings.HasPrefix(line, "winner "), strings.HasPrefix(line, "length "):
			p.keep()
		default:
			p.place()
		}
	}
}

func (p *plainer) keep() {
	p.out = append(p.out, p.lines[0])
	p.lines = p.lines[1:]
}

// place copies the last value of a key or an element.
func (p *plainer) place() {
	label, start := "", len(p.out)
	for first := true; first || len(p.lines) > 0 && strings.HasPrefix(p.lines[0], "| "); first = false {
		p.out = p.out[:start]
		own, value := cut(p.lines[0])
		if first {
			label = own
		}
		if strings.HasPrefix(value, "xunknown") {
			value = "unknown"
		}
		p.out = append(p.out, label+" "+value)
		p.lines = p.lines[1:]
		switch value {
		case "text":
			p.text()
		case "map", "list", "table":
			p.object()
		}
	}
}

// text copies the content of a text and leaves out everything else.
func (p *plainer) text() {
	p.keep()
	p.keep()
	kept := len(p.out)
	for len(p.lines) > 0 && p.lines[0] != "]" {
		if p.lines[0][0] == '-' || p.lines[0][0] == '|' {
			p.place()
			continue
		}
		p.lines = p.lines[1:]
	}
	p.out = p.out[:kept]
	p.keep()
}

// cut separates the label of a line, which may be a quoted key, from its value.
func cut(line string) (label, value string) {
	end := strings.IndexByte(line, ' ')
	if line[0] == '"' {
		for end = 1; line[end] != '"'; end++ {
			if line[end] == '\\' {
				end++
			}
		}
		end++
	}
	_, value, _ = strings.Cut(line[end+1:], " ")
	return line[:end], value
}
