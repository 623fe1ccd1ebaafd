package main

import (
	"errors"
	"fmt"
	"runtime/debug"

	"concord/crdt"
)

// maxStored is above every limit that a server may have been run with.
const maxStored = 1 << 30

var storedLimits = crdt.Limits{Ops: maxStored, Deps: maxStored, ChunkBytes: maxStored, Rows: maxStored}

// readByCrdt loads a document by Concord's engine: a snapshot, if there is one, and changes, as the server does. A
// panic is an error of the document, so that the walk goes on.
func readByCrdt(b []byte) (a answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("crdt panics: %v\n%s", p, debug.Stack())
		}
	}()
	graph, ops := crdt.NewGraph(), crdt.NewOpSet()
	err = crdt.WalkChunks(b, func(c crdt.Chunk) (err error) {
		if c.Type == crdt.ChunkDocument {
			if graph.Staged() > 0 {
				return errors.New("a snapshot stands behind other chunks")
			}
			ops, _, err = c.ParseOpSet(storedLimits, func(d crdt.DocumentChange) error {
				_, err := graph.Append(d.Header)
				return err
			})
			return err
		}
		change, err := c.ParseChange(storedLimits)
		if err != nil {
			return err
		}
		if err := graph.Check(change.Header()); err != nil {
			return err
		}
		if err := ops.Apply(change, nil); err != nil {
			return err
		}
		_, err = graph.Append(change.Header())
		return err
	})
	if err != nil {
		return answer{}, fmt.Errorf("crdt: %w", err)
	}
	for _, h := range graph.StagedHeads() {
		a.Heads = append(a.Heads, h.String())
	}
	a.Value = ops.View().AppendTypedJSON(nil, crdt.OpID{})
	return a, nil
}
