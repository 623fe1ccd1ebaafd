package snapshot

import "concord/store"

// Policy says when a document's tail, the changes after its snapshot, is due for a new snapshot. The zero value of a
// field means its default.
//
// A snapshot reads, encodes and proves the whole document: its cost is c for each change in it, some microseconds. A
// tail of at least a part 1/Growth of the covered changes therefore costs at most (Growth+1)·c for each change that
// ever comes, however long the history gets. Bytes are bounded alike, for documents with large changes; small changes
// weigh up to 60 times as much in the tail as in the snapshot, and then come to some 15·c.
//
// A document that nobody edits any more is read by others as it is: its tail, which no compression has seen, goes to
// every new reader. It may not weigh more than a part 1/ColdBytes of the snapshot, unless that would cost more than
// (ColdGrowth+1)·c for each change, or there is little to gain.
type Policy struct {
	Changes   uint64 // fewest changes in the tail; default 256
	Growth    uint64 // the tail is due with covered changes / Growth; default 4
	TailBytes uint64 // or with so many bytes, if these are TailRatio times the snapshot's as well; default 1 MiB
	TailRatio uint64 // default 4, about what a snapshot saves where changes are large

	ColdChanges uint64 // fewest changes in the tail of a cold document; default 16
	ColdGrowth  uint64 // the tail is due with covered changes / ColdGrowth; default 512
	ColdBytes   uint64 // if its bytes are above the snapshot's / ColdBytes; default 10
}

func (p Policy) withDefaults() Policy {
	for _, f := range []struct {
		field *uint64
		value uint64
	}{
		{&p.Changes, 256}, {&p.Growth, 4}, {&p.TailBytes, 1 << 20}, {&p.TailRatio, 4},
		{&p.ColdChanges, 16}, {&p.ColdGrowth, 512}, {&p.ColdBytes, 10},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return p
}

// Due tells whether a document should get a snapshot. cold means that it isn't being edited: its last peer has left,
// or it is leaving memory.
func (p Policy) Due(info store.Info, cold bool) bool {
	p = p.withDefaults()
	tail := info.Changes - min(info.SnapshotChanges, info.Changes)
	switch {
	case tail == 0:
		return false
	case tail >= max(p.Changes, info.SnapshotChanges/p.Growth):
		return true
	case info.TailBytes >= max(p.TailBytes, p.TailRatio*info.SnapshotBytes):
		return true
	}
	return cold && tail >= max(p.ColdChanges, info.SnapshotChanges/p.ColdGrowth) && info.TailBytes > info.SnapshotBytes/p.ColdBytes
}
