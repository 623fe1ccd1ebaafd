package crdt

// heap keeps byte strings that are never freed one by one: map keys, and values
// of strings, bytes and unknown types. Strings are named by position and length.
type heap struct {
	chunks [][]byte // only the last one grows
	size   int      // capacity of all chunks
}

const (
	minHeapChunk = 64
	maxHeapChunk = 64 << 10
)

// put copies b and returns its position: number of the chunk in the high 32
// bits, offset in the low ones.
func (h *heap) put(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	last := len(h.chunks) - 1
	if last < 0 || len(b) > cap(h.chunks[last])-len(h.chunks[last]) {
		size := max(len(b), min(max(minHeapChunk, h.size/2), maxHeapChunk))
		h.chunks = append(h.chunks, make([]byte, 0, size))
		h.size += cap(h.chunks[last+1])
		last++
	}
	at := len(h.chunks[last])
	h.chunks[last] = append(h.chunks[last], b...)
	return uint64(last)<<32 | uint64(at)
}

// get returns the n bytes at pos, which the caller must not modify.
func (h *heap) get(pos uint64, n uint32) []byte {
	if n == 0 {
		return nil
	}
	at := uint32(pos)
	return h.chunks[pos>>32][at : at+n : at+n]
}
