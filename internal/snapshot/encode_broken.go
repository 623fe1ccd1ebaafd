//go:build concord_break_snapshot

package snapshot

import (
	"slices"

	"concord/crdt"
)

// This build has a bug: each snapshot lacks the last operation of its last change. It serves to show that such a
// snapshot is never stored.

func openDocument(chunk []byte) (document, error) {
	d, err := crdt.Load(chunk, storedLimits)
	return &brokenDocument{document: d}, err
}

type brokenDocument struct {
	document
	last *crdt.Change // not applied yet
}

func (d *brokenDocument) Apply(changes ...*crdt.Change) error {
	for _, c := range changes {
		if d.last != nil {
			if err := d.document.Apply(d.last); err != nil {
				return err
			}
		}
		d.last = c
	}
	return nil
}

func (d *brokenDocument) Save() []byte {
	ops := slices.Collect(d.last.Ops())
	broken, err := crdt.EncodeChange(d.last.Meta(), ops[:max(0, len(ops)-1)])
	if err == nil {
		err = d.document.Apply(broken)
	}
	if err != nil {
		panic(err)
	}
	return d.document.Save()
}
