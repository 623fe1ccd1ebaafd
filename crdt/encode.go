package crdt

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
)

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
	for i := range ops {
		if !ops[i].Value.valid() {
			return nil, refuse(ReasonBadValue, "op %d has a value of type %d", i, ops[i].Value.code)
		}
	}
	return ParseChange(encodeChunk(meta, ops), Limits{})
}

// encodeChunk writes a type 1 chunk without asking whether the change makes sense.
func encodeChunk(meta ChangeMeta, ops []Op) []byte {
	w := changeWriters.Get().(*changeWriter)
	others := otherActors(meta.Actor, ops)
	w.ops.init(meta.Actor, others)
	for i := range ops {
		w.ops.append(&ops[i])
	}
	data := appendFields(w.data[:0], meta, others)
	data = w.ops.appendColumns(data)
	data = append(data, meta.Extra...)

	raw := appendChunkHeader(make([]byte, 0, maxChunkHeader+len(data)), [4]byte{}, ChunkChange, len(data))
	raw = append(raw, data...)
	hash := sha256.Sum256(raw[hashedFrom:])
	copy(raw[4:hashedFrom], hash[:])
	if w.data = data; cap(data) <= maxKeptWriter {
		changeWriters.Put(w)
	}
	return raw
}

// changeWriter is the memory for writing a change.
type changeWriter struct {
	ops  opWriter
	data []byte
}

var changeWriters = sync.Pool{New: func() any { return new(changeWriter) }}

// maxKeptWriter is the size of the largest change, in bytes, whose writer is
// kept for others.
const maxKeptWriter = 64 << 10

// Compressed returns the change as a type 2 chunk, deflated. The deflate
// stream's exact bytes are not part of the format and may differ between builds.
func (c *Change) Compressed() []byte {
	chunk, _, _ := NextChunk(c.raw)
	data := appendDeflated(nil, chunk.Data)
	out := make([]byte, 0, maxChunkHeader+len(data))
	out = appendChunkHeader(out, chunk.Checksum, ChunkCompressed, len(data))
	return append(out, data...)
}

// otherActors returns the actors besides the author that the ops refer to, ascending.
func otherActors(author ActorID, ops []Op) []ActorID {
	var others []ActorID
	add := func(id OpID) {
		if !id.IsZero() && id.Actor != author && (len(others) == 0 || others[len(others)-1] != id.Actor) {
			others = append(others, id.Actor)
		}
	}
	for i := range ops {
		add(ops[i].Obj)
		add(ops[i].Key.Elem)
		for _, pred := range ops[i].Preds {
			add(pred)
		}
	}
	slices.SortFunc(others, func(a, b ActorID) int { return strings.Compare(string(a), string(b)) })
	return slices.Compact(others)
}

// appendFields appends what stands before the columns.
func appendFields(b []byte, meta ChangeMeta, others []ActorID) []byte {
	b = appendUleb(b, uint64(len(meta.Deps)))
	for i := range meta.Deps {
		b = append(b, meta.Deps[i][:]...)
	}
	b = appendText(b, string(meta.Actor))
	b = appendUleb(b, uint64(meta.Seq))
	b = appendUleb(b, uint64(meta.StartOp))
	b = appendSleb(b, meta.Time)
	b = appendText(b, meta.Message)
	b = appendUleb(b, uint64(len(others)))
	for _, a := range others {
		b = appendText(b, string(a))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = appendUleb(b, uint64(len(s)))
	return append(b, s...)
}
