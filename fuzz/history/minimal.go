package history

import (
	"slices"

	"concord/crdt"
)

// Minimal leaves out what isn't needed for fails to stay true: changes with all
// that build on them, then single ops. What is left may have other hashes.
func (h *History) Minimal(fails func(*History) bool) *History {
	for i := len(h.Changes) - 1; i >= 0; i-- {
		if i >= len(h.Changes) {
			continue
		}
		if smaller := h.without(i); len(smaller.Changes) > 0 && fails(smaller) {
			h = smaller
		}
	}
	for i := len(h.Changes) - 1; i >= 0; i-- {
		for j := h.Changes[i].NumOps - 1; j >= 0; j-- {
			if smaller := h.withoutOp(i, j); smaller != nil && fails(smaller) {
				h = smaller
			}
		}
	}
	return h
}

func (h *History) without(i int) *History {
	gone := map[crdt.Hash]bool{}
	smaller := &History{Oddities: h.Oddities}
	for j, c := range h.Changes {
		if j == i || slices.ContainsFunc(c.Deps, func(d crdt.Hash) bool { return gone[d] }) {
			gone[c.Hash] = true
			continue
		}
		smaller.Changes = append(smaller.Changes, c)
	}
	return smaller
}

// withoutOp replaces an op by one that means nothing, or leaves it out if it is
// the change's last one. It returns nil if others refer to the op.
func (h *History) withoutOp(change, op int) *History {
	smaller := &History{Oddities: h.Oddities}
	renamed := map[crdt.Hash]crdt.Hash{}
	for i, c := range h.Changes {
		meta, ops := c.Meta(), slices.Collect(c.Ops())
		if i == change {
			filler := crdt.Op{Action: crdt.ActionSet, Key: crdt.MapKey("~")}
			switch {
			case ops[op].Key == filler.Key && op < len(ops)-1:
				return nil // done already
			case op == len(ops)-1 && op > 0:
				ops = ops[:op]
			default:
				ops[op] = filler
			}
		}
		meta.Deps = slices.Clone(meta.Deps)
		for j, d := range meta.Deps {
			if now, ok := renamed[d]; ok {
				meta.Deps[j] = now
			}
		}
		again, err := crdt.EncodeChange(meta, ops)
		if err != nil {
			return nil
		}
		renamed[c.Hash] = again.Hash
		smaller.Changes = append(smaller.Changes, again)
	}
	return smaller
}
