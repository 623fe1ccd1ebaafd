package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"concord/conflict/guard"
	"concord/internal/rules"
)

// readRules reads a rules file; nil for none.
func readRules(file string) (*guard.Rules, error) {
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
	return guard.Parse(file, b)
}

// explainRules says what a rules file means, or what is wrong with it.
func explainRules(file string, s streams) error {
	guards, err := readRules(file)
	if wrong := (*rules.Error)(nil); errors.As(err, &wrong) {
		fmt.Fprintln(s.err, wrong)
		return errReported
	}
	if err != nil {
		return err
	}
	return guards.Explain(s.out, file)
}
