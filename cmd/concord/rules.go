package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"concord/conflict/guard"
	"concord/events"
	"concord/events/derive"
	"concord/internal/rules"
)

// rulesFile is what a rules file says.
type rulesFile struct {
	guards *guard.Rules
	events *derive.Rules
}

// catalogue returns the types of events, with those of the file.
func (r *rulesFile) catalogue() (*events.Catalogue, error) {
	if r.events == nil {
		return events.NewCatalogue(nil)
	}
	return r.events.Catalogue(), nil
}

// readRules reads a rules file; nil for none.
func readRules(file string) (*rulesFile, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("--rules (CONCORD_RULES): %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, rules.MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("--rules (CONCORD_RULES): %w", err)
	}
	r := rules.Open(file, b)
	read := &rulesFile{guards: guard.Read(r), events: derive.Read(r)}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return read, nil
}

// explainRules says what a rules file means, or what is wrong with it.
func explainRules(file string, s streams) error {
	read, err := readRules(file)
	if wrong := (*rules.Error)(nil); errors.As(err, &wrong) {
		fmt.Fprintln(s.err, wrong)
		return errReported
	}
	if err != nil {
		return err
	}
	if err := read.guards.Explain(s.out, file); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	return read.events.Explain(s.out, file)
}

// runDeriver has updates told that were put off, until stop is called.
func runDeriver(d *derive.Deriver, editor derive.Editor) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx, editor) })
	return func() {
		cancel()
		running.Wait()
	}
}
