package crdt

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// TestGateKnowsAncestors refers from random changes to random ops, and expects
// the verdict of a search through all ancestors.
func TestGateKnowsAncestors(t *testing.T) {
	rng := newRand(t)
	var accepted, refused int
	for range 200 {
		g := NewGraph()
		var added []Header
		ancestors := func(deps []Hash) map[Hash]bool {
			met := make(map[Hash]bool)
			for queue := slices.Clone(deps); len(queue) > 0; queue = queue[1:] {
				if met[queue[0]] {
					continue
				}
				met[queue[0]] = true
				for _, h := range added {
					if h.Hash == queue[0] {
						queue = append(queue, h.Deps...)
					}
				}
			}
			return met
		}
		last := make(map[ActorID]Header)
		for n := range 40 {
			h := Header{Actor: ActorID([]string{"a", "b", "c", "d"}[rng.IntN(4)]), NumOps: 1 + rng.IntN(3)}
			h.Hash = Hash{byte(n), 1}
			if own, ok := last[h.Actor]; ok {
				h.Deps = append(h.Deps, own.Hash)
			}
			for range rng.IntN(3) {
				if len(added) > 0 {
					h.Deps = append(h.Deps, added[rng.IntN(len(added))].Hash)
				}
			}
			h.Seq, h.StartOp = last[h.Actor].Seq+1, 1
			reach := ancestors(h.Deps)
			for _, a := range added {
				if reach[a.Hash] {
					h.StartOp = max(h.StartOp, a.MaxOp()+1)
				}
			}
			want := true
			if len(added) > 0 {
				target := added[rng.IntN(len(added))]
				if target.Actor != h.Actor {
					h.OtherActors, h.OtherOps = []ActorID{target.Actor}, []uint32{target.StartOp + uint32(rng.IntN(target.NumOps))}
					want = reach[target.Hash]
				}
			}
			_, err := g.Append(h)
			var refusal *RefusalError
			switch {
			case err == nil && want:
				accepted++
				added, last[h.Actor] = append(added, h), h
			case errors.As(err, &refusal) && !want:
				refused++
			default:
				t.Fatalf("%v, want accepted = %t: %s", err, want, fmt.Sprint(h))
			}
		}
	}
	if accepted < 1000 || refused < 500 {
		t.Errorf("%d accepted and %d refused prove little", accepted, refused)
	}
}
