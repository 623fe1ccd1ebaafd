package hostile

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"concord/crdt"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// offenceSync is a sync message that can't be decoded or breaks a limit.
type offenceSync struct {
	name string
	data []byte
}

func (h *harness) syncOffences() []offenceSync {
	r := h.rng(3)
	uleb := func(n uint64) []byte { return binary.AppendUvarint(nil, n) }
	message := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	v1, none, huge := []byte{0x42}, []byte{0}, uleb(1<<40)
	bloom := func(parts ...[]byte) []byte {
		b := slices.Concat(parts...)
		return message(v1, none, none, []byte{1, 0}, uleb(uint64(len(b))), b, none)
	}
	hashes := func(n int) []byte { return slices.Concat(uleb(uint64(n)), randomBytes(r, 32*n)) }
	out := []offenceSync{
		{"sync message: 2^40 heads", message(v1, huge)},
		{"sync message: 2^40 needs", message(v1, none, huge)},
		{"sync message: 2^40 haves", message(v1, none, none, huge)},
		{"sync message: 2^40 changes", message(v1, none, none, none, huge)},
		{"sync message: 5,000 heads", message(v1, hashes(5000), none, none, none)},
		{"sync message: 20,000 needs", message(v1, none, hashes(20_000), none, none)},
		{"sync message: 10,000 haves", message(v1, none, none, uleb(10_000), make([]byte, 20_000), none)},
		{"sync message: a change of 2^40 bytes", message(v1, none, none, none, []byte{1}, huge)},
		{"sync message: flags of 2^40 bytes", message(v1, none, none, none, none, huge)},
		{"sync message: overlong LEB128", message(v1, []byte{0x80, 0x00}, none, none, none)},
		{"Bloom filter: 2^32-1 entries, no bits", bloom(uleb(1<<32-1), []byte{10, 7})},
		{"Bloom filter: 0 bits per entry", bloom([]byte{1, 0, 7})},
		{"Bloom filter: 0 probes", bloom([]byte{1, 10, 0, 0, 0})},
		{"Bloom filter: 2^32-1 probes", bloom([]byte{1, 10}, uleb(1<<32-1), []byte{0, 0})},
		{"Bloom filter: 2^32-1 bits per entry", bloom([]byte{1}, uleb(1<<32-1), []byte{7, 0})},
		{"Bloom filter: 2^64-1 entries", bloom(uleb(1<<64-1), []byte{1, 1})},
		{"Bloom filter: too few bits", bloom([]byte{100, 10, 7, 0})},
	}
	for _, version := range []byte{0x00, 0x41, 0x44, 0xff} {
		out = append(out, offenceSync{"sync message: unknown version", message([]byte{version}, none, none, none, none)})
	}
	whole := (&protocol.Message{Version: protocol.V1, Heads: []crdt.Hash{randomHash(r)}, Need: []crdt.Hash{randomHash(r)},
		Have:    []protocol.Have{{LastSync: []crdt.Hash{randomHash(r)}, Bloom: protocol.BuildBloom(3, func(int) crdt.Hash { return randomHash(r) })}},
		Changes: [][]byte{newAuthor(r).next(r).Bytes()}, Flags: protocol.Flags{0x02, 0x84}}).Append(nil)
	flags := 3
	for end := 1; end < len(whole)-flags; end += 7 {
		out = append(out, offenceSync{"sync message: cut short", whole[:end]})
	}
	return out
}

// brokenSync sends every sync message that can't be decoded; each closes its peer.
func (h *harness) brokenSync() {
	h.Helper()
	r := h.rng(4)
	for n, o := range h.syncOffences() {
		peerID := fmt.Sprint("broken-", n)
		c, err := dialRaw(h.node.Address, h.token(n))
		if err != nil {
			h.Errorf("%s: %v", o.name, err)
			continue
		}
		e, err := c.provoke(slices.Concat(binaryFrame(h.join(peerID)), binaryFrame(syncFrame(peerID, randomDocument(r), o.data))))
		if err != nil {
			h.Errorf("%s: the connection ended without a close frame: %v", o.name, err)
		} else {
			h.expect(o.name, e, int(wire.CloseMalformed))
		}
		c.Close()
	}
}

