package crdt

import (
	"strings"
	"testing"
)

func BenchmarkParseDocument(b *testing.B) {
	for name, file := range documentFiles(b) {
		switch name {
		case "history-10k.automerge", "edit-trace.automerge", "big-change.automerge", "erp-invoice-0.automerge":
		default:
			continue
		}
		c := documentChunk(b, file)
		b.Run(strings.TrimSuffix(name, ".automerge"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.ParseDocument(Limits{}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
