package crdt

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkEditSet(b *testing.B) {
	d := editable(b, "author")
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		mustEdit(b, d, func(tx *Tx) error { _, err := tx.Set(Root, "status", n); return err })
	}
}

// BenchmarkEditType types at the end of a text, one change for each character.
func BenchmarkEditType(b *testing.B) {
	for _, size := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("text=%d", size), func(b *testing.B) {
			d, text := textDoc(b, size)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				mustEdit(b, d, func(tx *Tx) error { return tx.SpliceText(text, size+n, 0, "x") })
			}
		})
	}
}

// BenchmarkEditSplice replaces ten characters in the middle of a text.
func BenchmarkEditSplice(b *testing.B) {
	const size = 100_000
	d, text := textDoc(b, size)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		mustEdit(b, d, func(tx *Tx) error { return tx.SpliceText(text, (n*7919)%(size-10), 10, "0123456789") })
	}
}

// BenchmarkEditLarge writes 100,000 ops in one change.
func BenchmarkEditLarge(b *testing.B) {
	s := strings.Repeat("0123456789", 10_000)
	b.ReportAllocs()
	for b.Loop() {
		d := editable(b, "author")
		mustEdit(b, d, func(tx *Tx) error { _, err := tx.Set(Root, "t", s); return err })
	}
}

// BenchmarkUpdateJSON changes one field of a document with 200 lines.
func BenchmarkUpdateJSON(b *testing.B) {
	lines := make([]any, 200)
	for i := range lines {
		lines[i] = map[string]any{"id": i, "article": "article of a line", "quantity": 1, "price": 2.5}
	}
	d := editable(b, "author")
	state := map[string]any{"number": "I-1000", "lines": lines}
	mustUpdate(b, d, state)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		lines[n%200].(map[string]any)["quantity"] = n
		mustUpdate(b, d, state)
	}
}

// BenchmarkUpdateText changes a word in the middle of a text.
func BenchmarkUpdateText(b *testing.B) {
	const size = 100_000
	d, text := textDoc(b, size)
	now := d.View().Text(text)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		want := fmt.Sprint(now[:size/2], " word ", n, " ", now[size/2:])
		mustEdit(b, d, func(tx *Tx) error { return tx.UpdateText(text, want) })
	}
}

func textDoc(b *testing.B, size int) (d *Doc, text OpID) {
	d = editable(b, "author")
	mustEdit(b, d, func(tx *Tx) (err error) {
		text, err = tx.Set(Root, "t", strings.Repeat("0123456789", size/10))
		return err
	})
	return d, text
}
