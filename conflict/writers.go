package conflict

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"concord/crdt"
)

// writers tells of a place with many writes whether a further one is concurrent
// to some of them, and differs from some, without a look at each. It knows all
// writes there whose counters aren't below from. An actor's changes follow each
// other: of its writes, those that are concurrent to a change are the last ones.
type writers struct {
	from    uint32
	class   class // of all writes, unless they are mixed
	mixed   bool
	byActor map[crdt.ActorID]*lastWrites
}

// lastWrites are the last writes of an actor at a place.
type lastWrites struct {
	all  streak
	kept streak // those that aren't deletions
}

// streak is some writes of an actor that are of one class, up to the last one.
type streak struct {
	last  uint32 // counter, 0 = there is none
	class class
	other uint32 // counter of the last write of another class, 0 = there is none
}

func (s *streak) add(counter uint32, x class) {
	if s.last > 0 && s.class != x {
		s.other = s.last
	}
	s.last, s.class = counter, x
}

// differs reports whether a write of a class differs from one of those whose
// counters aren't below from.
func (s *streak) differs(x class, from uint32) bool {
	return s.last >= from && (s.other >= from || s.class.differs(x))
}

func (t *writers) add(op crdt.OpID, x class) {
	if len(t.byActor) == 0 {
		t.class = x
	}
	t.mixed = t.mixed || t.class.differs(x)
	w := t.byActor[op.Actor]
	if w == nil {
		w = &lastWrites{}
		t.byActor[op.Actor] = w
	}
	w.all.add(op.Counter, x)
	if x.action != crdt.ActionDelete {
		w.kept.add(op.Counter, x)
	}
}

// class is what writes have in common that don't differ from each other.
type class struct {
	action crdt.Action // of all that make objects, ActionMakeMap
	value  [16]byte    // of a scalar
}

// differs is what differ says of writes of two classes.
func (x class) differs(y class) bool { return x != y || x.action == crdt.ActionMakeMap }

func classOf(w crdt.Write) class {
	switch w.Action {
	case crdt.ActionDelete, crdt.ActionIncrement:
		return class{action: w.Action}
	case crdt.ActionSet:
		sum := sha256.Sum256(appendAlike(nil, w.Value))
		return class{w.Action, [16]byte(sum[:])}
	}
	return class{action: crdt.ActionMakeMap}
}

// appendAlike appends bytes that are the same for scalars that are alike, and
// for no others.
func appendAlike(b []byte, v crdt.Value) []byte {
	if !isNumber(v) {
		b = binary.BigEndian.AppendUint64(append(b, byte(v.Code())), uint64(v.Int()))
		return append(b, v.Bytes()...)
	}
	negative, size, ok := whole(v)
	switch f := v.Float64(); {
	case ok && negative:
		b = append(b, byte(crdt.ValueInt))
	case ok:
		b = append(b, byte(crdt.ValueUint))
	case math.IsNaN(f):
		b, size = append(b, byte(crdt.ValueFloat64)), math.Float64bits(math.NaN())
	default:
		b, size = append(b, byte(crdt.ValueFloat64)), math.Float64bits(f)
	}
	return binary.BigEndian.AppendUint64(b, size)
}

// rivals is what a change finds at a place where it writes.
type rivals struct {
	any    bool // there are concurrent writes
	differ bool // from one of which its own differs
	update bool // neither of the two being a deletion
}

// rivals looks for writes that are concurrent to one of a class.
func (c *run) rivals(t *writers, x class) (r rivals) {
	alone := !t.mixed && !t.class.differs(x)
	for actor, w := range t.byActor {
		c.steps++
		from := c.concurrent.from(actor)
		if w.all.last < from {
			continue
		}
		r.any = true
		r.differ = r.differ || w.all.differs(x, from)
		r.update = r.update || x.action != crdt.ActionDelete && w.kept.differs(x, from)
		if alone || r.update || r.differ && x.action == crdt.ActionDelete {
			break
		}
	}
	return r
}

// lowest returns the lowest counter that a write at a place can have that is
// concurrent to the change.
func (c *run) lowest(t *writers) uint32 {
	lowest := uint32(math.MaxUint32)
	for actor, w := range t.byActor {
		c.steps++
		if from := c.concurrent.from(actor); w.all.last >= from {
			lowest = min(lowest, from)
		}
	}
	return lowest
}

// others gathers the writes at the place of an op that are concurrent to it, and
// counts those that it saw.
func (c *run) others(op *crdt.Op, from uint32) (others []crdt.Write, looked int) {
	others = c.scratch[:0]
	for w := range c.a.Content.Writes(op.Obj, op.Key, from) {
		looked++
		if c.concurrent.has(w.ID) {
			others = append(others, w)
		}
	}
	c.scratch = others
	c.steps += looked
	return others, looked
}

// manyWrites is from how many writes at a place on, as a change has to look at
// them, it is remembered who wrote there.
const manyWrites = 64

// writersAt returns who wrote at the place of an op before it, as far back as
// anything is concurrent to the change. Where that isn't remembered, it is
// looked up.
func (c *run) writersAt(p place, op *crdt.Op) *writers {
	const perPlace, perActor = 200, 150
	t := c.writers[p]
	if t == nil {
		t = &writers{byActor: map[crdt.ActorID]*lastWrites{}}
		c.writers[p] = t
		c.size += perPlace + len(p.key.Name)
	} else if t.from <= c.concurrent.lowest {
		return t
	}
	c.size -= perActor * len(t.byActor)
	*t = writers{from: c.concurrent.lowest / 2, byActor: t.byActor} // so that it's seldom done again
	clear(t.byActor)
	for w := range c.a.Content.Writes(op.Obj, op.Key, t.from) {
		c.steps++
		if w.ID.Actor != op.ID.Actor || w.ID.Counter < op.ID.Counter {
			t.add(w.ID, classOf(w))
		}
	}
	c.size += perActor * len(t.byActor)
	return t
}
