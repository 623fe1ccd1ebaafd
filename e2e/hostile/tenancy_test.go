package hostile

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// canary marks content that must be nowhere but in the documents of its company.
const canary = "canary-7f3a91"

// listener collects what a peer gets.
type listener struct {
	mu     sync.Mutex // guards the following field
	frames []wire.Message
}

func (l *listener) hear(m wire.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The frame's bytes are the peer's; a copy of the message is kept.
	if again, err := wire.Decode(m.Append(nil), wire.Limits{}); err == nil {
		l.frames = append(l.frames, again)
	}
}

// about returns the frames of one document, their sync messages decoded, without what names the document.
func (l *listener) about(doc id.DocumentID) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, m := range l.frames {
		switch m := m.(type) {
		case wire.Sync:
			if m.Document == doc {
				s, err := protocol.Decode(m.Data, protocol.Limits{})
				out = append(out, fmt.Sprintf("sync %+v %v", s, err))
			}
		case wire.DocUnavailable:
			if m.Document == doc {
				out = append(out, m.Type())
			}
		case wire.Ephemeral:
			if m.Document == doc {
				out = append(out, m.Type())
			}
		case wire.RemoteHeadsChanged:
			if m.Document == doc {
				out = append(out, m.Type())
			}
		}
	}
	return out
}

func (h *harness) dialAs(company, user string, o peer.Options) *peer.Peer {
	h.Helper()
	o.URL, o.Token = h.node.SyncURL(), h.node.Token(node.Claims{Sub: user, Company: company})
	p, err := peer.Dial(h.Context(), o)
	if err != nil {
		h.Fatalf("%q of %q: %v", user, company, err)
	}
	h.Cleanup(p.Drop)
	return p
}

// roundTrip returns when the server has handled all that the peer sent before, and the peer all that was answered.
func (h *harness) roundTrip(p *peer.Peer) {
	h.Helper()
	ctx, cancel := contextWithin(h.T, answerTimeout)
	defer cancel()
	d := p.Open(peer.NewDocumentID())
	if available, err := d.WaitSynced(ctx); err != nil || available {
		h.Fatalf("an unknown document: available %v, %v", available, err)
	}
}

