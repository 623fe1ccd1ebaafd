package hub

import "slices"

// recentBytes is how much of the newest changes a document in use keeps, so
// that relaying an edit reads nothing from the store.
const recentBytes = 64 << 10

// recentChanges holds the bytes of the newest published changes.
type recentChanges struct {
	first  int // index of chunks[0]
	chunks [][]byte
	size   int // bytes
}

// add appends the change with an index, which follows the one before.
func (r *recentChanges) add(i int, chunk []byte) {
	if len(r.chunks) == 0 || r.first+len(r.chunks) != i {
		*r = recentChanges{first: i}
	}
	r.chunks = append(r.chunks, slices.Clone(chunk))
	r.size += len(chunk)
	drop := 0
	for r.size > recentBytes && drop < len(r.chunks) {
		r.size -= len(r.chunks[drop])
		r.chunks[drop] = nil
		drop++
	}
	r.chunks, r.first = r.chunks[drop:], r.first+drop
}

// get returns a change's bytes, nil when they aren't held.
func (r *recentChanges) get(i int) []byte {
	if i < r.first || i >= r.first+len(r.chunks) {
		return nil
	}
	return r.chunks[i-r.first]
}
