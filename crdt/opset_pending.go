package crdt

import "cmp"

// pendingChange is a change whose ids are translated to those of the op set,
// while it is checked and applied. Its slices are reused.
type pendingChange struct {
	author  uint32 // in OpSet.actors
	first   uint32 // counter of ops[0]
	ops     []pendingOp
	preds   []lamport
	actors  []uint32  // of the change's actor table
	objects int       // of the op set, before the change
	makes   []uint32  // ops that make objects, in order: the nth becomes object objects+n
	climbs  []climb   // see checkMarkEnds; only for changes with mark ends
	touched []touched // complex elements whose width may have changed
}

type pendingOp struct {
	id      lamport
	in      lamport
	obj     uint32 // index of in in OpSet.objects, those of pendingChange.makes included
	entry   uint32 // index+1 of the entry, if the key exists already
	elem    lamport
	action  Action
	isElem  bool
	insert  bool
	expand  bool
	hasMark bool
	key     []byte
	mark    []byte
	value   Value
	from    int // preds are pendingChange.preds[from:to]
	to      int
}

type touched struct {
	obj  uint32
	elem lamport
}

func (t touched) compare(other touched) int {
	return cmp.Or(cmp.Compare(t.obj, other.obj), cmp.Compare(t.elem, other.elem))
}

// maxKeptOps bounds the scratch memory that outlives a change: ops, and each of preds and actors.
const maxKeptOps = 256

func (p *pendingChange) release() {
	if cap(p.ops) > maxKeptOps || cap(p.preds) > maxKeptOps || cap(p.actors) > maxKeptOps {
		*p = pendingChange{}
		return
	}
	clear(p.ops) // they alias the change's bytes
}

// target returns the element that an op is about.
func (o *pendingOp) target() lamport {
	if o.insert {
		return o.id
	}
	return o.elem
}

// own returns the position of the op of this change that has an id.
func (p *pendingChange) own(id lamport) (int, bool) {
	if id.actor() != p.author || id.counter() < p.first {
		return 0, false
	}
	i := int(id.counter() - p.first)
	return i, i < len(p.ops)
}

// read decodes the ops of a change and finds their objects.
func (s *OpSet) read(c *Change) error {
	p := &s.pending
	if err := s.readActors(c); err != nil {
		return err
	}
	p.first, p.ops, p.preds, p.makes, p.touched = c.StartOp, p.ops[:0], p.preds[:0], p.makes[:0], p.touched[:0]
	p.objects = len(s.objects)
	var r opReader
	r.init(c.raw, &c.columns, len(p.actors))
	var raw opRow
	for i := range c.NumOps {
		if err := r.next(&raw); err != nil {
			return err
		}
		op := pendingOp{
			id:     newLamport(c.StartOp+uint32(i), p.author),
			action: raw.action, isElem: raw.isElem, insert: raw.insert, expand: raw.expand, hasMark: raw.hasMark,
			key: raw.key, mark: raw.mark, value: raw.value,
			in: p.lamport(raw.obj), elem: p.lamport(raw.elem), from: len(p.preds),
		}
		for range raw.preds {
			pred, err := r.nextPred()
			if err != nil {
				return err
			}
			p.preds = append(p.preds, p.lamport(pred))
		}
		op.to = len(p.preds)
		if op.action.makesObject() {
			p.makes = append(p.makes, uint32(i))
		}
		p.ops = append(p.ops, op)
	}
	return s.readObjects()
}

func (p *pendingChange) lamport(id rowID) lamport {
	if id.counter == 0 {
		return 0
	}
	return newLamport(id.counter, p.actors[id.actor])
}

func (s *OpSet) readActors(c *Change) error {
	p := &s.pending
	p.author = s.actors.add(c.Actor)
	p.actors = append(p.actors[:0], p.author)
	for _, a := range c.OtherActors {
		i, ok := s.actors.find(a)
		if !ok {
			return refuse(ReasonUnknownActor, "actor %s has no known change", a)
		}
		p.actors = append(p.actors, i)
	}
	return nil
}

// readObjects finds the object of each op. An op may stand before the one that
// makes its object.
func (s *OpSet) readObjects() error {
	p := &s.pending
	var made map[lamport]uint32
	last, index, forward := lamport(0), uint32(rootObject), false
	for i := range p.ops {
		op := &p.ops[i]
		if op.in != last {
			known := false
			if own, isOwn := p.own(op.in); !isOwn {
				index, known = s.object(op.in)
			} else if p.ops[own].action.makesObject() {
				if made == nil {
					made = p.made()
				}
				index, known = made[op.in]
				forward = forward || own > i && op.action.makesObject()
			}
			if !known {
				return refuse(ReasonBadOp, "op %d is inside object %d, which doesn't exist", op.id.counter(), op.in.counter())
			}
			last = op.in
		}
		op.obj = index
	}
	if forward {
		return p.checkNesting()
	}
	return nil
}

// checkNesting refuses objects that hold each other, which ops that stand before
// the op that makes their object could build.
func (p *pendingChange) checkNesting() error {
	met := make([]uint32, len(p.ops)) // the number of the walk that met an op
	for n, i := range p.makes {
		walk := uint32(n + 1)
		for at, ok := int(i), true; ok && met[at] != walk; at, ok = p.own(p.ops[at].in) {
			if met[at] != 0 {
				break // an earlier walk went on from here
			}
			met[at] = walk
			if up, ok := p.own(p.ops[at].in); ok && met[up] == walk {
				return refuse(ReasonBadOp, "op %d makes an object inside itself", p.ops[at].id.counter())
			}
		}
	}
	return nil
}

// made returns the indexes that the change's objects will get.
func (p *pendingChange) made() map[lamport]uint32 {
	m := make(map[lamport]uint32, len(p.makes))
	for n, i := range p.makes {
		m[p.ops[i].id] = uint32(p.objects + n)
	}
	return m
}
