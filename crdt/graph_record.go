package crdt

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// A graph record is the published part of a graph, to be kept beside the changes or the document chunk that it
// describes. All numbers are LEB128:
//
//	1B version: 2 if changes start after a gap, else 1
//	uleb changes, uleb actors
//	for each actor, in the order of their first changes: uleb length, ID
//	5 columns of runs, each a uleb length in bytes and runs of sleb value, uleb count:
//	  authors   index of the actor
//	  seqs      difference from the actor's last seq plus one
//	  deps      0 none, n > 0 the change n before; -n: n dependencies, in distances
//	  maxOps    difference from the change before
//	  distances of the changes with several dependencies: from the change to the first, then on to the next
//	32B hash of each change
//
// The distances have no runs. A document's record takes little more than its hashes.
const (
	graphRecordVersion = 1
	gappedGraphVersion = 2
)

const hashSize = 32

var errGraphRecord = errors.New("graph record is damaged")

func damagedGraph(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errGraphRecord, fmt.Sprintf(format, args...))
}

// runWriter writes one column; runs counts the pending run.
type runWriter struct {
	b     []byte
	value int64
	count uint64
}

func (w *runWriter) add(v int64) {
	if w.count > 0 && v != w.value {
		w.flush()
	}
	w.value = v
	w.count++
}

func (w *runWriter) flush() {
	if w.count > 0 {
		w.b = appendUleb(appendSleb(w.b, w.value), w.count)
	}
	w.count = 0
}

// AppendRecord appends the published changes in compact form, for RestoreGraph.
// A record takes some 33 bytes for each change.
func (g *Graph) AppendRecord(b []byte) []byte {
	actors := uint32(0)
	for _, a := range g.authors[:g.published] {
		actors = max(actors, a&^totalBit+1)
	}
	gaps := g.appendGaps(nil)
	version := byte(graphRecordVersion)
	if len(gaps) > 0 {
		version = gappedGraphVersion
	}
	b = append(b, version)
	b = appendUleb(appendUleb(b, uint64(g.published)), uint64(actors))
	for _, a := range g.actors[:actors] {
		b = append(appendUleb(b, uint64(len(a.id))), a.id...)
	}
	authors, seqs, deps, maxOps, distances := g.recordColumns(int(actors))
	for _, column := range [][]byte{authors, seqs, deps, maxOps, distances} {
		b = append(appendUleb(b, uint64(len(column))), column...)
	}
	if len(gaps) > 0 {
		b = append(appendUleb(b, uint64(len(gaps))), gaps...)
	}
	for i := range g.hashes[:g.published] {
		b = append(b, g.hashes[i][:]...)
	}
	return b
}

func (g *Graph) appendGaps(b []byte) []byte {
	next := uint32(0)
	for _, gap := range g.gaps {
		if int(gap.change) < g.published {
			b = appendUleb(appendUleb(b, uint64(gap.change)-uint64(next)+1), uint64(gap.start))
			next = gap.change + 1
		}
	}
	return b
}

func (g *Graph) recordColumns(actors int) (authors, seqs, deps, maxOps, distances []byte) {
	var author, seq, dep, maxOp runWriter
	last := make([]uint32, actors)
	before := uint32(0)
	for i := range g.published {
		a := g.authors[i] &^ totalBit
		author.add(int64(a))
		seq.add(int64(g.seqs[i]) - int64(last[a]) - 1)
		last[a] = g.seqs[i]
		maxOp.add(int64(g.maxOps[i]) - int64(before))
		before = g.maxOps[i]
		switch on := g.Dependencies(i); len(on) {
		case 0:
			dep.add(0)
		case 1:
			dep.add(int64(i) - int64(on[0]))
		default:
			dep.add(-int64(len(on)))
			distances = appendUleb(distances, uint64(i)-uint64(on[0]))
			for j, d := range on[1:] {
				distances = appendUleb(distances, uint64(d-on[j]))
			}
		}
	}
	for _, w := range []*runWriter{&author, &seq, &dep, &maxOp} {
		w.flush()
	}
	return author.b, seq.b, dep.b, maxOp.b, distances
}

// runReader reads one column.
type runReader struct {
	rest  []byte
	value int64
	left  int
}

