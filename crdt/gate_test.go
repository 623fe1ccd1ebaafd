package crdt

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// numbered returns a hash that depends on n alone.
func numbered(n int) Hash { return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n))) }

// step is a change with one op; more fields are set where a test needs them.
func step(n int, actor ActorID, seq, startOp uint32, deps ...int) Header {
	h := Header{Hash: numbered(n), Actor: actor, Seq: seq, StartOp: startOp, NumOps: 1}
	for _, d := range deps {
		h.Deps = append(h.Deps, numbered(d))
	}
	return h
}

func mustAppend(t testing.TB, g *Graph, h Header) {
	t.Helper()
	if _, err := g.Append(h); err != nil {
		t.Fatal(err)
	}
}

// gateGraph holds a: 1 ← 2, and b: 3 on top of 1.
func gateGraph(t testing.TB) *Graph {
	g := NewGraph()
	mustAppend(t, g, step(1, "a", 1, 1))
	mustAppend(t, g, step(2, "a", 2, 2, 1))
	mustAppend(t, g, step(3, "b", 1, 5, 1))
	return g
}

func TestGateReasons(t *testing.T) {
	with := func(h Header, set func(*Header)) Header {
		set(&h)
		return h
	}
	for _, c := range []struct {
		name   string
		change Header
		want   Reason // empty = accepted
	}{
		{"next of a", step(9, "a", 3, 3, 2), ""},
		{"next of a through a merge", step(9, "a", 3, 6, 2, 3), ""},
		{"new actor without deps", step(9, "c", 1, 1), ""},
		{"new actor with seq 2", step(9, "c", 2, 1), ReasonSeqGap},
		{"seq 0", step(9, "a", 0, 9, 2), ReasonSeqGap},
		{"seq skips", step(9, "a", 4, 9, 2), ReasonSeqGap},
		{"seq again", step(9, "a", 2, 9, 1), ReasonDuplicateSeq},
		{"first seq again", step(9, "a", 1, 1), ReasonDuplicateSeq},
		{"seq again, deps unknown", step(9, "a", 2, 9, 77), ReasonDuplicateSeq},
		{"beside the actor's last", step(9, "a", 3, 9, 3), ReasonNotLinear},
		{"without deps", step(9, "a", 3, 9), ReasonNotLinear},
		{"startOp 0", step(9, "c", 1, 0), ReasonStartOp},
		{"startOp equal to a dep's", step(9, "a", 3, 2, 2), ReasonStartOp},
		{"startOp below the other dep's", step(9, "a", 3, 5, 2, 3), ReasonStartOp},
		{"empty, right after its deps", with(step(9, "a", 3, 6, 2, 3), func(h *Header) { h.NumOps = 0 }), ""},
		{"empty, after a gap", with(step(9, "a", 3, 7, 2, 3), func(h *Header) { h.NumOps = 0 }), ReasonStartOp},
		{"empty and first, after a gap", with(step(9, "c", 1, 2), func(h *Header) { h.NumOps = 0 }), ReasonStartOp},
		{"widest gap", step(9, "c", 1, maxCounterAfterGap), ""},
		{"too wide a gap", step(9, "c", 1, maxCounterAfterGap+1), ReasonStartOp},
		{"last counter 2^32-1", step(9, "c", 1, math.MaxUint32), ReasonStartOp},
		{"counter passes 2^32-1", with(step(9, "c", 1, math.MaxUint32), func(h *Header) { h.NumOps = 2 }), ReasonLimit},
		{"negative number of ops", with(step(9, "c", 1, 1), func(h *Header) { h.NumOps = -1 }), ReasonLimit},
		{"knows b", with(step(9, "a", 3, 9, 2, 3), func(h *Header) { h.OtherActors = []ActorID{"b"} }), ""},
		{"knows nobody", with(step(9, "a", 3, 9, 2), func(h *Header) { h.OtherActors = []ActorID{"b", "z"} }), ReasonUnknownActor},
		{"repeated and redundant deps", step(9, "a", 3, 9, 2, 1, 2, 3, 1), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gateGraph(t)
			i, err := g.Append(c.change)
			var refusal *RefusalError
			switch {
			case c.want == "" && (err != nil || i != 3 || g.Staged() != 4):
				t.Fatalf("index %d, %v", i, err)
			case c.want != "" && (!errors.As(err, &refusal) || refusal.Reason != c.want || refusal.Hash != c.change.Hash):
				t.Fatalf("%v, want %s", err, c.want)
			case c.want != "" && (g.Staged() != 3 || g.HasStaged(c.change.Hash)):
				t.Fatal("a refused change is in the graph")
			}
		})
	}
}

func TestGateExplainsSharedActor(t *testing.T) {
	_, err := gateGraph(t).Append(step(9, "a", 2, 9, 1))
	if err == nil || !strings.Contains(err.Error(), "copied storage") || !strings.Contains(err.Error(), "can't be merged") {
		t.Fatal(err)
	}
}

func TestGateMissingAndKnown(t *testing.T) {
	g := gateGraph(t)
	_, err := g.Append(step(9, "c", 7, 9, 50, 1, 51, 50))
	var missing *MissingDepsError
	if !errors.As(err, &missing) || !slices.Equal(missing.Missing, []Hash{numbered(50), numbered(51)}) {
		t.Fatal(err)
	}
	if _, err := g.Append(step(2, "a", 2, 2, 1)); !errors.Is(err, ErrKnown) {
		t.Fatal(err)
	}
}

// A returning author's last change may lie far back, in a branch too.
func TestGateOldAuthor(t *testing.T) {
	g := NewGraph()
	mustAppend(t, g, step(0, "old", 1, 1))
	mustAppend(t, g, step(1, "side", 1, 1)) // never merged: no change is above everything
	for i := range 5000 {
		mustAppend(t, g, step(i+2, "new", uint32(i+1), uint32(i+2), max(i+1, 2)-b2i(i == 0)*2))
	}
	if _, err := g.Append(step(9000, "side", 2, 9000, 5001)); err == nil {
		t.Fatal("accepted beside its author's last change")
	}
	mustAppend(t, g, step(9001, "old", 2, 9000, 5001))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestGateBoundsHeads(t *testing.T) {
	g := NewGraph()
	for i := range MaxHeads {
		mustAppend(t, g, step(i, ActorID(binary.BigEndian.AppendUint32(nil, uint32(i))), 1, 1))
	}
	var refusal *RefusalError
	if _, err := g.Append(step(9000, "z", 1, 1)); !errors.As(err, &refusal) || refusal.Reason != ReasonLimit {
		t.Fatal(err)
	}
	merge := step(9001, "z", 1, 2)
	for i := range MaxHeads {
		merge.Deps = append(merge.Deps, numbered(i))
	}
	mustAppend(t, g, merge)
	mustAppend(t, g, step(9002, "y", 1, 1))
	g.Publish(g.Staged())
	if len(g.Heads()) != 2 {
		t.Fatal(len(g.Heads()), "heads")
	}
}
