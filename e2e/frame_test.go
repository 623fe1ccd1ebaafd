package e2e

import (
	"encoding/base64"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
	"concord/internal/testkit/stock"
	"concord/sync/wire"
)

// The clients' own CBOR reader sees in our frames what we meant, with the JavaScript types that clients reckon with:
// no BigInt, no tag, no undefined.
func TestFramesReadByStockClients(t *testing.T) {
	document := id.DocumentID{0x8d, 0x8c, 0x0b, 0xe1, 0xa7, 0x0d, 0x41, 0x45, 0xa7, 0xd3, 0x4d, 0x93, 0x16, 0xd4, 0x5c, 0x20}
	const documentID = "2yNmbsw7qKLDnWoFCdCHEX15o56w"
	var head [id.HashSize]byte
	for i := range head {
		head[i] = byte(i)
	}
	data := make([]byte, 70_000) // its length takes four bytes
	bytes := func(b []byte) any { return object{"$bytes": base64.StdEncoding.EncodeToString(b)} }
	const now = 1_772_366_400_123 // ms; above 2^32

	frames := []struct {
		message wire.Message
		want    object
	}{
		{
			wire.Peer{SenderID: "node", TargetID: "client", Metadata: wire.PeerMetadata{StorageID: "s-1"}, Version: "1"},
			object{"type": "peer", "senderId": "node", "targetId": "client", "selectedProtocolVersion": "1",
				"peerMetadata": object{"storageId": "s-1", "isEphemeral": false}},
		},
		{
			wire.Error{SenderID: "node", TargetID: "client", Message: "näh 😀"},
			object{"type": "error", "senderId": "node", "targetId": "client", "message": "näh 😀"},
		},
		{
			wire.Sync{SenderID: "node", TargetID: "client", Document: document, Data: data},
			object{"type": "sync", "senderId": "node", "targetId": "client", "documentId": documentID, "data": bytes(data)},
		},
		{
			wire.Request{SenderID: "node", TargetID: "client", Document: document, Data: []byte{0x42}},
			object{"type": "request", "senderId": "node", "targetId": "client", "documentId": documentID, "data": bytes([]byte{0x42})},
		},
		{
			wire.DocUnavailable{SenderID: "node", TargetID: "client", Document: document},
			object{"type": "doc-unavailable", "senderId": "node", "targetId": "client", "documentId": documentID},
		},
		{
			wire.Ephemeral{SenderID: "author", TargetID: "client", Document: document, SessionID: "s", Count: 1 << 40, Data: []byte{0x01}},
			object{"type": "ephemeral", "senderId": "author", "targetId": "client", "documentId": documentID,
				"sessionId": "s", "count": float64(1 << 40), "data": bytes([]byte{0x01})},
		},
		{
			wire.Leave{SenderID: "client"},
			object{"type": "leave", "senderId": "client"},
		},
		{
			wire.RemoteSubscriptionChange{SenderID: "node", TargetID: "client", Add: []string{"a", "b"}, Remove: []string{"c"}},
			object{"type": "remote-subscription-change", "senderId": "node", "targetId": "client", "add": list{"a", "b"}, "remove": list{"c"}},
		},
		{
			wire.RemoteHeadsChanged{SenderID: "node", TargetID: "client", Document: document,
				NewHeads: []wire.StorageHeads{{StorageID: "s-1", Heads: [][id.HashSize]byte{head}, Timestamp: now}}},
			object{"type": "remote-heads-changed", "senderId": "node", "targetId": "client", "documentId": documentID,
				"newHeads": object{"s-1": object{"heads": list{id.EncodeHash(head)}, "timestamp": float64(now)}}},
		},
		{
			wire.TokenAnswer{SenderID: "node", TargetID: "client", Accepted: true, Expires: now},
			object{"type": "concord-token-answer", "senderId": "node", "targetId": "client", "accepted": true, "expires": float64(now)},
		},
	}
	for _, g := range []stock.Generation{stock.V1, stock.V2} {
		p := driver(t, g)
		for _, f := range frames {
			forms := map[string][]byte{"own": f.message.Append(nil)}
			if m, ok := f.message.(wire.Targeted); ok {
				forms["shared"] = slices.Concat(wire.Share(m).Split(m.Target()))
			}
			for form, frame := range forms {
				got, err := p.DecodeFrame(frame)
				if err != nil {
					t.Errorf("%s: %s frame of %s: %v", g, form, f.message.Type(), err)
					continue
				}
				if diff := cmp.Diff(f.want, got); diff != "" {
					t.Errorf("%s: %s frame of %s (-want +got):\n%s", g, form, f.message.Type(), diff)
				}
			}
		}
	}
}
