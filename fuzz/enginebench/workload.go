package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"

	"concord/crdt"
)

// workload is a document that the engines are measured with.
type workload struct {
	name  string
	about string
	write func(*author) error // writes its history
	edit  string              // the task that edits the like of it, if there is one
}

// workloads returns the documents. size scales the generated ones; 1 is what the figures are told for.
func workloads(size float64, edits []edit) []workload {
	n := func(full int) int { return max(8*applyBatch, int(float64(full)*size)) }
	edits = edits[:min(len(edits), n(len(edits)))]
	return []workload{
		{name: "erp", about: "an order whose fields four people fill in, one field in each change",
			write: func(a *author) error { return writeERP(a, n(50000), fixedRandom(1)) }},
		{name: "rows", about: "one long list of maps: rows inserted, changed, deleted",
			write: func(a *author) error { return writeRows(a, n(20000), fixedRandom(2)) }},
		{name: "text", about: "a paper, as it was typed: one change for each key", edit: "edit-text",
			write: func(a *author) error { return writeTrace(a, edits, crdt.ActionMakeText) }},
		{name: "list", about: "the same in a list of numbers", edit: "edit-list",
			write: func(a *author) error { return writeTrace(a, edits, crdt.ActionMakeList) }},
		{name: "mixed", about: "maps, a list, a text, marks and counters of two people, made by automerge-js"},
	}
}

// fixedRandom gives the same numbers in each run: all runs measure the same files.
func fixedRandom(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(20000, stream)) }

// meta tells of a workload's files what all engines need to know.
type meta struct {
	Changes int        `json:"changes"`
	Start   int        `json:"start"`   // changes in the document from which changes are applied
	Heads   []string   `json:"heads"`   // after all changes
	History [][]string `json:"history"` // heads of some earlier times
}

const (
	maxTail      = 10000 // changes that are applied to the start document
	historyReads = 10
)

func readMeta(base string) (m meta, err error) {
	b, err := os.ReadFile(base + ".json")
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(b, &m)
}

// files writes all that the engines read: BASE.changes, .json, .edits.json, .automerge and .start.automerge, the two
// documents as automerge-js saves them.
func (w workload) files(base string, edits []edit, node nodeProcess) error {
	if err := w.changes(base, node); err != nil {
		return err
	}
	chunks, err := os.ReadFile(base + ".changes")
	if err != nil {
		return err
	}
	m, err := describe(chunks)
	if err != nil {
		return err
	}
	if err := writeJSON(base+".json", m); err != nil {
		return err
	}
	if w.edit != "" {
		if err := writeJSON(base+".edits.json", edits[:m.Changes-1]); err != nil {
			return err
		}
	}
	_, err = node.run("prepare", base, 0)
	return err
}

// changes writes the history, by the generator or by taking automerge-js's document apart.
func (w workload) changes(base string, node nodeProcess) error {
	if w.write == nil {
		doc, err := testdata.ReadFile("testdata/history-10k.automerge")
		if err != nil {
			return err
		}
		if err := os.WriteFile(base+".source.automerge", doc, 0o600); err != nil {
			return err
		}
		_, err = node.run("extract", base, 0)
		return err
	}
	return writeHistory(base+".changes", w.write)
}

func writeHistory(name string, write func(*author) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	b := bufio.NewWriter(f)
	if err := write(newAuthor(b, testActor(0), testActor(1), testActor(2), testActor(3))); err != nil {
		return err
	}
	return b.Flush()
}

func writeJSON(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o600)
}

// describe reads the change graph.
func describe(changes []byte) (m meta, err error) {
	chunks, err := cutChunks(changes)
	if err != nil {
		return m, err
	}
	m.Changes = len(chunks)
	m.Start = max(m.Changes-maxTail, m.Changes/2)
	graph := crdt.NewGraph()
	for i, chunk := range chunks {
		c, err := crdt.ParseChange(chunk, crdt.Limits{})
		if err != nil {
			return m, fmt.Errorf("change %d: %w", i, err)
		}
		if err := graph.Restore(c.Header()); err != nil {
			return m, fmt.Errorf("change %d: %w", i, err)
		}
		if (i+1)%max(1, m.Changes/(historyReads+1)) == 0 && len(m.History) < historyReads {
			m.History = append(m.History, hexHashes(graph.Heads()))
		}
	}
	m.Heads = hexHashes(graph.Heads())
	return m, nil
}

func hexHashes(hashes []crdt.Hash) []string {
	text := make([]string, len(hashes))
	for i, h := range hashes {
		text[i] = h.String()
	}
	return text
}
