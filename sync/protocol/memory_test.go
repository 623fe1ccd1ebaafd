package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"concord/crdt"
)

// memory is a document in memory: the real graph, chunks by index, orphans. It
// reads no more of a change chunk than hash and dependencies.
type memory struct {
	graph   *crdt.Graph
	chunks  [][]byte
	orphans map[crdt.Hash][]byte
	whole   func() (Whole, error)       // WholeDocument
	load    func(chunk []byte) [][]byte // the changes of a document chunk
	refuse  func(h crdt.Hash) bool      // a gate
	few     bool                        // two changes can be read at a time
}

func newMemory() *memory {
	return &memory{graph: crdt.NewGraph(), orphans: map[crdt.Hash][]byte{}}
}

func (d *memory) document() Document {
	var prepared []int
	prepare := func(changes []int) error {
		prepared = changes[:min(2, len(changes))]
		return nil
	}
	if !d.few {
		prepare = nil
	}
	return Document{
		Graph: d.graph,
		Change: func(i int) ([]byte, error) {
			if d.few && !slices.Contains(prepared, i) {
				return nil, ErrLater
			}
			return d.chunks[i], nil
		},
		Prepare: prepare,
		OrphanDeps: func(h crdt.Hash) []crdt.Hash {
			if chunk, ok := d.orphans[h]; ok {
				_, deps := readChange(chunk)
				return deps
			}
			return nil
		},
		Refused:       d.refuse,
		WholeDocument: d.whole,
	}
}

// add applies change chunks, keeps orphans, and releases them.
func (d *memory) add(t testing.TB, chunks ...[]byte) {
	t.Helper()
	for _, chunk := range chunks {
		h, _ := readChange(chunk)
		if !d.graph.HasStaged(h) && (d.refuse == nil || !d.refuse(h)) {
			d.orphans[h] = slices.Clone(chunk)
		}
	}
	for again := true; again; {
		again = false
		hashes := make([]crdt.Hash, 0, len(d.orphans))
		for h := range d.orphans {
			hashes = append(hashes, h)
		}
		crdt.SortHashes(hashes)
		for _, h := range hashes {
			_, deps := readChange(d.orphans[h])
			if slices.ContainsFunc(deps, func(dep crdt.Hash) bool { return !d.graph.HasStaged(dep) }) {
				continue
			}
			if err := d.graph.Restore(crdt.Header{Hash: h, Deps: deps, StartOp: 1}); err != nil {
				t.Fatal(err)
			}
			d.chunks = append(d.chunks, d.orphans[h])
			delete(d.orphans, h)
			again = true
		}
	}
}

// payload splits the parts of a message into chunks and adds the changes.
func (d *memory) payload(t testing.TB, parts [][]byte) {
	t.Helper()
	var changes [][]byte
	for _, c := range splitChunks(t, slices.Concat(parts...)) {
		if c[8] == 0 {
			changes = append(changes, d.load(c)...)
		} else {
			changes = append(changes, c)
		}
	}
	d.add(t, changes...)
}

// receive does what the hub does with a message.
func (d *memory) receive(t testing.TB, s *State, b []byte) *Message {
	t.Helper()
	m, err := Decode(b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	before := d.graph.Heads()
	if !s.options.ReadOnlyPeer {
		d.payload(t, m.Changes)
	}
	s.Receive(d.document(), m, before)
	return m
}

func splitChunks(t testing.TB, b []byte) (chunks [][]byte) {
	t.Helper()
	for len(b) > 0 {
		r := reader{b: b, at: 9}
		n, err := r.uleb("chunk")
		if err != nil || uint64(r.rest()) < n {
			t.Fatalf("bad chunk of %d bytes", len(b))
		}
		end := r.at + int(n)
		chunks = append(chunks, b[:end:end])
		b = b[end:]
	}
	return chunks
}

// readChange reads hash and dependencies of a type 1 chunk.
func readChange(chunk []byte) (crdt.Hash, []crdt.Hash) {
	r := reader{b: chunk, at: 9}
	if _, err := r.uleb("chunk"); err != nil {
		panic(err)
	}
	deps, err := r.hashes("deps", 1<<20)
	if err != nil {
		panic(err)
	}
	return sha256.Sum256(chunk[8:]), deps
}

// fakeChange writes a type 1 chunk that has dependencies, and n bytes of
// content that differ for each label.
func fakeChange(deps []crdt.Hash, label uint64, n int) []byte {
	data := appendHashes(nil, deps)
	data = binary.BigEndian.AppendUint64(data, label)
	data = append(data, bytes.Repeat([]byte{0xaa}, n)...)
	body := appendBytes([]byte{1}, data)
	sum := sha256.Sum256(body)
	return slices.Concat([]byte{0x85, 0x6f, 0x4a, 0x83}, sum[:4], body)
}

// edit makes a change on top of everything.
func (d *memory) edit(t testing.TB, label uint64) crdt.Hash {
	t.Helper()
	chunk := fakeChange(d.graph.Heads(), label, 60)
	d.add(t, chunk)
	h, _ := readChange(chunk)
	return h
}

// history returns a document of n changes, one after the other.
func history(t testing.TB, n int) *memory {
	t.Helper()
	d := newMemory()
	for i := range n {
		d.edit(t, uint64(i))
	}
	return d
}

func (d *memory) clone(t testing.TB) *memory {
	t.Helper()
	c := newMemory()
	c.add(t, d.chunks...)
	return c
}

func mustGenerate(t testing.TB, s *State, d *memory, c *Cache) *Encoded {
	t.Helper()
	out, ok, err := s.Generate(d.document(), c)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return nil
	}
	return out
}

func short(hs []crdt.Hash) (out []string) {
	for _, h := range hs {
		out = append(out, fmt.Sprintf("%x", h[:4]))
	}
	return out
}
