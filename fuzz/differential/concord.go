package differential

import (
	"fmt"

	"concord/crdt"
)

// document is what crdt makes of a history, in the words of package oracle.
type document struct {
	doc *crdt.Doc

	heads []string
	dump  string
	views []string // dumps at earlier heads
	save  []byte
}

// read applies changes batch by batch, every other batch as a chunk of bytes.
func (d *document) read(changes []*crdt.Change, batches [][]int, views [][]string) error {
	d.doc = crdt.New()
	for n, batch := range batches {
		var list []*crdt.Change
		var chunks []byte
		for _, i := range batch {
			list = append(list, changes[i])
			chunks = append(chunks, changes[i].Bytes()...)
		}
		var err error
		if n%2 == 0 {
			err = d.doc.Apply(list...)
		} else {
			err = d.doc.LoadIncremental(chunks, crdt.Limits{})
		}
		if err != nil {
			return fmt.Errorf("batch %d: %w", n, err)
		}
	}
	if n := d.doc.Queued(); n > 0 {
		return fmt.Errorf("%d changes still wait for others", n)
	}
	return d.describe(views)
}

// load reads a saved document.
func (d *document) load(b []byte) (err error) {
	if d.doc, err = crdt.Load(b, crdt.Limits{}); err != nil {
		return err
	}
	return d.describe(nil)
}

func (d *document) describe(views [][]string) error {
	d.heads = hexes(d.doc.Heads())
	d.dump = dump(d.doc.View(), false)
	d.save = d.doc.Save()
	d.views = nil
	for _, heads := range views {
		var hashes []crdt.Hash
		for _, text := range heads {
			h, err := crdt.ParseHash(text)
			if err != nil {
				return err
			}
			hashes = append(hashes, h)
		}
		view, err := d.doc.At(hashes)
		if err != nil {
			return fmt.Errorf("view at %v: %w", heads, err)
		}
		d.views = append(d.views, dump(view, true))
	}
	return nil
}
