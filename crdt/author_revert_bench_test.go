package crdt

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkRevert brings a whole document back over one edit.
func BenchmarkRevert(b *testing.B) {
	lines := make([]any, 200)
	for i := range lines {
		lines[i] = map[string]any{"id": i, "article": "article of a line", "quantity": 1, "price": 2.5}
	}
	d := editable(b, "author")
	mustUpdate(b, d, map[string]any{"number": "I-1000", "lines": lines})
	heads := d.Heads()
	mustEdit(b, d, func(tx *Tx) error { _, err := tx.SetAt("/lines/100/quantity", 2); return err })
	for _, path := range []string{"", "/lines/100/quantity"} {
		b.Run(fmt.Sprintf("path=%q", path), func(b *testing.B) { benchmarkRevert(b, d, heads, path) })
	}
}

// BenchmarkRevertText brings a text back: after a word was changed, and after all
// of it was deleted.
func BenchmarkRevertText(b *testing.B) {
	const size = 100_000
	for name, now := range map[string]string{"word": strings.Repeat("0123456789", size/20) + "word", "all": ""} {
		b.Run(name, func(b *testing.B) {
			d, text := textDoc(b, size)
			heads := d.Heads()
			mustEdit(b, d, func(tx *Tx) error { return tx.UpdateText(text, now) })
			benchmarkRevert(b, d, heads, "")
		})
	}
}

// benchmarkRevert composes the change again and again, and doesn't apply it.
func benchmarkRevert(b *testing.B, d *Doc, heads []Hash, path string) {
	to, err := d.At(heads)
	if err != nil {
		b.Fatal(err)
	}
	meta := d.nextMeta(EditOptions{})
	b.ReportAllocs()
	for b.Loop() {
		if c, err := d.ops.Compose(meta, func(tx *Tx) error { return tx.Revert(path, to) }); err != nil || c == nil {
			b.Fatal(c, err)
		}
	}
}