// offenceChange is a list of changes of which the last is to be refused, with a checksum that is right.
type offenceChange struct {
	name    string
	reasons []crdt.Reason // any of them
	chunks  [][]byte
}

// graphOffences are changes that are well-formed and don't fit to the others.
func (h *harness) graphOffences() []offenceChange {
	r := h.rng(5)
	set := func(meta crdt.ChangeMeta, value int64, preds ...crdt.OpID) *crdt.Change {
		c, err := crdt.EncodeChange(meta, []crdt.Op{{Action: crdt.ActionSet, Key: crdt.MapKey("a"), Value: crdt.IntValue(value), Preds: preds}})
		if err != nil {
			panic(err)
		}
		return c
	}
	actor, other := crdt.ActorID(randomBytes(r, 16)), crdt.ActorID(randomBytes(r, 16))
	first := set(crdt.ChangeMeta{Actor: actor, Seq: 1, StartOp: 1}, 1)
	second := set(crdt.ChangeMeta{Actor: actor, Seq: 2, StartOp: 2, Deps: []crdt.Hash{first.Hash}}, 2)
	foreign := set(crdt.ChangeMeta{Actor: other, Seq: 1, StartOp: 2, Deps: []crdt.Hash{first.Hash}}, 3)
	after := func(seq, start uint32, deps ...crdt.Hash) []byte {
		return set(crdt.ChangeMeta{Actor: actor, Seq: seq, StartOp: start, Deps: deps}, 9).Bytes()
	}
	base := [][]byte{first.Bytes(), second.Bytes(), foreign.Bytes()}
	one := func(reason crdt.Reason, name string, chunk []byte) offenceChange {
		return offenceChange{name, []crdt.Reason{reason}, append(slices.Clone(base), chunk)}
	}
	stranger := crdt.OpID{Counter: 1, Actor: crdt.ActorID(randomBytes(r, 16))}
	return []offenceChange{
		one(crdt.ReasonSeqGap, "change: seq gap", after(5, 3, second.Hash)),
		one(crdt.ReasonDuplicateSeq, "change: duplicate seq", after(2, 3, first.Hash)),
		one(crdt.ReasonDuplicateSeq, "change: first seq again", after(1, 1)),
		one(crdt.ReasonNotLinear, "change: previous change is no ancestor", after(3, 3, foreign.Hash)),
		one(crdt.ReasonStartOp, "change: op counters used before", after(3, 2, second.Hash)),
		one(crdt.ReasonUnknownActor, "change: refers to an unknown actor",
			set(crdt.ChangeMeta{Actor: actor, Seq: 3, StartOp: 3, Deps: []crdt.Hash{second.Hash}}, 9, stranger).Bytes()),
	}
}

