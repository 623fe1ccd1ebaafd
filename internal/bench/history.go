package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/peer"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// firstSync measures how a client without anything gets a document with a long history of single edits: with the
// capabilities of a client of today (V2), and with those of an old one (V1).
func firstSync(ctx context.Context, o Options, r *report) error {
	document, heads, err := upload(ctx, o)
	if err != nil {
		return err
	}
	select {
	case <-time.After(rest):
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, v := range []struct {
		name      string
		advertise protocol.Advertise
	}{{"V2", protocol.AdvertiseV2}, {"V1", protocol.AdvertiseNone}} {
		s, err := download(ctx, o, document, heads, v.advertise)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		name := fmt.Sprintf("%s/changes=%d/%s", ScenarioFirstSync, o.Changes, v.name)
		r.row(name, "time", s.took.Round(100*time.Microsecond).String())
		r.row(name, "received", fmt.Sprintf("%s in %d messages", bytesText(float64(s.bytesIn)), s.messages))
		r.row(name, "sent", bytesText(float64(s.bytesOut)))
	}
	return nil
}

// rest is how long nobody touches the document, so that a server can bring it into the form in which it keeps it.
const rest = time.Second

// uploadWindow is how many changes are under way while a history is built.
const uploadWindow = 200

// upload makes the document, change by change, and returns its last change.
func upload(ctx context.Context, o Options) (id.DocumentID, crdt.Hash, error) {
	document := peer.NewDocumentID()
	peers, err := connect(ctx, o, 1, nil)
	if err != nil {
		return document, crdt.Hash{}, err
	}
	defer drop(peers)
	author := peers[0].Create(document)
	var head crdt.Hash
	for i := range o.Changes {
		if head, err = author.Set(fmt.Sprint("field-", i%50), crdt.IntValue(int64(i))); err != nil {
			return document, head, err
		}
		if i%uploadWindow == 0 || i == o.Changes-1 {
			if err := author.WaitAcked(ctx, head); err != nil {
				return document, head, err
			}
		}
	}
	return document, head, nil
}

// transfer is what a first sync took.
type transfer struct {
	took              time.Duration
	messages          int // sync messages received
	bytesIn, bytesOut uint64
}

// download gets the document with a fresh client, connecting and joining not counted. It ends when the last change is
// there, as a change or inside a whole-document chunk, which is not read.
func download(ctx context.Context, o Options, document id.DocumentID, head crdt.Hash, advertise protocol.Advertise) (transfer, error) {
	var t transfer
	var once sync.Once
	done := make(chan struct{})
	peers, err := connect(ctx, o, 1, func(_ int, po *peer.Options) {
		po.Advertise = advertise
		po.OnChange = func(_ *peer.Document, h crdt.Hash) {
			if h == head {
				once.Do(func() { close(done) })
			}
		}
		po.OnFrame = func(m wire.Message) {
			s, ok := m.(wire.Sync)
			if !ok {
				return
			}
			t.messages++
			if holdsDocument(s.Data) {
				once.Do(func() { close(done) })
			}
		}
	})
	if err != nil {
		return t, err
	}
	defer drop(peers)
	before, begin := peers[0].Stats(), time.Now()
	peers[0].Open(document)
	select {
	case <-done:
	case <-peers[0].Done():
		return t, peers[0].Err()
	case <-ctx.Done():
		return t, ctx.Err()
	}
	t.took = time.Since(begin)
	drop(peers) // nothing comes any more
	after := peers[0].Stats()
	t.bytesIn, t.bytesOut = after.BytesIn-before.BytesIn, after.BytesOut-before.BytesOut
	return t, nil
}

// holdsDocument reports whether a sync message brings a whole-document chunk.
func holdsDocument(data []byte) bool {
	m, err := protocol.Decode(data, protocol.Limits{})
	if err != nil {
		return false
	}
	for _, part := range m.Changes {
		if c, _, err := crdt.NextChunk(part); err == nil && c.Type == crdt.ChunkDocument {
			return true
		}
	}
	return false
}
