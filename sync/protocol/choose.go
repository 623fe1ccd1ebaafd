package protocol

import (
	"slices"

	"concord/crdt"
)

// plan is which changes a message is to hold.
type plan struct {
	changes []int // in the order in which they are sent, dependencies first
	whole   Whole // or the document, if it has chunks
	blank   bool  // or a document without changes
	count   int   // changes in all
}

func (p *plan) empty() bool { return p.count == 0 }

// choose decides what to send. The error is one of the document's.
func (in *inputs) choose(doc Document) (plan, error) {
	if !in.send {
		return plan{}, nil
	}
	var whole Whole
	var err error
	documents := in.version == V2 && doc.WholeDocument != nil
	if in.peerEmpty && documents && doc.Graph.Len() == 0 {
		return plan{blank: true}, nil
	}
	if in.peerEmpty && documents && len(in.sent) == 0 {
		if whole, err = doc.WholeDocument(); err != nil || whole.Chunks != nil {
			return plan{whole: whole, count: whole.Changes}, err
		}
		documents = false
	}
	var changes []int
	if in.peerEmpty && in.version == V2 {
		changes = doc.Graph.Since(nil)
	} else {
		changes = in.changesToSend(doc.Graph)
	}
	if len(in.sent) > 0 {
		changes = slices.DeleteFunc(changes, in.sent.contains)
	}
	most := doc.Graph.Len() / 3
	if documents && len(changes) > most {
		if whole, err = doc.WholeDocument(); err != nil {
			return plan{}, err
		}
		inside := 0
		for _, i := range changes {
			if i < whole.Document {
				inside++
			}
		}
		if whole.Chunks != nil && inside > most {
			return plan{whole: whole, count: whole.Changes}, nil
		}
	}
	return plan{changes: changes, count: len(changes)}, nil
}

// changesToSend returns what the peer needs, in the order in which it asked,
// and then what it seems not to have, ascending.
func (in *inputs) changesToSend(g Graph) []int {
	need := in.neededIndexes(g)
	if len(in.theirHave) == 0 {
		return need
	}
	lastSync := in.theirHave[0].LastSync
	if len(in.theirHave) > 1 {
		lastSync = nil
		for i := range in.theirHave {
			lastSync = append(lastSync, in.theirHave[i].LastSync...)
		}
	}
	absent := in.absent(g, g.Since(lastSync))
	if len(need) == 0 {
		return absent
	}
	need = slices.DeleteFunc(need, func(i int) bool {
		_, ok := slices.BinarySearch(absent, i)
		return ok
	})
	return append(need, absent...)
}

// neededIndexes returns the known ones of theirNeed without repeats.
func (in *inputs) neededIndexes(g Graph) (need []int) {
	if len(in.theirNeed) == 0 {
		return nil
	}
	met := make(map[int]bool, len(in.theirNeed))
	for _, h := range in.theirNeed {
		if i, known := g.Index(h); known && !met[i] {
			met[i] = true
			need = append(need, i)
		}
	}
	return need
}

// absent returns those of changes (ascending) that no filter of the peer
// contains, and those that depend on one of them: the peer can't have these,
// whatever its filters say.
func (in *inputs) absent(g Graph, changes []int) (absent []int) {
	for _, i := range changes {
		if !in.filtered(g.HashAt(i)) || dependsOn(g, i, absent) {
			absent = append(absent, i)
		}
	}
	return absent
}

func (in *inputs) filtered(h crdt.Hash) bool {
	return slices.ContainsFunc(in.theirHave, func(have Have) bool { return have.Bloom.Contains(h) })
}

func dependsOn(g Graph, i int, set []int) bool {
	if len(set) == 0 {
		return false
	}
	for _, d := range g.Dependencies(i) {
		if _, ok := slices.BinarySearch(set, int(d)); ok {
			return true
		}
	}
	return false
}
