package crdt

// ChangeMeta holds the fields of a change besides its ops.
type ChangeMeta struct {
	Deps    []Hash // written as given; sorted ascending by convention
	Actor   ActorID
	Seq     uint32 // from 1
	StartOp uint32 // from 1
	Time    int64  // seconds since the Unix epoch by convention
	Message string // empty = none
	Extra   []byte
}

// EncodeChange writes the canonical type 1 chunk for a change and returns it
// parsed. Op i gets the id StartOp+i and the author as its actor. The error is
// a *RefusalError when the change would not pass ParseChange.
func EncodeChange(meta ChangeMeta, ops []Op) (*Change, error) {
	return nil, refuse(ReasonMalformed, "not implemented")
}

// Compressed returns the change as a type 2 chunk, deflated. The deflate
// stream's exact bytes are not part of the format and may differ between builds.
func (c *Change) Compressed() []byte { return nil }
