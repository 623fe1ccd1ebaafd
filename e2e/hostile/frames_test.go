package hostile

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/wire"
)

// framesPerConnection is how many mutated frames a connection carries, if it lives so long.
const framesPerConnection = 8

// mutatedFrames sends frames until the node has read as many as wanted.
func (h *harness) mutatedFrames(want int) {
	h.Helper()
	base := h.attackersFrames()
	var next atomic.Uint64
	docs := make([]id.DocumentID, 64)
	for i := range docs {
		docs[i] = randomDocument(h.rng(1 << 20))
	}
	docs[0] = h.editors.document
	for got := 0; got < want; got = h.attackersFrames() - base {
		rounds := max(64, (want-got)/3)
		var owned sync.WaitGroup
		for range 4 {
			owned.Go(func() {
				for range rounds / 4 {
					h.mutatedConnection(next.Add(1), docs)
				}
			})
		}
		owned.Wait()
		if h.Failed() {
			return
		}
	}
	h.Logf("the node has read %d mutated frames on %d connections", h.attackersFrames()-base, next.Load())
}

// attackersFrames returns how many frames the node has read so far, without joins and those of the well-behaved peers.
func (h *harness) attackersFrames() int {
	h.Helper()
	n := h.metric("concord_frames_received_total") - h.metric("concord_joins_total")
	for _, p := range h.editors.peers {
		n -= float64(p.Stats().FramesOut)
	}
	return int(n)
}

// mutatedConnection sends one connection's worth.
func (h *harness) mutatedConnection(n uint64, docs []id.DocumentID) {
	r := h.rng(n)
	peerID := fmt.Sprint("mutant-", n)
	var sent []byte
	if r.IntN(8) > 0 {
		sent = binaryFrame(h.join(peerID))
	}
	for range framesPerConnection {
		sent = append(sent, binaryFrame(mutatedFrame(r, peerID, docs[r.IntN(len(docs))]))...)
	}
	c, err := dialRaw(h.node.Address, h.token(int(n)))
	if err != nil {
		h.Errorf("mutated frames, connection %d: %v", n, err)
		return
	}
	defer c.Close()
	e, err := c.provoke(sent)
	if err != nil {
		h.Errorf("mutated frames, connection %d: ended without a close frame: %v", n, err)
		return
	}
	// A mutated join may name another version or steal a name; what is read before a join may be too large for it.
	h.expect("mutated frames", e, 0, int(wire.CloseMalformed), int(wire.CloseForbidden), int(wire.CloseTooLarge))
}

// mutatedFrame returns a frame that is broken as CBOR, inside its sync message, or inside a change whose checksum is
// right.
func mutatedFrame(r *rand.Rand, peerID string, doc id.DocumentID) []byte {
	a := newAuthor(r)
	first, second := a.next(r), a.next(r)
	switch r.IntN(4) {
	case 0:
		data := mutate(r, second.Bytes()[crdtHeader(second.Bytes()):])
		return syncFrame(peerID, doc, syncMessage([]crdt.Hash{second.Hash}, first.Bytes(), chunk(data)))
	case 1:
		data := mutate(r, syncMessage(a.deps, first.Bytes(), second.Bytes()))
		return syncFrame(peerID, doc, append(data, 0)) // never empty, which the encoder takes for a mistake
	}
	return mutate(r, validFrames(r, peerID, doc)[r.IntN(numValidFrames)])
}

// crdtHeader returns the length of a chunk's header.
func crdtHeader(b []byte) int {
	c, _, err := crdt.NextChunk(b)
	if err != nil {
		panic(err)
	}
	return len(b) - len(c.Data)
}

const numValidFrames = 9

// validFrames returns one of each message that a client may send.
func validFrames(r *rand.Rand, peerID string, doc id.DocumentID) [][]byte {
	a := newAuthor(r)
	data := syncMessage(nil, a.next(r).Bytes())
	return [][]byte{
		wire.Join{SenderID: peerID, Versions: []string{"1"}, Metadata: wire.PeerMetadata{StorageID: "0c7e2b9a-5a53-4f0e-9f5c-2f7f2d6f3a11"}}.Append(nil),
		syncFrame(peerID, doc, data),
		wire.Request{SenderID: peerID, TargetID: "server", Document: doc, Data: syncMessage(nil)}.Append(nil),
		wire.Ephemeral{SenderID: peerID, TargetID: "server", Document: doc, SessionID: "session", Count: 1 + r.Uint64N(1<<20), Data: []byte{0xa1, 0x61, 'x', 0x01}}.Append(nil),
		wire.Leave{SenderID: peerID}.Append(nil),
		wire.DocUnavailable{SenderID: peerID, TargetID: "server", Document: doc}.Append(nil),
		wire.RemoteSubscriptionChange{SenderID: peerID, TargetID: "server", Add: []string{"storage-a", "storage-b"}, Remove: []string{"storage-c"}}.Append(nil),
		wire.RemoteHeadsChanged{SenderID: peerID, TargetID: "server", Document: doc,
			NewHeads: []wire.StorageHeads{{StorageID: "storage-a", Heads: [][32]byte{randomHash(r)}, Timestamp: 1 << 40}}}.Append(nil),
		wire.Token{SenderID: peerID, Token: "not.a.token"}.Append(nil),
	}
}
