package hub

import (
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

// cpu returns the CPU time that the process has taken.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
