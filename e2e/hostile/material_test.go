package hostile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/klauspost/compress/flate"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// chunk wraps data as a change chunk with a valid checksum.
func chunk(data []byte) []byte {
	sum := checksum(data)
	return container(1, sum, data)
}

func checksum(data []byte) [4]byte {
	hash := sha256.Sum256(append(binary.AppendUvarint([]byte{1}, uint64(len(data))), data...))
	return [4]byte(hash[:4])
}

func container(kind byte, sum [4]byte, data []byte) []byte {
	b := append([]byte{0x85, 0x6f, 0x4a, 0x83}, sum[:]...)
	b = binary.AppendUvarint(append(b, kind), uint64(len(data)))
	return append(b, data...)
}

// deflate returns data as a raw deflate stream.
func deflate(parts ...[]byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// column is one column of a change, as it is on the wire.
type column struct {
	spec uint64
	data []byte
}

// rawChange is a change whose parts need not make sense.
type rawChange struct {
	deps    []crdt.Hash
	actor   []byte
	seq     uint64
	startOp uint64
	others  [][]byte
	columns []column
}

// data returns the chunk's content.
func (c rawChange) data() []byte {
	b := binary.AppendUvarint(nil, uint64(len(c.deps)))
	for _, d := range c.deps {
		b = append(b, d[:]...)
	}
	b = append(binary.AppendUvarint(b, uint64(len(c.actor))), c.actor...)
	b = binary.AppendUvarint(b, c.seq)
	b = binary.AppendUvarint(b, c.startOp)
	b = append(b, 0, 0) // time 0, no message
	b = binary.AppendUvarint(b, uint64(len(c.others)))
	for _, o := range c.others {
		b = append(binary.AppendUvarint(b, uint64(len(o))), o...)
	}
	b = binary.AppendUvarint(b, uint64(len(c.columns)))
	for _, col := range c.columns {
		b = binary.AppendUvarint(b, col.spec)
		b = binary.AppendUvarint(b, uint64(len(col.data)))
	}
	for _, col := range c.columns {
		b = append(b, col.data...)
	}
	return b
}

func (c rawChange) chunk() []byte { return chunk(c.data()) }

// setColumns are those of one op that sets key "a" of the root to 1.
func setColumns() []column {
	return []column{
		{0x15, []byte{0x7f, 1, 'a'}}, {0x34, []byte{1}}, {0x42, []byte{0x7f, 1}},
		{0x56, []byte{0x7f, 0x14}}, {0x57, []byte{1}}, {0x70, []byte{0x7f, 0}},
	}
}

// with returns the columns with one replaced or added.
func with(columns []column, spec uint64, data []byte) []column {
	out := slices.DeleteFunc(slices.Clone(columns), func(c column) bool { return c.spec == spec })
	out = append(out, column{spec, data})
	slices.SortFunc(out, func(a, b column) int { return int(a.spec) - int(b.spec) })
	return out
}

func sleb(n int64) []byte {
	var b []byte
	for {
		c := byte(n & 0x7f)
		n >>= 7
		if n == 0 && c&0x40 == 0 || n == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// author makes valid changes.
type author struct {
	actor crdt.ActorID
	seq   uint32
	start uint32
	deps  []crdt.Hash
}

func newAuthor(r *rand.Rand) *author {
	return &author{actor: crdt.ActorID(randomBytes(r, 16)), start: 1}
}

// next returns the author's next change, of one to three ops.
func (a *author) next(r *rand.Rand) *crdt.Change {
	a.seq++
	ops := make([]crdt.Op, 1+r.IntN(3))
	for i := range ops {
		ops[i] = crdt.Op{Action: crdt.ActionSet, Key: crdt.MapKey(string(rune('a' + r.IntN(26)))), Value: crdt.IntValue(r.Int64())}
	}
	c, err := crdt.EncodeChange(crdt.ChangeMeta{Deps: a.deps, Actor: a.actor, Seq: a.seq, StartOp: a.start, Time: 1}, ops)
	if err != nil {
		panic(err)
	}
	a.start, a.deps = c.MaxOp()+1, []crdt.Hash{c.Hash}
	return c
}

// syncMessage returns a message that brings changes.
func syncMessage(heads []crdt.Hash, changes ...[]byte) []byte {
	m := protocol.Message{Version: protocol.V1, Heads: heads, Have: []protocol.Have{{}}, Changes: changes}
	return m.Append(nil)
}

func syncFrame(sender string, doc id.DocumentID, data []byte) []byte {
	return wire.Sync{SenderID: sender, TargetID: "server", Document: doc, Data: data}.Append(nil)
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func randomHash(r *rand.Rand) crdt.Hash { return crdt.Hash(randomBytes(r, 32)) }

func randomDocument(r *rand.Rand) id.DocumentID { return id.DocumentID(randomBytes(r, 16)) }

// interesting are bytes at which decoders have gone wrong: CBOR heads of huge or endless items, LEB128 of extremes.
var interesting = [][]byte{
	{0x00}, {0x7f}, {0x80}, {0xff}, {0xf6}, {0xf7}, {0x9f}, {0xbf}, {0x5f}, {0x7f}, {0xd8, 0x40}, {0xc1},
	{0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	{0x9b, 0, 0, 0, 1, 0, 0, 0, 0}, {0xbb, 0, 0, 0, 1, 0, 0, 0, 0}, {0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0},
	{0xff, 0xff, 0xff, 0xff, 0x0f}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
	{0x80, 0x80, 0x80, 0x80, 0x80, 0x20}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
}

// mutate changes b in one to four places.
func mutate(r *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + r.IntN(4) {
		if len(b) == 0 {
			return append(b, byte(r.Uint32()))
		}
		at := r.IntN(len(b))
		end := min(len(b), at+1+r.IntN(8))
		switch r.IntN(8) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b = slices.Insert(b, at, randomBytes(r, 1+r.IntN(4))...)
		case 3:
			b = slices.Delete(b, at, end)
		case 4:
			b = slices.Insert(b, at, slices.Clone(b[at:end])...)
		case 5:
			b = b[:at]
		case 6:
			b = slices.Insert(b, at, interesting[r.IntN(len(interesting))]...)
		case 7:
			b = slices.Replace(b, at, end, interesting[r.IntN(len(interesting))]...)
		}
	}
	return b
}

// sharedDocument returns the warm-up's n-th document.
func (h *harness) sharedDocument(n int) id.DocumentID {
	return randomDocument(h.rng(1<<32 + uint64(n)))
}
