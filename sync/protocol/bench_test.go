package protocol

import (
	"fmt"
	"testing"

	"concord/crdt"
)

// BenchmarkReceiveGenerate is one edit of a peer: its message is received and
// the answer generated. It must not depend on the length of the history.
func BenchmarkReceiveGenerate(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("history=%d", n), func(b *testing.B) {
			d, states, _ := audience(b, n, 1)
			s := states[0]
			b.ReportAllocs()
			for b.Loop() {
				before := d.graph.Heads()
				chunk := fakeChange(before, uint64(d.graph.Len())+1<<40, 60)
				m := Message{Version: V2, Have: []Have{{LastSync: before}}, Changes: [][]byte{chunk}}
				h, _ := readChange(chunk)
				m.Heads = []crdt.Hash{h}
				in := m.Append(nil)

				got, err := Decode(in, Limits{})
				if err != nil {
					b.Fatal(err)
				}
				d.add(b, chunk)
				s.Receive(d.document(), got, before)
				if _, ok, err := s.Generate(d.document(), nil); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// BenchmarkFanOut is one edit that goes to all peers of a document, and their
// answers.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("history=%d/peers=500", n), func(b *testing.B) {
			d, states, cache := audience(b, n, 500)
			label := uint64(1) << 40
			b.ReportAllocs()
			for b.Loop() {
				label++
				d.edit(b, label)
				heads := d.graph.Heads()
				answer := Message{Version: V1, Heads: heads, Have: []Have{{LastSync: heads}}}
				for _, s := range states {
					if _, ok, err := s.Generate(d.document(), cache); !ok || err != nil {
						b.Fatal(ok, err)
					}
				}
				for _, s := range states {
					s.Receive(d.document(), &answer, heads)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/peer")
		})
	}
}

// BenchmarkHello is the first answer to a peer without a saved state: both
// sides' filters hold the whole history.
func BenchmarkHello(b *testing.B) {
	d := history(b, 10_000)
	hello, _, _ := New(Options{}).Generate(d.document(), nil)
	b.ReportAllocs()
	for b.Loop() {
		s := New(Options{})
		m, err := Decode(hello.Bytes, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		s.Receive(d.document(), m, d.graph.Heads())
		if _, ok, err := s.Generate(d.document(), nil); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	d := history(b, 10)
	m := Message{Version: V2, Heads: d.graph.Heads(), Have: []Have{{LastSync: d.graph.Heads()}}, Changes: d.chunks[:1]}
	in := m.Append(nil)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(in, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
