package hostile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"concord/crdt"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// websocketProtocolError is what a WebSocket library itself answers (RFC 6455 §7.4.1).
const websocketProtocolError = 1002

// brokenWebSocket breaks RFC 6455 in every way that a byte stream allows.
func (h *harness) brokenWebSocket() {
	h.Helper()
	const fin = 0x80
	fine := []int{websocketProtocolError, int(wire.CloseMalformed)}
	join := h.join("broken-websocket")
	unmasked := append([]byte{fin | opBinary, byte(len(join))}, join...)
	closeFrame := func(code uint16, reason string) []byte {
		return appendFrame(nil, fin|opClose, append(binary.BigEndian.AppendUint16(nil, code), reason...))
	}
	offences := []struct {
		name  string
		bytes []byte
		codes []int
	}{
		{"WebSocket: unmasked frame", unmasked, fine},
		{"WebSocket: reserved bit 1", appendFrame(nil, fin|0x40|opBinary, join), fine},
		{"WebSocket: reserved bit 2", appendFrame(nil, fin|0x20|opBinary, join), fine},
		{"WebSocket: reserved bit 3", appendFrame(nil, fin|0x10|opBinary, join), fine},
		{"WebSocket: opcode 3", appendFrame(nil, fin|0x3, join), fine},
		{"WebSocket: opcode 15", appendFrame(nil, fin|0xf, join), fine},
		{"WebSocket: text frame", appendFrame(nil, fin|opText, []byte("{}")), []int{int(wire.CloseMalformed)}},
		{"WebSocket: fragmented ping", appendFrame(nil, opPing, []byte("x")), fine},
		{"WebSocket: fragmented close", appendFrame(nil, opClose, nil), fine},
		{"WebSocket: ping of 126 bytes", appendFrame(nil, fin|opPing, make([]byte, 126)), fine},
		{"WebSocket: ping of 2^62 bytes", appendHeader(nil, fin|opPing, 1<<62), fine},
		{"WebSocket: continuation of nothing", appendFrame(nil, fin|opContinuation, join), fine},
		{"WebSocket: message inside a message", append(appendFrame(nil, opBinary, join[:5]), appendFrame(nil, fin|opBinary, join)...), fine},
		{"WebSocket: length 2^63", appendHeader(nil, fin|opBinary, 1<<63), fine},
		{"WebSocket: length 2^64-1", appendHeader(nil, fin|opBinary, 1<<64-1), fine},
		{"WebSocket: close of one byte", appendFrame(nil, fin|opClose, []byte{3}), fine},
		{"WebSocket: close code 0", closeFrame(0, ""), fine},
		{"WebSocket: close code 999", closeFrame(999, ""), fine},
		{"WebSocket: close code 1005", closeFrame(1005, ""), fine},
		{"WebSocket: close code 1015", closeFrame(1015, ""), fine},
		{"WebSocket: close code 65535", closeFrame(65535, ""), fine},
		{"WebSocket: close reason of 124 bytes", closeFrame(1000, strings.Repeat("x", 124)), fine},
	}
	for n, o := range offences {
		for _, joined := range []bool{false, true} {
			c, err := dialRaw(h.node.Address, h.token(n))
			if err != nil {
				h.Errorf("%s: %v", o.name, err)
				continue
			}
			sent := o.bytes
			if joined {
				sent = append(binaryFrame(h.join(fmt.Sprint("ws-", n))), sent...)
			}
			_, err = c.Write(sent)
			var e ending
			if err == nil {
				e, err = c.settle()
			}
			if err != nil {
				h.Errorf("%s: ended without a close frame: %v", o.name, err)
			} else {
				h.expect(o.name, e, o.codes...)
			}
			c.Close()
		}
	}
}