// fill reads the next run when the current one is used up. It fails at the end
// of the column.
func (r *runReader) fill() error {
	if r.left > 0 {
		return nil
	}
	v, n, err := readSleb(r.rest)
	if err != nil {
		return damagedGraph("value of a run: %v", err)
	}
	count, m, err := readUleb(r.rest[n:])
	if err != nil || count == 0 || count > math.MaxInt32 {
		return damagedGraph("length of a run")
	}
	r.value, r.left, r.rest = v, int(count), r.rest[n+m:]
	return nil
}

func (r *runReader) ended() bool { return r.left == 0 && len(r.rest) == 0 }

// graphRecord is a record that has been cut into its parts.
type graphRecord struct {
	actors                      []string
	authors, seqs, deps, maxOps runReader
	distances                   []byte
	gaps                        []byte
	hashes                      []byte
}

// RestoreGraph makes the graph that a record describes, all published. The
// record isn't kept. It takes time and memory in proportion to the record's
// length, whatever its bytes are; damage that leaves a possible graph behind
// is not seen.
func RestoreGraph(record []byte) (*Graph, error) {
	rec, err := cutGraphRecord(record)
	if err != nil {
		return nil, err
	}
	n := len(rec.hashes) / hashSize
	g := newGraphFor(n, len(rec.actors))
	for i := range n {
		g.hashes = append(g.hashes, Hash(rec.hashes[i*hashSize:]))
	}
	if !g.index.build(g.hashes, cap(g.hashes)) {
		return nil, damagedGraph("two changes have one hash")
	}
	if err := g.readColumns(rec); err != nil {
		return nil, err
	}
	if err := g.readGaps(rec.gaps); err != nil {
		return nil, err
	}
	g.published = n
	g.heads = append(g.heads, g.tips...)
	return g, nil
}

// newGraphFor makes room for n changes and some more.
func newGraphFor(n, actors int) *Graph {
	room := n + n/16 + 16
	column := func() []uint32 { return make([]uint32, 0, room) }
	return &Graph{
		hashes: make([]Hash, 0, room), index: newHashIndex(),
		deps: column(), authors: column(), seqs: column(), maxOps: column(),
		actors: make([]actorTip, 0, actors), actorIDs: make(map[ActorID]uint32, actors),
	}
}

func cutGraphRecord(b []byte) (rec graphRecord, err error) {
	if len(b) == 0 || b[0] != graphRecordVersion && b[0] != gappedGraphVersion {
		return rec, damagedGraph("version is unknown")
	}
	version := b[0]
	b = b[1:]
	number := func() (v uint64) {
		if err == nil {
			var n int
			if v, n, err = readUleb(b); err != nil {
				err = damagedGraph("header: %v", err)
			}
			b = b[n:]
		}
		return v
	}
	text := func() []byte {
		n := number()
		if err == nil && n > uint64(len(b)) {
			err = damagedGraph("part of %d bytes, %d are left", n, len(b))
		}
		if err != nil {
			return nil
		}
		part := b[:n]
		b = b[n:]
		return part
	}
	changes, actors := number(), number()
	if err == nil && (changes >= 1<<31 || actors > changes || actors > uint64(len(b)) || changes > uint64(len(b))/hashSize) {
		err = damagedGraph("%d changes by %d actors in %d bytes", changes, actors, len(b))
	}
	if err != nil {
		return rec, err
	}
	rec.actors = make([]string, actors)
	for i := range rec.actors {
		rec.actors[i] = string(text())
	}
	for _, column := range []*runReader{&rec.authors, &rec.seqs, &rec.deps, &rec.maxOps} {
		column.rest = text()
	}
	rec.distances = text()
	if version == gappedGraphVersion {
		rec.gaps = text()
	}
	rec.hashes = b
	if err == nil && uint64(len(b)) != changes*hashSize {
		err = damagedGraph("%d bytes of hashes for %d changes", len(b), changes)
	}
	return rec, err
}

