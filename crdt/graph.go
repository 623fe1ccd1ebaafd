package crdt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Graph is the append-only change graph of one document. Changes get the
// consecutive indexes 0, 1, 2, … in the order in which they were appended, so a
// change's index is above the indexes of all its dependencies.
//
// Only the first Len changes ("published") are visible to readers: Append
// stages a change, Publish makes it visible once it is durable. The methods
// Append, Restore, Staged, HasStaged, StagedHeads, StartOp, ChangeOf and
// Concurrent see staged changes too.
//
// A graph is not safe for concurrent use, not even by readers alone: walks
// share a scratch buffer and Heads caches its answer. It holds fewer than 2^31
// changes and takes at most 120 bytes for each.
type Graph struct {
	hashes  []Hash
	index   hashIndex
	deps    []uint32 // the only dependency, noDep, or manyDeps | offset into arena
	arena   []uint32 // for each change with several dependencies: count, then ascending indexes
	authors []uint32 // index into actors; totalBit marks descendants of everything before them
	seqs    []uint32
	maxOps  []uint32
	gaps    []opGap // ascending by change

	actors   []actorTip
	actorIDs map[ActorID]uint32 // → index into actors
	idBytes  int                // total length of the actor IDs
	byActor  [][]uint32         // the changes of each actor, ascending; nil until ChangeOf needs it

	proven provenOps
	met    []opNeed // the last ops of other actors that the last check of ancestors met
	metBy  Hash     // the change that was checked

	tips []uint32 // heads of all appended changes, ascending

	published  int
	heads      []uint32 // heads of the published changes, ascending
	headHashes []Hash   // the same, sorted by hash; nil = to be built
	maxOp      uint32   // of the published changes

	scratch  []uint64 // heap of the walks, reused
	resolved []uint32 // answer of resolve, reused
}

// actorTip is an actor and its last appended change.
type actorTip struct {
	id   ActorID
	last uint32 // index of its last change
	seq  uint32 // seq of that change
}

const (
	noDep    = ^uint32(0)
	manyDeps = uint32(1) << 31
	totalBit = uint32(1) << 31
)

// ErrKnown is returned for a change that the graph holds already.
var ErrKnown = errors.New("change is known")

// MissingDepsError is returned for a change whose dependencies are not all
// known. The change may be accepted once they are.
type MissingDepsError struct {
	Hash    Hash
	Missing []Hash // in the change's order, without repeats
}

// Error counts the missing dependencies and names the first.
func (e *MissingDepsError) Error() string {
	return fmt.Sprintf("append change %s: %d missing dependencies, first %s", e.Hash, len(e.Missing), e.Missing[0])
}

// NewGraph returns the graph of a document without changes.
func NewGraph() *Graph {
	return &Graph{index: newHashIndex(), actorIDs: make(map[ActorID]uint32)}
}

// Restore adds a change that the document's own store holds, published. Only
// its dependencies are checked: the gate has passed it before. Restoring must
// follow the order of the first run, so that indexes stay what they were, and
// is not possible while changes are staged.
func (g *Graph) Restore(h Header) error {
	if g.published != len(g.hashes) {
		return fmt.Errorf("restore change %s: %d changes are staged", h.Hash, len(g.hashes)-g.published)
	}
	if g.HasStaged(h.Hash) {
		return ErrKnown
	}
	deps, missing := g.resolve(h.Deps)
	if len(missing) > 0 {
		return &MissingDepsError{Hash: h.Hash, Missing: missing}
	}
	g.add(h, deps)
	g.Publish(len(g.hashes))
	return nil
}

// reserve makes room for n changes in an empty graph.
func (g *Graph) reserve(n int) {
	g.hashes = make([]Hash, 0, n)
	g.index.reserve(n)
	g.deps, g.authors = make([]uint32, 0, n), make([]uint32, 0, n)
	g.seqs, g.maxOps = make([]uint32, 0, n), make([]uint32, 0, n)
}

// resolve returns the distinct indexes of deps in ascending order, and the
// distinct deps that are unknown in the given order.
func (g *Graph) resolve(hashes []Hash) (deps []uint32, missing []Hash) {
	deps = g.resolved[:0]
	defer func() { g.resolved = deps[:0] }()
	for _, h := range hashes {
		if i, ok := g.index.find(g.hashes, h); ok {
			deps = append(deps, i)
		} else {
			missing = append(missing, h)
		}
	}
	if len(deps) > 1 {
		slices.Sort(deps)
		deps = slices.Compact(deps)
	}
	if len(missing) > 1 {
		missing = distinct(missing)
	}
	return deps, missing
}

// distinct removes repeats from hs in place and keeps the order.
func distinct(hs []Hash) []Hash {
	seen := make(map[Hash]struct{}, len(hs))
	return slices.DeleteFunc(hs, func(h Hash) bool {
		_, repeated := seen[h]
		seen[h] = struct{}{}
		return repeated
	})
}