// brokenHTTP sends what isn't even an upgrade.
func (h *harness) brokenHTTP() {
	h.Helper()
	for _, request := range []string{
		"GET /v1/sync HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/sync HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		"GET /v1/sync HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 2<<20) + "\r\n\r\n",
		"POST /v1/tickets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + strings.Repeat("z", 100_000) + "\r\nContent-Length: 0\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", h.node.Address)
		if err != nil {
			h.Errorf("connect: %v", err)
			continue
		}
		conn.SetDeadline(time.Now().Add(answerTimeout))
		// The server may have answered and closed before all is written.
		_, _ = io.WriteString(conn, request)
		answer := make([]byte, 12)
		if n, err := io.ReadFull(conn, answer); err == nil && !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
			h.Errorf("%.40q was answered %q", request, answer[:n])
		}
		conn.Close()
	}
}

// oversize sends messages above the limit, whole and in pieces.
func (h *harness) oversize() {
	h.Helper()
	tooLarge := int(wire.CloseTooLarge)
	whole := binaryFrame(make([]byte, 16<<20+1))
	pieces := appendFrame(nil, opBinary, make([]byte, 1<<20))
	for range 16 {
		pieces = append(pieces, appendFrame(nil, opContinuation, make([]byte, 1<<20))...)
	}
	declared := append(appendHeader(nil, 0x80|opBinary, 1<<62), make([]byte, 17<<20)...)
	var owned sync.WaitGroup
	for n := range 4 {
		owned.Go(func() { h.provoke("oversize: 16 MiB + 1 B", n, true, whole, tooLarge) })
		owned.Go(func() { h.provoke("oversize: 17 MiB in pieces", n, true, pieces, tooLarge) })
		owned.Go(func() { h.provoke("oversize: 2^62 B declared", n, true, declared, tooLarge) })
		owned.Go(func() { h.provoke("oversize: 17 MiB before the join", n, false, whole, tooLarge) })
	}
	owned.Wait()
}

// storageIDs joins with storage IDs that would hurt if they became file names or keys.
func (h *harness) storageIDs() {
	h.Helper()
	r := h.rng(8)
	before := h.files()
	for n, storage := range []string{
		"../../etc/passwd", "/etc/passwd", "..", ".", "a/b", "a\\..\\..\\b", "\x00", "a\x00b", strings.Repeat("x", 256), strings.Repeat("x", 257),
		strings.Repeat("../", 100_00), "CON", "\u202e\ufeff", "'; DROP TABLE documents; --", "concord.db", "%2e%2e%2f", "\n\r\t", "${jndi:ldap://x}", "{{7*7}}",
	} {
		c, err := dialRaw(h.node.Address, h.token(n))
		if err != nil {
			h.Errorf("storage ID %.20q: %v", storage, err)
			continue
		}
		peerID, a := fmt.Sprint("storage-", n), newAuthor(r)
		change := a.next(r)
		join := wire.Join{SenderID: peerID, Versions: []string{"1"}, Metadata: wire.PeerMetadata{StorageID: storage}}.Append(nil)
		e, err := c.provoke(slices.Concat(binaryFrame(join), binaryFrame(syncFrame(peerID, randomDocument(r), syncMessage([]crdt.Hash{change.Hash}, change.Bytes())))))
		c.Close()
		if err != nil {
			h.Errorf("storage ID %.20q: %v", storage, err)
			continue
		}
		if len(storage) > 256 {
			h.expect("storage ID that is too long", e, int(wire.CloseMalformed))
		} else {
			h.expect("storage ID that looks like a path", e, 0)
		}
	}
	time.Sleep(2500 * time.Millisecond) // sync states are saved within two seconds
	if after := h.files(); !slices.Equal(before, after) {
		h.Errorf("files in and beside the data folder were %v, are %v", before, after)
	}
}

// files lists the data folder and its surroundings.
func (h *harness) files() []string {
	h.Helper()
	var out []string
	err := filepath.WalkDir(filepath.Dir(h.node.Data), func(path string, _ os.DirEntry, err error) error {
		out = append(out, path)
		return err
	})
	if err != nil {
		h.Error(err)
	}
	return out
}

