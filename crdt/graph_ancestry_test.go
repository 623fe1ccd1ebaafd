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

// TestGateFollowsLongBranch refers from a long branch to ever later ops of the
// trunk, while another branch is open. If each change were followed back to
// where the branch began, the test would take many minutes.
func TestGateFollowsLongBranch(t *testing.T) {
	for _, trunk := range []int{1, 2000} { // changes, each by another actor
		const n = 200_000
		g := NewGraph()
		op := uint32(1)
		for i := range trunk {
			h := Header{Hash: numbered(i), Actor: ActorID(fmt.Sprint(i)), Seq: 1, StartOp: op, NumOps: n / trunk}
			if i > 0 {
				h.Deps = []Hash{numbered(i - 1)}
			}
			mustAppend(t, g, h)
			op = h.MaxOp() + 1
		}
		last := numbered(trunk - 1)
		mustAppend(t, g, Header{Hash: Hash{1}, Actor: "x", Seq: 1, StartOp: op, NumOps: 1, Deps: []Hash{last}})
		for i := range n {
			h := Header{Hash: numbered(trunk + i), Actor: "y", Seq: uint32(i + 1), StartOp: op + uint32(i), NumOps: 1, Deps: []Hash{last}}
			h.OtherActors = []ActorID{ActorID(fmt.Sprint(i % trunk))}
			h.OtherOps = []uint32{uint32(i%trunk*(n/trunk) + i/trunk + 1)}
			mustAppend(t, g, h)
			last = h.Hash
		}
		bad := Header{Hash: Hash{2}, Actor: "y", Seq: n + 1, StartOp: op + n, NumOps: 1, Deps: []Hash{last}, OtherActors: []ActorID{"x"}, OtherOps: []uint32{op}}
		if err := g.Check(bad); verdictOf(err) != ReasonBadOp {
			t.Error(err)
		}
	}
}
