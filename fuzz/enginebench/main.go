// Command enginebench measures crdt, automerge-js and automerge-go in one run on the same files, and prints tables in
// Markdown. Every engine must give the same heads and values, of the current and of earlier states, before it is
// measured; every task runs in a process of its own, the engines taking turns.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// engines are those of this process.
var engines = map[string]engine{"crdt": concord{}, "automerge-go": automergeGo{}}

// process runs tasks of one engine, each in a new process.
type process interface {
	run(task, base string, budget time.Duration) (result, error)
}

// contestant is a column of the tables.
type contestant struct {
	name string
	process
}

func main() {
	var err error
	if os.Getenv(childEnv) != "" {
		err = child(os.Args[1:])
	} else {
		err = bench()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "enginebench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	size   float64
	rounds int
	budget time.Duration
	script string
	only   string
	dir    string
}

func bench() error {
	var o options
	flag.Float64Var(&o.size, "size", 1, "scale of the generated documents; the figures are told for 1")
	flag.IntVar(&o.rounds, "rounds", 2, "processes for each task and engine")
	flag.DurationVar(&o.budget, "budget", time.Second, "time for the samples of one process")
	flag.StringVar(&o.script, "script", filepath.Join("fuzz", "enginebench", "engine.mjs"), "path of engine.mjs")
	flag.StringVar(&o.only, "only", "", "name of the one document to measure; scale for crdt's long histories")
	flag.StringVar(&o.dir, "dir", "", "folder that keeps the files; without it they are temporary")
	flag.Parse()

	dir := o.dir
	if dir == "" {
		temporary, err := os.MkdirTemp("", "enginebench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary)
		dir = temporary
	}
	edits, err := readEdits()
	if err != nil {
		return err
	}
	b := newBencher(o, os.Stdout, os.Stderr)
	b.printMachine()
	for _, w := range workloads(o.size, edits) {
		if o.only != "" && o.only != w.name {
			continue
		}
		if err := b.measure(w, filepath.Join(dir, w.name), edits); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	if o.only == "" || o.only == "scale" {
		return b.scale(dir)
	}
	return nil
}