// phantomHeads announces heads and needs that nobody will ever deliver.
func (h *harness) phantomHeads() {
	h.Helper()
	r := h.rng(9)
	hashes := func(n int) []crdt.Hash {
		out := make([]crdt.Hash, n)
		for i := range out {
			out[i] = randomHash(r)
		}
		crdt.SortHashes(out)
		return out
	}
	for n := range 8 {
		peerID := fmt.Sprint("phantom-", n)
		sent := binaryFrame(h.join(peerID))
		for doc := range 200 {
			m := protocol.Message{Version: protocol.V1, Heads: hashes(1 + 20*(doc%10)), Need: hashes(doc % 50), Have: []protocol.Have{{LastSync: hashes(doc % 20)}}}
			target := randomDocument(r)
			if doc == 0 {
				target = h.editors.document
			}
			sent = append(sent, binaryFrame(syncFrame(peerID, target, m.Append(nil)))...)
		}
		h.provoke("heads announced, never delivered", n, false, sent, 0)
	}
}

// orphans sends changes whose dependencies never come: far more than are kept for one document, and for many documents.
func (h *harness) orphans() {
	h.Helper()
	r := h.rng(10)
	flood := func(name string, n, documents, messages int) *rawConn {
		peerID := fmt.Sprint(name, n)
		sent := binaryFrame(h.join(peerID))
		for range documents {
			doc := randomDocument(r)
			for range messages {
				sent = append(sent, binaryFrame(syncFrame(peerID, doc, orphanMessage(r)))...)
			}
		}
		c, err := dialRaw(h.node.Address, h.token(n))
		if err != nil {
			h.Fatal(err)
		}
		e, err := c.provoke(sent)
		if err != nil {
			h.Errorf("%s: %v", name, err)
		}
		h.expect(name, e, 0, int(wire.CloseTooMany), int(wire.CloseTryLater))
		return c
	}
	// The senders stay, as long as it takes: a document without peers could simply be dropped.
	for n := range 4 {
		defer flood("orphans: 3,000 of 4 KB for a document", n, 1, 150).Close()
	}
	for n := range 16 {
		defer flood("orphans: 40 of 4 KB for each of 50 documents", n, 50, 2).Close()
	}
}

// orphanMessage returns 20 changes of 4 KB that depend on nothing known.
func orphanMessage(r *rand.Rand) []byte {
	var chunks [][]byte
	for range 20 {
		meta := crdt.ChangeMeta{Deps: []crdt.Hash{randomHash(r)}, Actor: crdt.ActorID(randomBytes(r, 16)), Seq: 1, StartOp: 1}
		c, err := crdt.EncodeChange(meta, []crdt.Op{{Action: crdt.ActionSet, Key: crdt.MapKey("k"), Value: crdt.BytesValue(make([]byte, 4000))}})
		if err != nil {
			panic(err)
		}
		chunks = append(chunks, c.Bytes())
	}
	return syncMessage([]crdt.Hash{randomHash(r)}, chunks...)
}

// crowd is many connections that never get anywhere.
type crowd struct {
	name  string
	codes []int
	conns []*rawConn
}

// crowdSize is how many connections a crowd has.
const crowdSize = 1000

func (h *harness) gather(name string, sent []byte, codes ...int) *crowd {
	h.Helper()
	c := &crowd{name: name, codes: codes}
	for n := range crowdSize {
		conn, err := dialRaw(h.node.Address, h.token(n))
		if err == nil && sent != nil {
			_, err = conn.Write(slices.Concat(binaryFrame(h.join(fmt.Sprint(name, n))), sent))
		}
		if err != nil {
			h.Errorf("%s: %v", name, err)
			continue
		}
		c.conns = append(c.conns, conn)
	}
	return c
}

// disperse waits for the server to close every one of them.
func (h *harness) disperse(c *crowd, within time.Duration) {
	h.Helper()
	deadline := time.Now().Add(within)
	for _, conn := range c.conns {
		conn.SetDeadline(deadline)
		e, err := conn.settle()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			h.Fatalf("%s: a connection is still open after %v", c.name, within)
		case err != nil:
			h.Errorf("%s: ended without a close frame: %v", c.name, err)
		default:
			h.expect(c.name, e, c.codes...)
		}
		conn.Close()
	}
}
