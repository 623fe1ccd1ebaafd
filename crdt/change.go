package crdt

import "iter"

// Change is one parsed change: a node of the change graph and its ops. It is
// immutable and safe for concurrent use; its slices must not be modified.
//
// A change parsed from a type 1 chunk keeps a reference to the input bytes,
// which must not be modified while the change is in use; one parsed from a
// type 2 chunk owns its inflated bytes.
type Change struct {
	Hash        Hash
	Deps        []Hash // as stored: any order, repeats possible
	Actor       ActorID
	Seq         uint32 // from 1
	StartOp     uint32 // counter of the first op, from 1
	Time        int64  // seconds since the Unix epoch by convention; may be 0 or negative
	Message     string // empty = none
	OtherActors []ActorID
	OtherOps    []uint32 // of each other actor, the highest counter among the ops that this change refers to
	NumOps      int
	Extra       []byte // bytes after the columns; part of the hash, meaning unknown

	raw      []byte // the type 1 chunk
	columns  columnSet
	numPreds int
}

// Header is what the change graph needs to know of a change.
type Header struct {
	Hash        Hash
	Deps        []Hash
	Actor       ActorID
	Seq         uint32
	StartOp     uint32
	NumOps      int
	OtherActors []ActorID
	OtherOps    []uint32 // highest op that the change refers to, for each other actor
}

// MaxOp returns the counter of the change's last op: StartOp+NumOps-1, which
// is StartOp-1 for a change without ops.
func (h Header) MaxOp() uint32 { return h.StartOp + uint32(h.NumOps) - 1 }

// Header returns the change's place in the graph. It shares the change's slices.
func (c *Change) Header() Header {
	return Header{
		Hash: c.Hash, Deps: c.Deps, Actor: c.Actor, Seq: c.Seq,
		StartOp: c.StartOp, NumOps: c.NumOps, OtherActors: c.OtherActors, OtherOps: c.OtherOps,
	}
}

// MaxOp returns the counter of the last op; StartOp-1 when there are none.
func (c *Change) MaxOp() uint32 { return c.StartOp + uint32(c.NumOps) - 1 }

// Bytes returns the change as a type 1 chunk, header included. The caller must
// not modify it.
func (c *Change) Bytes() []byte { return c.raw }

// Meta returns the fields from which EncodeChange, together with the ops,
// writes the same change again. It shares the change's slices.
func (c *Change) Meta() ChangeMeta {
	return ChangeMeta{
		Deps: c.Deps, Actor: c.Actor, Seq: c.Seq, StartOp: c.StartOp,
		Time: c.Time, Message: c.Message, Extra: c.Extra,
	}
}

// Ops yields the change's ops in order, decoding them as it goes. Values alias
// the change's bytes; everything else belongs to the receiver.
func (c *Change) Ops() iter.Seq[Op] {
	return func(yield func(Op) bool) {
		var r opReader
		r.init(c.raw, &c.columns, 1+len(c.OtherActors))
		var row opRow
		b := opBuilder{change: c, predsLeft: c.numPreds}
		for i := range c.NumOps {
			if r.next(&row) != nil {
				return // only if the caller modified the bytes
			}
			op := b.build(i, &row)
			for j := range op.Preds {
				pred, err := r.nextPred()
				if err != nil {
					return
				}
				op.Preds[j] = b.id(pred)
			}
			if !yield(op) {
				return
			}
		}
	}
}

// opBuilder turns rows into ops. It gives equal neighbouring keys one string,
// and the preds of many ops one allocation.
type opBuilder struct {
	change    *Change
	key, mark string
	preds     []OpID // free places
	predsLeft int
}

const predBlock = 64

func (b *opBuilder) build(i int, row *opRow) Op {
	op := Op{
		ID:          OpID{b.change.StartOp + uint32(i), b.change.Actor},
		Action:      row.action,
		Obj:         b.id(row.obj),
		Insert:      row.insert,
		Value:       row.value,
		Expand:      row.expand,
		HasMarkName: row.hasMark,
	}
	if row.isElem {
		op.Key = ElemKey(b.id(row.elem))
	} else {
		if string(row.key) != b.key {
			b.key = string(row.key)
		}
		op.Key = MapKey(b.key)
	}
	if row.hasMark {
		if string(row.mark) != b.mark {
			b.mark = string(row.mark)
		}
		op.MarkName = b.mark
	}
	if n := row.preds; n > 0 {
		if n > len(b.preds) {
			b.preds = make([]OpID, max(n, min(predBlock, b.predsLeft)))
		}
		op.Preds, b.preds = b.preds[:n:n], b.preds[n:]
		b.predsLeft -= n
	}
	return op
}

func (b *opBuilder) id(id rowID) OpID {
	switch {
	case id.counter == 0:
		return OpID{}
	case id.actor == 0:
		return OpID{id.counter, b.change.Actor}
	}
	return OpID{id.counter, b.change.OtherActors[id.actor-1]}
}