// readColumns fills in what the record says of the changes besides their hashes.
func (g *Graph) readColumns(rec graphRecord) error {
	maxOp := int64(0)
	for i, n := 0, len(g.hashes); i < n; {
		same := n - i
		for _, column := range []*runReader{&rec.authors, &rec.seqs, &rec.deps, &rec.maxOps} {
			if err := column.fill(); err != nil {
				return err
			}
			same = min(same, column.left)
		}
		actor, err := g.recordActor(rec)
		if err != nil {
			return err
		}
		tip := &g.actors[actor]
		for end := i + same; i < end; i++ {
			seq := int64(tip.seq) + 1 + rec.seqs.value
			maxOp += rec.maxOps.value
			if seq <= 0 || seq > math.MaxUint32 || maxOp < 0 || maxOp > math.MaxUint32 {
				return damagedGraph("counters of change %d", i)
			}
			tip.last, tip.seq = uint32(i), uint32(seq)
			g.seqs = append(g.seqs, uint32(seq))
			g.maxOps = append(g.maxOps, uint32(maxOp))
			g.maxOp = max(g.maxOp, uint32(maxOp))
			if err := g.readDeps(uint32(i), &rec); err != nil {
				return err
			}
			author := actor
			if len(g.tips) == 1 {
				author |= totalBit
			}
			g.authors = append(g.authors, author)
		}
		for _, column := range []*runReader{&rec.authors, &rec.seqs, &rec.deps, &rec.maxOps} {
			column.left -= same
		}
	}
	if !rec.authors.ended() || !rec.seqs.ended() || !rec.deps.ended() || !rec.maxOps.ended() ||
		len(rec.distances) > 0 || len(g.actors) < len(rec.actors) {
		return damagedGraph("more is said than there are changes")
	}
	return nil
}

func (g *Graph) readGaps(b []byte) error {
	if len(b) > 0 {
		g.gaps = make([]opGap, 0, len(b)/2)
	}
	for next := uint64(0); len(b) > 0; {
		distance, n, err := readUleb(b)
		if err != nil || distance == 0 || distance > uint64(len(g.hashes))-next {
			return damagedGraph("change after a gap")
		}
		start, m, err := readUleb(b[n:])
		change := next + distance - 1
		if err != nil || start == 0 || start > uint64(g.maxOps[change])+1 {
			return damagedGraph("start of change %d", change)
		}
		g.gaps = append(g.gaps, opGap{uint32(change), uint32(start)})
		next, b = change+1, b[n+m:]
	}
	return nil
}

// recordActor returns the author of the run that begins. Actors come in the
// order of their first changes.
func (g *Graph) recordActor(rec graphRecord) (uint32, error) {
	a := rec.authors.value
	if a < 0 || a > int64(len(g.actors)) || a >= int64(len(rec.actors)) {
		return 0, damagedGraph("author %d is unknown", a)
	}
	if a == int64(len(g.actors)) {
		id := ActorID(strings.Clone(rec.actors[a]))
		if _, known := g.actorIDs[id]; known {
			return 0, damagedGraph("an actor is listed twice")
		}
		g.actors = append(g.actors, actorTip{id: id})
		g.actorIDs[id] = uint32(a)
		g.idBytes += len(id)
	}
	return uint32(a), nil
}

// readDeps reads the dependencies of change i and makes it a tip.
func (g *Graph) readDeps(i uint32, rec *graphRecord) error {
	switch v := rec.deps.value; {
	case v == 0:
		g.deps = append(g.deps, noDep)
		g.tips = append(g.tips, i)
	case v > int64(i) || v < -int64(i):
		return damagedGraph("dependencies of change %d", i)
	case v == 1 && len(g.tips) == 1:
		g.deps = append(g.deps, i-1)
		g.tips[0] = i
	case v > 0:
		g.deps = append(g.deps, i-uint32(v))
		g.tips = replaceHeads(g.tips, g.deps[i:], i)
	default:
		at := uint32(len(g.arena))
		g.deps = append(g.deps, manyDeps|at)
		g.arena = append(g.arena, uint32(-v))
		if err := g.readDistances(i, int(-v), rec); err != nil {
			return err
		}
		g.tips = replaceHeads(g.tips, g.arena[at+1:], i)
	}
	if len(g.tips) > MaxHeads {
		return damagedGraph("more than %d heads at change %d", MaxHeads, i)
	}
	return nil
}

// readDistances reads count dependencies, which end below change i.
func (g *Graph) readDistances(i uint32, count int, rec *graphRecord) error {
	at := uint64(0)
	for j := range count {
		d, n, err := readUleb(rec.distances)
		if err != nil || d == 0 || d > uint64(i) {
			return damagedGraph("dependencies of change %d", i)
		}
		rec.distances = rec.distances[n:]
		if j == 0 {
			at = uint64(i) - d
		} else {
			at += d
		}
		if at >= uint64(i) {
			return damagedGraph("dependencies of change %d", i)
		}
		g.arena = append(g.arena, uint32(at))
	}
	return nil
}
