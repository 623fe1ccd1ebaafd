package crdt

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// OrphanLimits bounds a pool of orphans. A zero field means its default.
type OrphanLimits struct {
	Changes int // default 1,000
	Bytes   int // sum of the changes' uncompressed chunks; default 8 MiB
}

// Defaults of OrphanLimits.
const (
	DefaultOrphans     = 1_000
	DefaultOrphanBytes = 8 << 20
)

// Orphan is a change whose dependencies were missing, and who sent it.
type Orphan struct {
	Change *Change
	Sender string
}

// Evicted names an orphan that was dropped to stay within the limits. Its
// sender believes to have delivered it.
type Evicted struct {
	Hash   Hash
	Sender string
}

// Orphans holds a document's changes whose dependencies are missing. It is
// bounded; the sender with the most bytes loses its newest orphans first. It is
// not safe for concurrent use.
type Orphans struct {
	limits  OrphanLimits
	byHash  map[Hash]*orphan
	waiting map[Hash][]*orphan // by missing dependency, in order of arrival
	senders map[string]*orphanSender
	bytes   int
	arrived uint64
}

type orphan struct {
	Orphan
	arrival    uint64
	missing    []Hash  // what it waited for when it was added
	open       int     // how many of them are still missing
	prev, next *orphan // of the same sender, by arrival
}

type orphanSender struct {
	bytes  int
	newest *orphan
}

// NewOrphans returns an empty pool.
func NewOrphans(limits OrphanLimits) *Orphans {
	if limits.Changes <= 0 {
		limits.Changes = DefaultOrphans
	}
	if limits.Bytes <= 0 {
		limits.Bytes = DefaultOrphanBytes
	}
	return &Orphans{
		limits:  limits,
		byHash:  make(map[Hash]*orphan),
		waiting: make(map[Hash][]*orphan),
		senders: make(map[string]*orphanSender),
	}
}

// Add keeps a change until Release has been called for each of missing, which
// must be distinct and not empty (MissingDepsError has them). The pool copies
// the change's bytes, so that it doesn't hold on to the message in which they
// came. A change that the pool has is ignored. What had to go is returned; that
// may be the change itself.
func (o *Orphans) Add(c *Change, sender string, missing []Hash) []Evicted {
	if o.Has(c.Hash) || len(missing) == 0 {
		return nil
	}
	o.arrived++
	n := &orphan{
		Orphan:  Orphan{Change: detach(c), Sender: sender},
		arrival: o.arrived, missing: slices.Clone(missing), open: len(missing),
	}
	o.byHash[c.Hash] = n
	for _, h := range n.missing {
		o.waiting[h] = append(o.waiting[h], n)
	}
	s := o.senders[sender]
	if s == nil {
		s = &orphanSender{}
		o.senders[sender] = s
	}
	if n.prev = s.newest; n.prev != nil {
		n.prev.next = n
	}
	s.newest = n
	s.bytes += len(c.Bytes())
	o.bytes += len(c.Bytes())
	return o.evict()
}

// detach returns c with bytes of its own.
func detach(c *Change) *Change {
	const unlimited = 1 << 31
	own, err := ParseChange(bytes.Clone(c.Bytes()), Limits{ChunkBytes: unlimited, Ops: unlimited, Deps: unlimited})
	if err != nil {
		return c
	}
	return own
}

func (o *Orphans) evict() (evicted []Evicted) {
	for len(o.byHash) > o.limits.Changes || o.bytes > o.limits.Bytes {
		n := o.biggest().newest
		evicted = append(evicted, Evicted{Hash: n.Change.Hash, Sender: n.Sender})
		o.remove(n)
	}
	return evicted
}

func (o *Orphans) biggest() (biggest *orphanSender) {
	for _, s := range o.senders {
		if biggest == nil || s.bytes > biggest.bytes ||
			s.bytes == biggest.bytes && s.newest.arrival > biggest.newest.arrival {
			biggest = s
		}
	}
	return biggest
}

func (o *Orphans) remove(n *orphan) {
	delete(o.byHash, n.Change.Hash)
	for _, h := range n.missing {
		left := slices.DeleteFunc(o.waiting[h], func(m *orphan) bool { return m == n })
		if len(left) == 0 {
			delete(o.waiting, h)
		} else {
			o.waiting[h] = left
		}
	}
	s := o.senders[n.Sender]
	if n.prev != nil {
		n.prev.next = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		s.newest = n.prev
	}
	s.bytes -= len(n.Change.Bytes())
	o.bytes -= len(n.Change.Bytes())
	if s.newest == nil {
		delete(o.senders, n.Sender)
	}
}

// Release says that change h is known and removes the orphans that waited for
// nothing else. They come in order of arrival. Each that is then appended must
// be released in turn.
func (o *Orphans) Release(h Hash) []Orphan {
	var ready []*orphan
	for _, n := range o.waiting[h] {
		if n.open--; n.open == 0 {
			ready = append(ready, n)
		}
	}
	delete(o.waiting, h)
	return o.take(ready)
}

// DropSender removes the orphans of a sender, in order of arrival.
func (o *Orphans) DropSender(sender string) []Orphan {
	s := o.senders[sender]
	if s == nil {
		return nil
	}
	var all []*orphan
	for n := s.newest; n != nil; n = n.prev {
		all = append(all, n)
	}
	return o.take(all)
}

func (o *Orphans) take(all []*orphan) []Orphan {
	slices.SortFunc(all, func(a, b *orphan) int { return cmp.Compare(a.arrival, b.arrival) })
	taken := make([]Orphan, 0, len(all))
	for _, n := range all {
		o.remove(n)
		taken = append(taken, n.Orphan)
	}
	return taken
}

// Has reports whether the pool holds a change.
func (o *Orphans) Has(h Hash) bool { return o.byHash[h] != nil }

// Deps returns the dependencies of an orphan, as stored; nil for a change that
// the pool doesn't hold.
func (o *Orphans) Deps(h Hash) []Hash {
	if n := o.byHash[h]; n != nil {
		return n.Change.Deps
	}
	return nil
}

// Missing returns what the orphans wait for and the pool doesn't hold itself,
// sorted.
func (o *Orphans) Missing() []Hash {
	var missing []Hash
	for h := range o.waiting {
		if !o.Has(h) {
			missing = append(missing, h)
		}
	}
	SortHashes(missing)
	return missing
}

// SenderBytes returns the bytes of the changes that each sender has here.
func (o *Orphans) SenderBytes() map[string]int {
	all := make(map[string]int, len(o.senders))
	for sender, s := range o.senders {
		all[sender] = s.bytes
	}
	return all
}

// Len returns the number of orphans.
func (o *Orphans) Len() int { return len(o.byHash) }

// All yields the waiting changes in the order of arrival.
func (o *Orphans) All(yield func(*Change) bool) {
	all := slices.SortedFunc(maps.Values(o.byHash), func(a, b *orphan) int { return cmp.Compare(a.arrival, b.arrival) })
	for _, n := range all {
		if !yield(n.Change) {
			return
		}
	}
}

// Bytes returns the total length of the orphans' chunks.
func (o *Orphans) Bytes() int { return o.bytes }