func TestTwoCompanies(t *testing.T) {
	h := newHarness(t, "--log-level", "debug")
	ctx, cancel := contextWithin(t, time.Minute)
	defer cancel()
	doc := peer.NewDocumentID()
	const storage = "5f3c8a52-5d0f-4c2f-9d3e-0d5f4b1c9a77"

	alice := h.dialAs("acme", "alice", peer.Options{PeerID: "the-same-name", StorageID: storage})
	theirs := alice.Create(doc)
	secret, err := theirs.Set(canary+"-key", crdt.BytesValue([]byte(canary+"-value")))
	if err != nil {
		t.Fatal(err)
	}
	if err := theirs.WaitAcked(ctx, secret); err != nil {
		t.Fatal(err)
	}

	heard := &listener{}
	mallory := h.dialAs("globex", "mallory", peer.Options{PeerID: "the-same-name", StorageID: storage, OnFrame: heard.hear})
	unknown := peer.NewDocumentID()
	mine := mallory.Open(doc)
	other := mallory.Open(unknown)
	for _, d := range []*peer.Document{mine, other} {
		if available, err := d.WaitSynced(ctx); err != nil || available {
			t.Fatalf("available %v, %v", available, err)
		}
	}
	h.roundTrip(mallory)
	if diff := cmp.Diff(heard.about(unknown), heard.about(doc)); diff != "" {
		t.Errorf("another company's document is told from one that doesn't exist:\n%s", diff)
	}

	// Asking by hash, listening for heads, and sending presence: nothing comes back, nothing arrives.
	ask := protocol.Message{Version: protocol.V1, Heads: []crdt.Hash{secret}, Need: []crdt.Hash{secret}, Have: []protocol.Have{{LastSync: []crdt.Hash{secret}}}}
	for _, m := range []wire.Message{
		wire.RemoteSubscriptionChange{SenderID: mallory.ID, TargetID: mallory.Server.SenderID, Add: []string{storage}},
		wire.Sync{SenderID: mallory.ID, TargetID: mallory.Server.SenderID, Document: doc, Data: ask.Append(nil)},
		wire.Sync{SenderID: mallory.ID, TargetID: mallory.Server.SenderID, Document: unknown, Data: ask.Append(nil)},
		wire.Ephemeral{SenderID: mallory.ID, TargetID: mallory.Server.SenderID, Document: doc, SessionID: "s", Count: 1, Data: []byte{1}},
	} {
		if err := mallory.Send(ctx, m.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	h.roundTrip(mallory)
	if diff := cmp.Diff(heard.about(unknown), heard.about(doc)); diff != "" {
		t.Errorf("asking for a change by its hash tells the documents apart:\n%s", diff)
	}

	// Both have a document of that name.
	own, err := mine.Set("own", crdt.IntValue(1))
	if err != nil {
		t.Fatal(err)
	}
	more, err := theirs.Set(canary+"-key", crdt.BytesValue([]byte(canary+"-again")))
	if err != nil {
		t.Fatal(err)
	}
	if err := mine.WaitAcked(ctx, own); err != nil {
		t.Fatal(err)
	}
	if err := theirs.WaitAcked(ctx, more); err != nil {
		t.Fatal(err)
	}
	h.roundTrip(alice)
	h.roundTrip(mallory)
	if mine.Has(secret) || mine.Has(more) || theirs.Has(own) || mine.Len() != 1 || theirs.Len() != 2 {
		t.Errorf("changes crossed: %d changes in one company, %d in the other, want 1 and 2", mine.Len(), theirs.Len())
	}
	for _, line := range heard.about(doc) {
		if line == wire.TypeEphemeral || line == wire.TypeRemoteHeadsChanged {
			t.Errorf("a %s message crossed", line)
		}
	}
	if alice.Err() != nil {
		t.Errorf("a peer of the same name in another company ended the connection: %v", alice.Err())
	}
	h.strangers(doc)
	h.quiet(doc)
}

// strangers come from companies whose names are near "acme" for a careless key.
func (h *harness) strangers(doc id.DocumentID) {
	h.Helper()
	ctx, cancel := contextWithin(h.T, answerTimeout)
	defer cancel()
	for _, company := range []string{"ACME", "acm", "acmee", "acme ", " acme", "acme/", "acme/" + doc.String(), "../acme", "acme:alice", "*", "%61cme", "acm\u0435"} {
		d := h.dialAs(company, "alice", peer.Options{}).Open(doc)
		if available, err := d.WaitSynced(ctx); err != nil || available || d.Len() > 0 {
			h.Errorf("company %q: available %v with %d changes, %v", company, available, d.Len(), err)
		}
	}
	for n, text := range []string{"", ".", "../" + doc.String(), doc.String() + "/../" + doc.String(), doc.String() + "\x00", "acme/" + doc.String(), strings.Repeat("1", 28), strings.Repeat("z", 1<<16), "automerge:" + doc.String()} {
		peerID := fmt.Sprint("hostile-id-", n)
		frame := wire.Request{SenderID: peerID, TargetID: "server", Document: doc, Data: syncMessage(nil)}.Append(nil)
		before, after, ok := strings.Cut(string(frame), cborText(doc.String()))
		if !ok {
			h.Fatal("the frame doesn't hold the document ID as minimal text")
		}
		e := h.provoke("hostile document ID", n, false, slices.Concat(binaryFrame(h.join(peerID)), binaryFrame([]byte(before+cborText(text)+after))), int(wire.CloseMalformed))
		if strings.Contains(e.reason, canary) {
			h.Errorf("the reason quotes content: %q", e.reason)
		}
	}
}

// cborText returns a text item with its minimal head.
func cborText(s string) string {
	switch n := len(s); {
	case n < 24:
		return string([]byte{0x60 | byte(n)}) + s
	case n < 1<<8:
		return string([]byte{0x78, byte(n)}) + s
	case n < 1<<16:
		return string([]byte{0x79, byte(n >> 8), byte(n)}) + s
	default:
		return string([]byte{0x7a, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + s
	}
}

// quiet makes the node log refusals of every kind, and looks for content and tokens in logs and metrics.
func (h *harness) quiet(doc id.DocumentID) {
	h.Helper()
	token := h.node.Token(node.Claims{Sub: "eve", Company: "acme", Extra: map[string]any{"name": canary}})
	signature := token[strings.LastIndexByte(token, '.')+1:]
	broken := token[:len(token)-4] + "AAAA"
	for _, u := range []string{h.node.URL("/v1/sync?token=" + token), h.node.URL("/v1/sync?ticket=" + canary), h.node.URL("/v1/rejections?x=" + canary)} {
		if response, err := http.Get(u); err == nil {
			response.Body.Close()
		}
	}
	for n, bearer := range []string{token, broken, canary + "." + canary + "." + canary} {
		c, err := dialRaw(h.node.Address, bearer)
		if err != nil {
			h.Errorf("token %d: %v", n, err)
			continue
		}
		peerID := "eve-" + fmt.Sprint(n)
		a := newAuthor(h.rng(40))
		refused, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: a.actor, Seq: 7, StartOp: 1, Message: canary}, []crdt.Op{{Action: crdt.ActionSet, Key: crdt.MapKey(canary), Value: crdt.StringValue(canary)}})
		if err != nil {
			h.Fatal(err)
		}
		sent := slices.Concat(binaryFrame(h.join(peerID)), binaryFrame(syncFrame(peerID, doc, syncMessage(nil, refused.Bytes()))),
			binaryFrame(wire.Token{SenderID: peerID, Token: broken}.Append(nil)),
			binaryFrame(wire.Ephemeral{SenderID: peerID, TargetID: "server", Document: doc, SessionID: "s", Count: 1, Data: []byte(canary)}.Append(nil)),
			binaryFrame([]byte("\x61"+canary)))
		e, err := c.provoke(sent)
		c.Close()
		if err != nil {
			h.Errorf("token %d: %v", n, err)
		} else if strings.Contains(e.reason, canary) {
			h.Errorf("token %d: the reason quotes what was sent: %q", n, e.reason)
		}
	}
	hidden := []string{canary, signature, strings.Split(token, ".")[1]}
	told := func(line string) bool { return strings.Contains(line, "change refused") }
	logs := h.node.Logs()
	for deadline := time.Now().Add(answerTimeout); !slices.ContainsFunc(logs, told) && time.Now().Before(deadline); logs = h.node.Logs() {
		time.Sleep(10 * time.Millisecond) // the log is read behind the node
	}
	if !slices.ContainsFunc(logs, told) {
		h.Error("the log doesn't tell of the refused change: it can't show what it hides")
	}
	for _, line := range logs {
		for _, text := range hidden {
			if strings.Contains(line, text) {
				h.Errorf("the log holds %q: %s", text, line)
			}
		}
	}
	response, err := http.Get(h.node.URL("/metrics"))
	if err != nil {
		h.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		h.Fatal(err)
	}
	for _, text := range append(hidden, "acme", "globex", "alice", "mallory", doc.String()) {
		if strings.Contains(string(metrics), text) {
			h.Errorf("/metrics holds %q", text)
		}
	}
}
