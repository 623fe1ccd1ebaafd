package crdt

import "slices"

// Save returns the document as one chunk, followed by the queued changes as
// they came. Current clients (automerge-js 2 and 3, automerge-go) load it.
func (d *Doc) Save() []byte {
	b := d.saveDocument()
	for c := range d.orphans.All {
		b = append(b, c.Bytes()...)
	}
	return b
}

func (d *Doc) saveDocument() []byte {
	authors := d.graph.authorIDs()
	actors := slices.Sorted(slices.Values(authors))
	ranks := make([]uint32, len(authors))
	for i, a := range authors {
		at, _ := slices.BinarySearch(actors, a)
		ranks[i] = uint32(at)
	}
	w := newDocumentWriter()
	d.ops.rows(actors, func(r *docRow) error {
		w.addRow(r)
		return nil
	})
	var row changeRow
	var deps []uint32
	for i := range d.graph.Len() {
		deps = d.meta.depsOf(deps[:0], d.graph, i)
		row = changeRow{
			actor: ranks[d.graph.authors[i]&^totalBit], seq: d.graph.seqs[i], maxOp: d.graph.maxOps[i], time: d.meta.times[i],
			message: d.meta.messages.get(i), deps: deps, extra: d.meta.extra.get(i),
		}
		w.addChange(&row)
	}
	heads := d.graph.Heads()
	return w.finish(actors, heads, indexesOf(d.graph, heads))
}

// SaveSince returns the changes that are neither in heads nor ancestors of them
// as change chunks in the order of application, for appending to what was saved
// at those heads. Queued changes are not part of it, and unknown heads are
// ignored.
func (d *Doc) SaveSince(heads []Hash) []byte {
	var b []byte
	d.eachChunk(d.graph.Since(heads), func(raw []byte) { b = append(b, raw...) })
	return b
}

// Changes returns the changes that are neither in heads nor ancestors of them,
// in the order of application; all changes when heads is empty. Unknown heads
// are ignored. Changes that are no longer at hand are written anew from the
// content, which takes time in proportion to the whole document.
func (d *Doc) Changes(heads []Hash) []*Change {
	var changes []*Change
	d.eachChunk(d.graph.Since(heads), func(raw []byte) {
		c, err := ParseChange(slices.Clone(raw), unlimited)
		if err != nil {
			panic("change that was accepted before: " + err.Error())
		}
		changes = append(changes, c)
	})
	return changes
}

// unlimited is for what has been accepted once.
var unlimited = Limits{ChunkBytes: maxChunkBytes, Ops: 1 << 30, Deps: 1 << 30, Rows: 1 << 30}

// eachChunk calls visit with the chunks of some changes, ascending. A chunk is
// valid during the call only.
func (d *Doc) eachChunk(indexes []int, visit func(raw []byte)) {
	if len(indexes) == 0 {
		return
	}
	if d.recent.get(indexes[0]) != nil {
		for _, i := range indexes {
			visit(d.recent.get(i))
		}
		return
	}
	chunk, _, err := NextChunk(d.saveDocument())
	if err == nil {
		_, err = chunk.ParseDocument(unlimited, func(c DocumentChange) error {
			if len(indexes) > 0 && indexes[0] == c.Row {
				visit(c.Raw)
				indexes = indexes[1:]
			}
			return nil
		})
	}
	if err != nil {
		panic("read the document that was written: " + err.Error())
	}
}
