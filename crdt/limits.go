package crdt

// Limits bounds what parsing one chunk may cost. The zero value of each field
// means its default, so Limits{} is ready to use. The limits are checked before
// anything is built from the input.
type Limits struct {
	ChunkBytes int // bytes of chunk data, after inflating; default 64 MiB, at most 1 GiB
	Ops        int // ops in one change; default 200,000. Preds in one change may be twice as many
	Deps       int // dependencies of one change; default 1,024
	Rows       int // op rows of one document, and its changes; default 5,000,000. Successors may be twice as many
}

// Defaults of Limits.
const (
	DefaultChunkBytes = 64 << 20
	DefaultOps        = 200_000
	DefaultDeps       = 1_024
	DefaultRows       = 5_000_000
)

// maxChunkBytes keeps offsets into a chunk within 32 bits.
const maxChunkBytes = 1 << 30

// maxRows keeps positions of rows and successors within 31 bits.
const maxRows = 1 << 29

// predsPerOp times Limits.Ops is the most preds that one change may hold, and
// times Limits.Rows the most that a document may. A change that deletes a long
// text has one pred per op; conflicts add some.
const predsPerOp = 2

func (l Limits) withDefaults() Limits {
	if l.ChunkBytes <= 0 {
		l.ChunkBytes = DefaultChunkBytes
	}
	l.ChunkBytes = min(l.ChunkBytes, maxChunkBytes)
	if l.Ops <= 0 {
		l.Ops = DefaultOps
	}
	if l.Deps <= 0 {
		l.Deps = DefaultDeps
	}
	if l.Rows <= 0 {
		l.Rows = DefaultRows
	}
	l.Rows = min(l.Rows, maxRows)
	return l
}