// add stages a change that passed all checks. deps are ascending and distinct.
func (g *Graph) add(h Header, deps []uint32) {
	i := uint32(len(g.hashes))
	actor, ok := g.actorIDs[h.Actor]
	if !ok {
		actor = uint32(len(g.actors))
		id := ActorID(strings.Clone(string(h.Actor)))
		g.actors = append(g.actors, actorTip{id: id})
		g.actorIDs[id] = actor
		g.idBytes += len(id)
	}
	g.actors[actor].last, g.actors[actor].seq = i, h.Seq
	g.proven.add(g, actor, h)

	g.hashes = append(g.hashes, h.Hash)
	g.index.insert(g.hashes, i)
	g.seqs = append(g.seqs, h.Seq)
	g.maxOps = append(g.maxOps, h.MaxOp())
	if h.StartOp != g.lastBefore(deps)+1 {
		g.gaps = append(g.gaps, opGap{i, h.StartOp})
	}
	if g.byActor != nil {
		g.noteAuthor(actor, i)
	}
	switch len(deps) {
	case 0:
		g.deps = append(g.deps, noDep)
	case 1:
		g.deps = append(g.deps, deps[0])
	default:
		g.deps = append(g.deps, manyDeps|uint32(len(g.arena)))
		g.arena = append(append(g.arena, uint32(len(deps))), deps...)
	}
	g.tips = replaceHeads(g.tips, deps, i)
	if len(g.tips) == 1 {
		actor |= totalBit
	}
	g.authors = append(g.authors, actor)
}

// replaceHeads removes deps from heads and adds i, which is above all of them.
func replaceHeads(heads, deps []uint32, i uint32) []uint32 {
	for _, d := range deps {
		if at, ok := slices.BinarySearch(heads, d); ok {
			heads = slices.Delete(heads, at, at+1)
		}
	}
	return append(heads, i)
}

// Publish makes the first n appended changes visible. It has no effect when
// they are; n above Staged counts as Staged.
func (g *Graph) Publish(n int) {
	n = min(n, len(g.hashes))
	if n <= g.published {
		return
	}
	for ; g.published < n; g.published++ {
		g.heads = replaceHeads(g.heads, g.Dependencies(g.published), uint32(g.published))
		g.maxOp = max(g.maxOp, g.maxOps[g.published])
	}
	g.headHashes = nil
}

// Len returns the number of published changes.
func (g *Graph) Len() int { return g.published }

// Staged returns the number of appended changes, published ones included.
func (g *Graph) Staged() int { return len(g.hashes) }

// Has reports whether a change is published.
func (g *Graph) Has(h Hash) bool {
	_, ok := g.Index(h)
	return ok
}

// Index returns the index of a published change.
func (g *Graph) Index(h Hash) (int, bool) {
	i, ok := g.index.find(g.hashes, h)
	if !ok || int(i) >= g.published {
		return 0, false
	}
	return int(i), true
}

// HasStaged reports whether a change is appended, published or not.
func (g *Graph) HasStaged(h Hash) bool {
	_, ok := g.index.find(g.hashes, h)
	return ok
}

// HashAt returns the hash of change i, which is below Staged.
func (g *Graph) HashAt(i int) Hash { return g.hashes[i] }

// Author returns who made change i, which is below Staged, and its seq.
func (g *Graph) Author(i int) (ActorID, uint32) {
	return g.actors[g.authors[i]&^totalBit].id, g.seqs[i]
}

// Dependencies returns the indexes of the dependencies of change i, which is
// below Staged: ascending, without repeats. The slice belongs to the graph and
// must be neither modified nor kept across Append.
func (g *Graph) Dependencies(i int) []uint32 {
	d := g.deps[i]
	switch {
	case d == noDep:
		return nil
	case d&manyDeps == 0:
		return g.deps[i : i+1 : i+1]
	}
	at := d &^ manyDeps
	end := at + 1 + g.arena[at]
	return g.arena[at+1 : end : end]
}

// Heads returns the published changes that no published change depends on,
// sorted by hash. The slice is shared and never modified: it may be kept.
func (g *Graph) Heads() []Hash {
	if g.headHashes == nil {
		g.headHashes = g.sortedHashes(g.heads)
	}
	return g.headHashes
}

// StagedHeads returns the appended changes, published or not, that no appended
// change depends on, sorted by hash. The slice is the caller's.
func (g *Graph) StagedHeads() []Hash { return g.sortedHashes(g.tips) }

func (g *Graph) sortedHashes(indexes []uint32) []Hash {
	hashes := make([]Hash, len(indexes))
	for n, i := range indexes {
		hashes[n] = g.hashes[i]
	}
	SortHashes(hashes)
	return hashes
}

// MaxOp returns the highest op counter of the published changes, 0 for none.
func (g *Graph) MaxOp() uint32 { return g.maxOp }

// Size returns the bytes of memory that the graph holds, rounded up.
func (g *Graph) Size() int {
	const structs, perActor, perHash, perPair = 400, 24 + 48, 32, 24
	listed := 24 * cap(g.byActor)
	if g.byActor != nil {
		listed += 5 * len(g.authors) // with room to grow
	}
	return structs + perHash*(cap(g.hashes)+cap(g.headHashes)) +
		4*(cap(g.index.slots)+cap(g.deps)+cap(g.arena)+cap(g.authors)+cap(g.seqs)+cap(g.maxOps)+cap(g.tips)+cap(g.heads)) +
		8*(cap(g.scratch)+cap(g.gaps)) + listed + perActor*cap(g.actors) + g.idBytes + perPair*len(g.proven)
}

// authorIDs returns the actors of the appended changes, in order of first use.
func (g *Graph) authorIDs() []ActorID {
	ids := make([]ActorID, len(g.actors))
	for i := range g.actors {
		ids[i] = g.actors[i].id
	}
	return ids
}
