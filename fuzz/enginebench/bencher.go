package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// bencher measures workloads and prints a table for each.
type bencher struct {
	o           options
	node        nodeProcess
	contestants []contestant
	out, log    io.Writer
}

func newBencher(o options, out, log io.Writer) *bencher {
	node := nodeProcess{script: o.script}
	return &bencher{o: o, node: node, out: out, log: log, contestants: []contestant{
		{"crdt", ownProcess{"crdt"}},
		{"automerge-js", node},
		{"automerge-go", ownProcess{"automerge-go"}},
	}}
}

// printMachine says what the figures were measured with.
func (b *bencher) printMachine() {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(info), "model name\t: "); ok {
			model, _, _ = strings.Cut(rest, "\n")
		}
	}
	version := "unknown"
	if out, err := exec.Command("node", "--version").Output(); err == nil {
		version = strings.TrimSpace(string(out))
	}
	fmt.Fprintf(b.out, "%s, %d CPUs, %s, Node %s. Least of all samples, in brackets the median; "+
		"the factor is to the first column.\n", model, runtime.NumCPU(), runtime.Version(), version)
}

// measure prepares the files of a workload, lets the engines agree on them, and measures each task.
func (b *bencher) measure(w workload, base string, edits []edit) error {
	fmt.Fprintf(b.log, "%s: writing the files\n", w.name)
	if err := w.files(base, edits, b.node); err != nil {
		return err
	}
	fmt.Fprintf(b.log, "%s: comparing the engines\n", w.name)
	if err := b.agree(base); err != nil {
		return err
	}
	m, err := readMeta(base)
	if err != nil {
		return err
	}
	size, err := fileSize(base + ".automerge")
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n### %s: %s\n\n%d changes, saved in %s\n\n", w.name, w.about, m.Changes, bytesText(float64(size)))
	b.printHeader()
	for _, t := range rows(w, m) {
		fmt.Fprintf(b.log, "%s: %s\n", w.name, t.label)
		all, err := b.rounds(t.task, base)
		if err != nil {
			return fmt.Errorf("%s: %w", t.label, err)
		}
		b.printRow(t, all)
	}
	return nil
}

// taskRow is a row of a table.
type taskRow struct{ task, label string }

func rows(w workload, m meta) []taskRow {
	rows := []taskRow{
		{"load", "load"},
		{"save", "save, after a change"},
		{"apply-one", "apply a change"},
		{"apply-many", fmt.Sprintf("apply %d changes at once", m.Changes-m.Start)},
		{"read-at", "whole value at earlier heads"},
	}
	if w.edit != "" {
		rows = append(rows, taskRow{w.edit, fmt.Sprintf("type it: %d edits and changes", m.Changes-1)})
	}
	return append(rows, taskRow{"memory", "memory after load"})
}

// agree makes sure that all engines see the same in the files.
func (b *bencher) agree(base string) error {
	var first result
	for i, c := range b.contestants {
		res, err := c.run("verify", base, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if i == 0 {
			first = res
		}
		if res.Check != first.Check || !slices.Equal(res.Values, first.Values) {
			return fmt.Errorf("%s and %s differ:\n%s %s\n%s %s", b.contestants[0].name, c.name,
				first.Check, first.Values, res.Check, res.Values)
		}
	}
	return nil
}

// rounds measures a task with all engines in turns, and makes sure that they end in the same state.
func (b *bencher) rounds(task, base string) ([]result, error) {
	all := make([]result, len(b.contestants))
	for range b.o.rounds {
		for i, c := range b.contestants {
			res, err := c.run(task, base, b.o.budget)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if res.Check != all[0].Check && all[0].Check != "" {
				return nil, fmt.Errorf("%s ends in %s, %s in %s", b.contestants[0].name, all[0].Check, c.name, res.Check)
			}
			all[i] = join(all[i], res)
		}
	}
	return all, nil
}

// join adds what another process of the same task gave.
func join(a, b result) result {
	b.Samples = append(a.Samples, b.Samples...)
	if a.RSS != 0 {
		b.RSS = min(a.RSS, b.RSS)
	}
	return b
}

func fileSize(name string) (int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
