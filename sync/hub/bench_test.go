package hub

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
)

// longDocument is a document of n changes with one op each, as its snapshot.
func longDocument(tb testing.TB, n int) (changes []*crdt.Change, snap store.Snapshot) {
	tb.Helper()
	d := crdt.New()
	last := map[string]crdt.OpID{}
	graph := crdt.NewGraph()
	for i := range n {
		op := crdt.Op{Action: crdt.ActionSet, Key: crdt.MapKey(fmt.Sprint("field-", i%50)), Value: crdt.IntValue(int64(i))}
		if id, ok := last[op.Key.Name]; ok {
			op.Preds = []crdt.OpID{id}
		}
		c, err := crdt.EncodeChange(crdt.ChangeMeta{Deps: graph.Heads(), Actor: "0123456789abcdef", Seq: uint32(i + 1), StartOp: uint32(i + 1), Time: int64(1700000000 + i)}, []crdt.Op{op})
		if err != nil {
			tb.Fatal(err)
		}
		last[op.Key.Name] = crdt.OpID{Counter: uint32(i + 1), Actor: "0123456789abcdef"}
		if err := graph.Restore(c.Header()); err != nil {
			tb.Fatal(err)
		}
		changes = append(changes, c)
	}
	if err := d.Apply(changes...); err != nil {
		tb.Fatal(err)
	}
	return changes, store.Snapshot{Changes: uint64(n), Chunk: d.Save(), Graph: graph.AppendRecord(nil)}
}

// BenchmarkColdOpen is what the first message to a new client costs, of a document that isn't in memory.
func BenchmarkColdOpen(b *testing.B) {
	for _, n := range []int{1000, 50_000} {
		b.Run(fmt.Sprint("changes=", n), func(b *testing.B) {
			changes, snap := longDocument(b, n)
			r := newRig(b, Options{})
			(&sample{changes: changes}).store(b, r, snap)
			d := r.hub.acquire(alice().docKey(docA))
			l := &link{peer: &peer{connection: &connection{hub: r.hub}}, document: d, options: protocol.Options{}}
			hello := &protocol.Message{Version: protocol.V1, Have: []protocol.Have{{}}, Flags: protocol.Flags{2, 0x84}}
			b.ReportAllocs()
			size, before := 0, cpu()
			for b.Loop() {
				d.mu.Lock()
				d.dropLocked()
				if err := d.load(); err != nil {
					b.Fatal(err)
				}
				l.state = protocol.New(protocol.Options{Advertise: protocol.AdvertiseV2, Acknowledge: true, ExactHeads: true})
				l.state.Receive(d.view(), hello, nil)
				d.mu.Unlock()
				out, err := d.generate(l)
				if err != nil {
					b.Fatal(err)
				}
				size = out.size()
			}
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(size), "B/message")
			b.ReportMetric(float64(len(snap.Chunk)), "B/document")
		})
	}
}

// idle is a Ledger and a Guards that do nothing.
type idle struct{}

func (idle) Watch(store.DocKey, Source) (Watcher, error) { return idle{}, nil }
func (idle) Applied(Applied) error                       { return nil }
func (idle) Records() []store.Record                     { return nil }
func (idle) Size() int                                   { return 0 }
func (idle) For(string, string) Guard                    { return idle{} }
func (idle) Judge(Applied, crdt.View) []Violation        { return nil }
func (idle) Answer([]Violation) *Answer                  { return nil }

// instant is a store whose writes are durable at once, and aren't kept.
type instant struct{ *store.Store }

func (instant) AppendAll(_ context.Context, _ []store.Append, done func(error)) error {
	go done(nil)
	return nil
}

// BenchmarkReceive is what the hub takes for one edit of a peer, but for the disk.
func BenchmarkReceive(b *testing.B) {
	for name, o := range map[string]Options{"plain": {}, "ledger": {Ledger: idle{}}, "guard": {Guards: idle{}}} {
		b.Run(name, func(b *testing.B) {
			changes, _ := longDocument(b, 20_000)
			r := newRig(b, o)
			h, err := New(instant{r.store}, o)
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			p := h.caller(alice(), "bench", "")
			defer p.leave()
			l, err := p.open(docA)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if i == len(changes) { // the document as it was at the beginning
					b.StopTimer()
					l.document.mu.Lock()
					l.document.dropLocked()
					l.document.mu.Unlock()
					i = 0
					b.StartTimer()
				}
				c := changes[i]
				m := &protocol.Message{Version: protocol.V1, Heads: []crdt.Hash{c.Hash}, Changes: [][]byte{c.Bytes()}}
				if err := p.say(b.Context(), &message{link: l, sync: m, frame: Frame{Data: c.Bytes()}}, false); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// cpu returns the CPU time that the process has taken.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