// bombs are changes that claim, or inflate to, far more than their bytes.
func (h *harness) bombs() []offenceChange {
	r := h.rng(6)
	raw := func(columns []column) []byte {
		return rawChange{actor: randomBytes(r, 16), seq: 1, startOp: 1, columns: columns}.chunk()
	}
	const many = 1 << 40
	run := func(value ...byte) []byte { return append(sleb(many), value...) }
	nulls := append([]byte{0}, binary.AppendUvarint(nil, many)...)
	wide := []column{
		{0x15, run(1, 'a')}, {0x34, binary.AppendUvarint(nil, many)}, {0x42, run(1)}, {0x56, run(0)}, {0x70, run(0)},
	}
	deep := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	list := func(name string, data []byte) offenceChange { return offenceChange{name: name, chunks: [][]byte{data}} }
	actor := randomBytes(r, 16)
	head := append([]byte{0, 16}, actor...) // no deps, the actor
	out := []offenceChange{
		list("bomb: 2^40 ops", raw(wide)),
		list("bomb: 2^40 keys", raw(with(setColumns(), 0x15, run(1, 'a')))),
		list("bomb: 2^40 null keys", raw(with(setColumns(), 0x15, nulls))),
		list("bomb: 2^40 insert flags", raw(with(setColumns(), 0x34, binary.AppendUvarint(nil, many)))),
		list("bomb: 2^40 actions", raw(with(setColumns(), 0x42, run(1)))),
		list("bomb: 2^40 null actions", raw(with(setColumns(), 0x42, nulls))),
		list("bomb: 2^40 values", raw(with(setColumns(), 0x56, run(0x14)))),
		list("bomb: a value of 2^40 bytes", raw(with(setColumns(), 0x56, append([]byte{0x7f}, binary.AppendUvarint(nil, many<<4|7)...)))),
		list("bomb: 2^40 preds of one op", raw(with(with(with(setColumns(), 0x70, append([]byte{0x7f}, binary.AppendUvarint(nil, many)...)), 0x71, run(0)), 0x73, run(1)))),
		list("bomb: 2^40 pred counts", raw(with(setColumns(), 0x70, run(1)))),
		list("bomb: 2^40 deps", chunk(deep(many))),
		list("bomb: 100,000 deps", chunk(slices.Concat(deep(100_000), make([]byte, 3_200_000)))),
		list("bomb: 2^40 other actors", chunk(slices.Concat(head, []byte{1, 1, 0, 0}, deep(many)))),
		list("bomb: 2^40 columns", chunk(slices.Concat(head, []byte{1, 1, 0, 0, 0}, deep(many)))),
		list("bomb: an actor of 2^40 bytes", chunk(slices.Concat([]byte{0}, deep(many)))),
		list("bomb: op counter 2^64-1", rawChange{actor: actor, seq: 1, startOp: 1<<64 - 1, columns: setColumns()}.chunk()),
		list("bomb: seq 2^64-1", rawChange{actor: actor, seq: 1<<64 - 1, startOp: 1, columns: setColumns()}.chunk()),
		list("bomb: a chunk of 2^40 bytes", slices.Concat([]byte{0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1}, deep(many))),
	}
	return slices.Concat(out, deflateBombs(actor), documentBombs(actor))
}

// documentBombs are documents with a right checksum.
func documentBombs(actor []byte) []offenceChange {
	document := func(changes, rows []column) []byte {
		data := slices.Concat([]byte{1, 16}, actor, []byte{1}, make([]byte, 32), metadata(changes), metadata(rows))
		for _, c := range slices.Concat(changes, rows) {
			data = append(data, c.data...)
		}
		hash := sha256.Sum256(append(binary.AppendUvarint([]byte{0}, uint64(len(data))), data...))
		return container(0, [4]byte(hash[:4]), data)
	}
	run := func(n int64, value ...byte) []byte { return append(sleb(n), value...) }
	// empty returns n changes without ops, each of which depends on the one before.
	empty := func(n int64) []column {
		return []column{
			{0x01, run(n, 0)}, {0x03, run(n, 1)}, {0x13, run(n, 0)}, {0x23, run(n, 0)},
			{0x40, append([]byte{0x7f, 0}, run(n-1, 1)...)}, {0x43, append([]byte{0x7f, 0}, run(n-2, 1)...)}, {0x56, run(n, 7)},
		}
	}
	rows := func(n int64) []column {
		return []column{
			{0x15, run(n, 1, 'a')}, {0x21, run(n, 0)}, {0x23, run(n, 1)}, {0x34, binary.AppendUvarint(nil, uint64(n))},
			{0x42, run(n, 1)}, {0x56, run(n, 0)}, {0x80, run(n, 0)},
		}
	}
	gigabyte := make([][]byte, 1024)
	for i := range gigabyte {
		gigabyte[i] = make([]byte, 1<<20)
	}
	return []offenceChange{
		{name: "document bomb: 2^40 changes", chunks: [][]byte{document(empty(1<<40), nil)}},
		{name: "document bomb: 5,000,000 changes", chunks: [][]byte{document(empty(5_000_000), nil)}},
		{name: "document bomb: 400,000 changes", chunks: [][]byte{document(empty(400_000), nil)}},
		{name: "document bomb: 2^40 rows", chunks: [][]byte{document(empty(3), rows(1<<40))}},
		{name: "document bomb: 5,000,000 rows of one change", chunks: [][]byte{document(empty(3), rows(5_000_000))}},
		{name: "document bomb: a column of 1 GiB", chunks: [][]byte{document(empty(3), []column{{0x21 | 8, deflate(gigabyte...)}})}},
	}
}

