package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"concord/store"
)

// outcome is what the audit found of one document.
type outcome string

const (
	same       outcome = "same"       // equal heads and values
	different  outcome = "different"  // heads or values differ
	unreadable outcome = "unreadable" // the store doesn't give the document
	refused    outcome = "refused"    // crdt doesn't load what the store holds
	rejected   outcome = "rejected"   // automerge-go doesn't load it, or can't tell its value
	died       outcome = "died"       // automerge-go's process ended over it
	hung       outcome = "hung"       // automerge-go didn't answer in time
)

// finding is the outcome for one document.
type finding struct {
	Company  string  `json:"company"`
	Document string  `json:"document"`
	Changes  uint64  `json:"changes"`
	Outcome  outcome `json:"outcome"`
	Detail   string  `json:"detail,omitempty"`
}

// auditor compares the documents of a store, one after another.
type auditor struct {
	store *store.Store
	ask   func(context.Context, []byte) (answer, error) // automerge-go
}

// document audits one document. The error ends the walk.
func (a *auditor) document(ctx context.Context, key store.DocKey) (finding, error) {
	f := finding{Company: key.Company, Document: key.Document.String(), Outcome: unreadable}
	info, b, err := a.read(key)
	if err != nil {
		f.Detail = err.Error()
		return f, nil
	}
	f.Changes = info.Changes
	ours, oursErr := readByCrdt(b)
	theirs, err := a.ask(ctx, b)
	switch {
	case errors.Is(err, errDied):
		f.Outcome, f.Detail = died, err.Error()
	case errors.Is(err, errTimeout):
		f.Outcome, f.Detail = hung, err.Error()
	case err != nil:
		return f, err
	case theirs.Error != "":
		f.Outcome, f.Detail = rejected, theirs.Error
	}
	if oursErr != nil {
		f.Detail = strings.TrimSuffix(fmt.Sprintf("%v; automerge-go: %s %s", oursErr, f.outcomeOfReference(), f.Detail), " ")
		f.Outcome = refused
	}
	if f.Outcome == unreadable {
		f.Outcome, f.Detail = compare(info.Heads, ours, theirs)
	}
	return f, nil
}

// outcomeOfReference says how automerge-go alone fared.
func (f finding) outcomeOfReference() string {
	if f.Outcome == unreadable {
		return "loads it"
	}
	return string(f.Outcome)
}

// compare holds both answers against each other and against the heads in the store.
func compare(stored []store.Hash, ours, theirs answer) (outcome, string) {
	heads := make([]string, len(stored))
	for i, h := range stored {
		heads[i] = fmt.Sprintf("%x", h)
	}
	for _, list := range [][]string{heads, ours.Heads, theirs.Heads} {
		slices.Sort(list)
	}
	if !slices.Equal(heads, ours.Heads) || !slices.Equal(heads, theirs.Heads) {
		return different, fmt.Sprintf("heads are %s in the store, %s for crdt, %s for automerge-go", heads, ours.Heads, theirs.Heads)
	}
	d, err := compareTyped(ours.Value, theirs.Value)
	if err != nil {
		return different, err.Error()
	}
	if d != "" {
		return different, d
	}
	return same, ""
}

// read returns a document as one sequence of chunks: its snapshot, if there is one, and the changes after it.
func (a *auditor) read(key store.DocKey) (info store.Info, b []byte, err error) {
	info, ok, err := a.store.Document(key)
	if err != nil {
		return info, nil, err
	}
	if !ok {
		return info, nil, errors.New("there is no such document")
	}
	err = a.store.ViewSnapshot(key, func(s store.Snapshot) error {
		b = append(b, s.Chunk...)
		return nil
	})
	if err != nil {
		return info, nil, err
	}
	err = a.store.Changes(key, info.SnapshotChanges, info.Changes, func(_ uint64, c store.Change) error {
		b = append(b, c.Bytes...)
		return nil
	})
	return info, b, err
}
