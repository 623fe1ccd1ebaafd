package crdt

import (
	"fmt"
	"strings"
	"testing"
)

// fieldsDocument returns a document of one-op changes by one actor, which set
// the fields of a form again and again.
func fieldsDocument(tb testing.TB, changes int) Chunk {
	tb.Helper()
	const fields = 25
	build := func(head Hash) Chunk {
		w := newDocumentWriter()
		for f := range fields {
			for i := f; i < changes; i += fields {
				row := docRow{id: newLamport(uint32(i)+1, 0), key: fmt.Appendf(nil, "field-%02d", f), action: ActionSet, value: IntValue(int64(i * 7919 % 100_000))}
				if i+fields < changes {
					row.succs = []lamport{row.id.plus(fields)}
				}
				w.addRow(&row)
			}
		}
		for i := range changes {
			c := changeRow{seq: uint32(i) + 1, maxOp: uint32(i) + 1, time: 1_760_000_000 + int64(i*i%97)}
			if i > 0 {
				c.deps = []uint32{uint32(i) - 1}
			}
			w.addChange(&c)
		}
		return documentChunk(tb, w.finish([]ActorID{"0123456789abcdef"}, []Hash{head}, []uint32{uint32(changes) - 1}))
	}
	var head Hash
	_, err := build(Hash{}).ParseDocument(Limits{}, func(c DocumentChange) error {
		head = c.Hash
		return nil
	})
	if head == (Hash{}) {
		tb.Fatal(err)
	}
	return build(head)
}

func BenchmarkParseDocument(b *testing.B) {
	chunks := map[string]Chunk{"fields-50k": fieldsDocument(b, 50_000)}
	for name, file := range documentFiles(b) {
		switch name {
		case "history-10k.automerge", "edit-trace.automerge", "big-change.automerge", "erp-invoice-0.automerge":
			chunks[strings.TrimSuffix(name, ".automerge")] = documentChunk(b, file)
		}
	}
	for name, c := range chunks {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.ParseDocument(Limits{}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
