package differential

import (
	"errors"
	"fmt"

	"concord/crdt"
)

// document is what crdt makes of a history, in the words of package oracle.
type document struct {
	graph *crdt.Graph
	set   *crdt.OpSet

	heads []string
	dump  string
	views []string // dumps at earlier heads
	save  []byte   // a document chunk
}

// read applies changes batch by batch; those that come too early wait.
func (d *document) read(changes []*crdt.Change, batches [][]int, views [][]string) error {
	d.graph, d.set = crdt.NewGraph(), crdt.NewOpSet()
	var waiting []int
	for _, batch := range batches {
		waiting = append(waiting, batch...)
		for again := true; again; {
			again = false
			var still []int
			for _, i := range waiting {
				applied, err := d.apply(changes[i])
				if err != nil {
					return fmt.Errorf("change %d: %w", i, err)
				}
				if applied {
					again = true
				} else {
					still = append(still, i)
				}
			}
			waiting = still
		}
	}
	if len(waiting) > 0 {
		return fmt.Errorf("%d changes still wait for others", len(waiting))
	}
	return d.describe(views)
}

// apply reports whether the change is in the document.
func (d *document) apply(c *crdt.Change) (bool, error) {
	var missing *crdt.MissingDepsError
	switch _, err := d.graph.Append(c.Header()); {
	case errors.Is(err, crdt.ErrKnown):
		return true, nil
	case errors.As(err, &missing):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, d.set.Apply(c, nil)
}

// load reads a saved document.
func (d *document) load(b []byte) error {
	d.graph, d.set = crdt.NewGraph(), crdt.NewOpSet()
	chunk, rest, err := crdt.NextChunk(b)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes after the document", len(rest))
	}
	if _, err := chunk.ParseDocument(crdt.Limits{}, func(c crdt.DocumentChange) error {
		change, err := crdt.ParseChange(c.Raw, crdt.Limits{})
		if err != nil {
			return err
		}
		if ok, err := d.apply(change); !ok {
			return fmt.Errorf("change %s: %w", c.Hash, err)
		}
		return nil
	}); err != nil {
		return err
	}
	return d.describe(nil)
}

func (d *document) describe(views [][]string) error {
	d.graph.Publish(d.graph.Staged())
	d.heads = hexes(d.graph.Heads())
	d.dump = dump(d.set.View(), false)
	for _, heads := range views {
		var hashes []crdt.Hash
		for _, text := range heads {
			h, err := crdt.ParseHash(text)
			if err != nil {
				return err
			}
			hashes = append(hashes, h)
		}
		clock, err := d.graph.Clock(hashes)
		if err != nil {
			return fmt.Errorf("view at %v: %w", heads, err)
		}
		d.views = append(d.views, dump(d.set.At(clock), true))
	}
	return nil
}
