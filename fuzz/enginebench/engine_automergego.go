package main

import (
	"fmt"

	automerge "github.com/automerge/automerge-go"
)

// automergeGo is automerge-go: the Rust core 0.5.0 through cgo.
type automergeGo struct{}

func (automergeGo) load(b []byte) (document, error) {
	d, err := automerge.Load(b)
	if err != nil {
		return nil, err
	}
	return automergeGoDocument{d}, nil
}

func (automergeGo) start(list bool) (document, error) {
	d := automerge.New()
	var empty any = automerge.NewText("")
	if list {
		empty = automerge.NewList()
	}
	if err := d.RootMap().Set(traceKey, empty); err != nil {
		return nil, err
	}
	if _, err := d.Commit(""); err != nil {
		return nil, err
	}
	return automergeGoDocument{d}, nil
}

type automergeGoDocument struct{ d *automerge.Doc }

// apply uses LoadIncremental, which is faster than LoadChanges with Apply.
func (a automergeGoDocument) apply(chunk []byte) error { return a.d.LoadIncremental(chunk) }

func (a automergeGoDocument) applyAll(chunks [][]byte) error {
	var all []byte
	for _, c := range chunks {
		all = append(all, c...)
	}
	return a.d.LoadIncremental(all)
}

func (a automergeGoDocument) save() ([]byte, error) { return a.d.Save(), nil }

func (a automergeGoDocument) heads() []string {
	var heads []string
	for _, h := range a.d.Heads() {
		heads = append(heads, h.String())
	}
	return heads
}

func (a automergeGoDocument) value() (any, error) { return a.d.Root().Interface(), nil }

// valueAt reads a fork, as the binding has no other way to an earlier state.
func (a automergeGoDocument) valueAt(heads []string) (any, error) {
	var at []automerge.ChangeHash
	for _, h := range heads {
		hash, err := automerge.NewChangeHash(h)
		if err != nil {
			return nil, err
		}
		at = append(at, hash)
	}
	fork, err := a.d.Fork(at...)
	if err != nil {
		return nil, fmt.Errorf("fork at %v: %w", heads, err)
	}
	return fork.Root().Interface(), nil
}

func (a automergeGoDocument) splice(e edit, list bool) error {
	if list {
		v, err := a.d.Path(traceKey).Get()
		if err != nil {
			return err
		}
		l := v.List()
		for range e.Deleted {
			if err := l.Delete(e.At); err != nil {
				return err
			}
		}
		for i, c := range []rune(e.Inserted) {
			if err := l.Insert(e.At+i, int64(c)); err != nil {
				return err
			}
		}
	} else if err := a.d.Path(traceKey).Text().Splice(e.At, e.Deleted, e.Inserted); err != nil {
		return err
	}
	_, err := a.d.Commit("")
	return err
}
