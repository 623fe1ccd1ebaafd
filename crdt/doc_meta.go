package crdt

import (
	"bytes"
	"slices"
)

// changeMeta holds what neither the graph nor the content needs of the changes,
// by their index in the graph.
type changeMeta struct {
	times    []int64
	messages byteColumn
	extra    byteColumn
	deps     map[uint32][]uint32 // of changes whose dependencies aren't sorted by hash, as stored
}

// byteColumn holds a byte string for each index; most are empty.
type byteColumn struct {
	ends  []uint64 // of the strings in bytes, up to the last one that isn't empty
	bytes []byte
}

func (c *byteColumn) set(i int, b []byte) {
	if len(b) == 0 {
		return
	}
	for len(c.ends) < i {
		c.ends = append(c.ends, uint64(len(c.bytes)))
	}
	c.bytes = append(c.bytes, b...)
	c.ends = append(c.ends, uint64(len(c.bytes)))
}

func (c *byteColumn) get(i int) []byte {
	if i >= len(c.ends) {
		return nil
	}
	start := uint64(0)
	if i > 0 {
		start = c.ends[i-1]
	}
	return c.bytes[start:c.ends[i]]
}

// add notes change i, the last one of the graph, whose dependencies g holds.
func (m *changeMeta) add(g *Graph, i int, deps []Hash, time int64, message, extra []byte) {
	m.times = append(m.times, time)
	m.messages.set(i, message)
	m.extra.set(i, extra)
	for at := 1; at < len(deps); at++ {
		if deps[at-1].Compare(deps[at]) < 0 {
			continue
		}
		if m.deps == nil {
			m.deps = make(map[uint32][]uint32)
		}
		m.deps[uint32(i)] = indexesOf(g, deps)
		return
	}
}

func indexesOf(g *Graph, hashes []Hash) []uint32 {
	indexes := make([]uint32, len(hashes))
	for n, h := range hashes {
		i, _ := g.index.find(g.hashes, h)
		indexes[n] = i
	}
	return indexes
}

// depsOf appends the dependencies of change i in their original order.
func (m *changeMeta) depsOf(to []uint32, g *Graph, i int) []uint32 {
	if deps, ok := m.deps[uint32(i)]; ok {
		return append(to, deps...)
	}
	from := len(to)
	to = append(to, g.Dependencies(i)...)
	slices.SortFunc(to[from:], func(a, b uint32) int { return g.hashes[a].Compare(g.hashes[b]) })
	return to
}

func (m *changeMeta) size() int {
	const perDeps = 64
	return 8*(cap(m.times)+cap(m.messages.ends)+cap(m.extra.ends)) + cap(m.messages.bytes) + cap(m.extra.bytes) + perDeps*len(m.deps)
}

// recentChanges keeps the bytes of the last changes that were applied one by one.
type recentChanges struct {
	from int // index of raws[0]
	raws [][]byte
	size int
}

const maxRecentBytes = 1 << 20

func (r *recentChanges) add(i int, raw []byte) {
	if len(r.raws) == 0 {
		r.from = i
	}
	r.raws = append(r.raws, bytes.Clone(raw))
	r.size += len(raw)
	if r.size <= maxRecentBytes {
		return
	}
	dropped := 0
	for ; r.size > maxRecentBytes/2 && dropped < len(r.raws)-1; dropped++ {
		r.size -= len(r.raws[dropped])
	}
	r.from += dropped
	r.raws = slices.Clone(r.raws[dropped:])
}

// get returns the chunk of change i, nil if it isn't kept.
func (r *recentChanges) get(i int) []byte {
	if i < r.from || i-r.from >= len(r.raws) {
		return nil
	}
	return r.raws[i-r.from]
}
