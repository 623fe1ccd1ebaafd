package crdt

import (
	"bytes"
	"hash/maphash"
)

// keyTable finds a map's entry by its key: an open-addressing table of 4-byte
// slots that hold the entry's index+1. Slots are chosen with a secret seed,
// because a sender chooses keys and objects.
type keyTable struct {
	seed  maphash.Seed
	slots []uint32 // length is a power of two, or nil; 0 = free
}

func newKeyTable() keyTable { return keyTable{seed: maphash.MakeSeed()} }

func (t *keyTable) slot(obj uint32, key []byte) uint64 {
	return maphash.Comparable(t.seed, maphash.Bytes(t.seed, key)+uint64(obj))
}

func (t *keyTable) find(s *OpSet, obj uint32, key []byte) (uint32, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for at := t.slot(obj, key) & mask; ; at = (at + 1) & mask {
		i := t.slots[at]
		if i == 0 {
			return 0, false
		}
		if e := &s.entries[i-1]; e.obj == obj && bytes.Equal(s.keyOf(e), key) {
			return i - 1, true
		}
	}
}

// insert adds the last entry of s, which must not be in the table.
func (t *keyTable) insert(s *OpSet, i uint32) {
	if 4*len(s.entries) > 3*len(t.slots) {
		t.slots = make([]uint32, max(8, 2*len(t.slots)))
		for j := range i {
			t.put(s, j)
		}
	}
	t.put(s, i)
}

func (t *keyTable) put(s *OpSet, i uint32) {
	e := &s.entries[i]
	mask := uint64(len(t.slots) - 1)
	at := t.slot(e.obj, s.keyOf(e)) & mask
	for t.slots[at] != 0 {
		at = (at + 1) & mask
	}
	t.slots[at] = i + 1
}
