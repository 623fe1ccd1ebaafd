package crdt

import "hash/maphash"

// blockIndex finds the spans with ids of one block: of one actor, with counters
// that differ in the low idBlockBits only. It is an open-addressing table of
// handles, each the first of a chain of at most idBlock spans. Slots are chosen
// with a secret seed, because ids are chosen by senders.
type blockIndex struct {
	slots []uint32 // length is a power of two, or nil; 0 = free
	used  int
}

var blockSeed = maphash.MakeSeed()

// blockOf returns the first id of an id's block.
func blockOf(id lamport) lamport { return id &^ ((idBlock - 1) << 32) }

// slotOf returns the slot that holds an id's block or would take it.
func (q *sequence) slotOf(id lamport) *uint32 {
	block := blockOf(id)
	mask := uint64(len(q.blocks.slots) - 1)
	for at := maphash.Comparable(blockSeed, uint64(block)) & mask; ; at = (at + 1) & mask {
		slot := &q.blocks.slots[at]
		if *slot == 0 || blockOf(q.spans.at(*slot).first) == block {
			return slot
		}
	}
}

// link adds a span to the chain of its block.
func (q *sequence) link(h uint32) {
	if 4*(q.blocks.used+1) > 3*len(q.blocks.slots) {
		q.growBlocks()
	}
	p := q.spans.at(h)
	slot := q.slotOf(p.first)
	if *slot == 0 {
		q.blocks.used++
	}
	p.next, *slot = *slot, h
}

func (q *sequence) growBlocks() {
	old := q.blocks.slots
	q.blocks.slots = make([]uint32, max(2, 2*len(old)))
	for _, h := range old {
		if h != 0 {
			*q.slotOf(q.spans.at(h).first) = h
		}
	}
}

// unlink removes a span from the chain of its block, where another one is left.
func (q *sequence) unlink(h uint32) {
	p := q.spans.at(h)
	at := q.slotOf(p.first)
	for *at != h {
		at = &q.spans.at(*at).next
	}
	*at = p.next
}

// find returns the span that holds an id and which of its elements that is;
// handle 0 if there is none.
func (q *sequence) find(id lamport) (h uint32, i int) {
	if q.recent != 0 {
		if i := q.spans.at(q.recent).find(id); i >= 0 {
			return q.recent, i
		}
	}
	if len(q.blocks.slots) == 0 {
		return 0, 0
	}
	for h := *q.slotOf(id); h != 0; {
		p := q.spans.at(h)
		if i := p.find(id); i >= 0 {
			return h, i
		}
		h = p.next
	}
	return 0, 0
}
