package crdt

import "hash/maphash"

// hashIndex finds a change's index by its hash: an open-addressing table of
// 4-byte slots that hold index+1. The hashes themselves stay in the graph's
// array. Slots are chosen with a secret seed, because a sender can grind change
// hashes that share their first bytes.
type hashIndex struct {
	seed  maphash.Seed
	slots []uint32 // length is a power of two, or nil; 0 = free
}

func newHashIndex() hashIndex { return hashIndex{seed: maphash.MakeSeed()} }

func (x *hashIndex) slot(h *Hash) uint64 { return maphash.Bytes(x.seed, h[:]) }

// find returns the index i with hashes[i] == h.
func (x *hashIndex) find(hashes []Hash, h Hash) (uint32, bool) {
	if len(x.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(x.slots) - 1)
	for at := x.slot(&h) & mask; ; at = (at + 1) & mask {
		i := x.slots[at]
		if i == 0 {
			return 0, false
		}
		if hashes[i-1] == h {
			return i - 1, true
		}
	}
}

// insert adds index i, the last of hashes, which must not be in the table.
func (x *hashIndex) insert(hashes []Hash, i uint32) {
	if 4*len(hashes) > 3*len(x.slots) {
		x.slots = make([]uint32, max(16, 2*len(x.slots)))
		for j := range hashes[:i] {
			x.put(&hashes[j], uint32(j))
		}
	}
	x.put(&hashes[i], i)
}

// reserve makes room for n hashes in an empty table.
func (x *hashIndex) reserve(n int) {
	size := 16
	for 4*n > 3*size {
		size *= 2
	}
	x.slots = make([]uint32, size)
}

func (x *hashIndex) put(h *Hash, i uint32) {
	mask := uint64(len(x.slots) - 1)
	at := x.slot(h) & mask
	for x.slots[at] != 0 {
		at = (at + 1) & mask
	}
	x.slots[at] = i + 1
}

// build makes the table of all hashes, with room for up to capacity of them. It
// returns false when two are equal.
func (x *hashIndex) build(hashes []Hash, capacity int) bool {
	slots := 16
	for 4*capacity > 3*slots {
		slots *= 2
	}
	x.slots = make([]uint32, slots)
	mask := uint64(slots - 1)
	for i := range hashes {
		at := x.slot(&hashes[i]) & mask
		for ; x.slots[at] != 0; at = (at + 1) & mask {
			if hashes[x.slots[at]-1] == hashes[i] {
				return false
			}
		}
		x.slots[at] = uint32(i) + 1
	}
	return true
}