// metadata lists columns.
func metadata(columns []column) []byte {
	b := binary.AppendUvarint(nil, uint64(len(columns)))
	for _, c := range columns {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(c.spec)), uint64(len(c.data)))
	}
	return b
}

// deflateBombs are compressed changes. Those below the limit have a right checksum: they must be inflated to be judged.
func deflateBombs(actor []byte) []offenceChange {
	gigabyte := make([][]byte, 1024)
	for i := range gigabyte {
		gigabyte[i] = make([]byte, 1<<20)
	}
	stream := deflate(gigabyte...)
	zeros := make([]byte, 60<<20)
	small := deflate(zeros)
	value := rawChange{actor: actor, seq: 1, startOp: 1, columns: with(with(setColumns(), 0x57, zeros), 0x56, append([]byte{0x7f}, binary.AppendUvarint(nil, uint64(len(zeros))<<4|7)...))}.data()
	value[len(value)-1] = 1
	return []offenceChange{
		{name: "deflate bomb: 1 GiB", chunks: [][]byte{container(2, [4]byte{1, 2, 3, 4}, stream)}},
		{name: "deflate bomb: 60 MiB of zeros", chunks: [][]byte{container(2, checksum(zeros), small)}},
		{name: "deflate bomb: 60 MiB, wrong checksum", chunks: [][]byte{container(2, [4]byte{1, 2, 3, 4}, deflate(value))}},
		{name: "deflate bomb: ten of 60 MiB", chunks: slices.Repeat([][]byte{container(2, checksum(zeros), small)}, 10)},
		{name: "deflate bomb: cut short", chunks: [][]byte{container(2, [4]byte{}, stream[:len(stream)/2])}},
		{name: "deflate bomb: not deflate", chunks: [][]byte{container(2, [4]byte{}, []byte{0x78, 0x9c, 0xff, 0xff})}},
		{name: "document chunk of 2^40 rows", chunks: [][]byte{container(0, [4]byte{}, []byte{0, 0, 1, 0x42, 7, 0, 0, 0})}},
	}
}

// refusedChanges sends changes that the gate refuses: the sender keeps its connection and is told why.
func (h *harness) refusedChanges(offences []offenceChange) {
	h.Helper()
	r := h.rng(7)
	for n, o := range offences {
		peerID := fmt.Sprint("refused-", n)
		c, err := dialRaw(h.node.Address, h.token(n))
		if err != nil {
			h.Errorf("%s: %v", o.name, err)
			continue
		}
		frame := syncFrame(peerID, randomDocument(r), syncMessage(nil, o.chunks...))
		e, err := c.provoke(slices.Concat(binaryFrame(h.join(peerID)), binaryFrame(frame)))
		for err == nil && len(refusals(e)) == 0 && e.code == 0 {
			// The pong may overtake what the server has to tell.
			var f serverFrame
			if f, err = c.next(); err == nil {
				e.frames = append(e.frames, f.payload)
			}
		}
		c.Close()
		if err != nil {
			h.Errorf("%s: nothing was told, or the connection ended: %v", o.name, err)
			continue
		}
		h.judgeRefusal(o, e)
	}
}

func (h *harness) judgeRefusal(o offenceChange, e ending) {
	h.Helper()
	told := refusals(e)
	noted := ending{code: e.code, reason: e.reason}
	if len(told) > 0 {
		noted.reason = "told: " + told[0]
	}
	h.note(o.name, noted)
	switch {
	case e.code != 0:
		h.Errorf("%s: closed with %d %q; only the change is to be refused", o.name, e.code, e.reason)
	case len(told) == 0:
		h.Errorf("%s: the sender wasn't told of a refusal", o.name)
	case len(o.reasons) > 0 && !slices.ContainsFunc(o.reasons, func(want crdt.Reason) bool { return strings.Contains(told[0], string(want)) }):
		h.Errorf("%s: refused with %q, want %v", o.name, told[0], o.reasons)
	}
}

// refusals returns the messages of the server's error frames.
func refusals(e ending) []string {
	var out []string
	for _, frame := range e.frames {
		if m, err := wire.Decode(frame, wire.Limits{}); err == nil {
			if m, ok := m.(wire.Error); ok {
				out = append(out, m.Message)
			}
		}
	}
	return out
}
