package crdt

import "strings"

// lamport is an op id within one document: the counter in the high 32 bits, in
// the low ones the actor's index in the actor table in use. 0 names no op: the
// root object, or the list head.
type lamport uint64

func newLamport(counter, actor uint32) lamport { return lamport(counter)<<32 | lamport(actor) }

func (l lamport) counter() uint32 { return uint32(l >> 32) }

func (l lamport) actor() uint32 { return uint32(l) }

// plus returns the id of the same actor whose counter is n higher; n may be
// negative.
func (l lamport) plus(n int) lamport { return l + lamport(int64(n)<<32) }

// actorTable numbers the actors of a document in the order in which they were
// met. Table positions say nothing about the order of actors.
type actorTable struct {
	ids   []ActorID
	index map[ActorID]uint32
	bytes int // total length of ids
}

func (t *actorTable) find(a ActorID) (uint32, bool) {
	i, ok := t.index[a]
	return i, ok
}

// add returns the index of an actor, which is new or known.
func (t *actorTable) add(a ActorID) uint32 {
	if i, ok := t.index[a]; ok {
		return i
	}
	if t.index == nil {
		t.index = make(map[ActorID]uint32)
	}
	i := uint32(len(t.ids))
	a = ActorID(strings.Clone(string(a)))
	t.ids = append(t.ids, a)
	t.index[a] = i
	t.bytes += len(a)
	return i
}

// truncate forgets the actors from index n on.
func (t *actorTable) truncate(n int) {
	for _, a := range t.ids[n:] {
		delete(t.index, a)
		t.bytes -= len(a)
	}
	t.ids = t.ids[:n]
}

// compare orders ids by counter, then by actor bytes: the total order of ops.
func (t *actorTable) compare(a, b lamport) int {
	switch {
	case a == b:
		return 0
	case a.counter() < b.counter():
		return -1
	case a.counter() > b.counter():
		return 1
	}
	return strings.Compare(string(t.ids[a.actor()]), string(t.ids[b.actor()]))
}

func (t *actorTable) less(a, b lamport) bool { return t.compare(a, b) < 0 }

func (t *actorTable) opID(l lamport) OpID {
	if l == 0 {
		return OpID{}
	}
	return OpID{l.counter(), t.ids[l.actor()]}
}

// lamport returns the packed form of id, false if its actor is unknown.
func (t *actorTable) lamport(id OpID) (lamport, bool) {
	if id.IsZero() {
		return 0, true
	}
	i, ok := t.index[id.Actor]
	return newLamport(id.Counter, i), ok
}
