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
}

// MaxOp returns the counter of the change's last op: StartOp+NumOps-1, which
// is StartOp-1 for a change without ops.
func (h Header) MaxOp() uint32 { return uint32(uint64(h.StartOp) + uint64(h.NumOps) - 1) }

// Header returns the change's place in the graph. It shares the change's slices.
func (c *Change) Header() Header {
	return Header{
		Hash: c.Hash, Deps: c.Deps, Actor: c.Actor, Seq: c.Seq,
		StartOp: c.StartOp, NumOps: c.NumOps, OtherActors: c.OtherActors,
	}
}

// MaxOp returns the counter of the last op; StartOp-1 when there are none.
func (c *Change) MaxOp() uint32 { return c.Header().MaxOp() }

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
	return func(yield func(Op) bool) {}
}

type columnSet struct{}
