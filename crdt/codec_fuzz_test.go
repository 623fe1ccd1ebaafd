package crdt

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
)

// seedChunks gives every chunk of the vectors to add.
func seedChunks(f *testing.F, add func(chunk []byte)) {
	for _, c := range readAcceptance(f) {
		for _, s := range c.Chunks {
			add(unhex(f, s))
		}
	}
	for _, pattern := range []string{"codec/*.changes", "codec/*.zchanges"} {
		for _, b := range readGlob(f, pattern) {
			for _, c := range chunksOf(f, b) {
				if len(c.Raw) < 1<<10 {
					add(c.Raw)
				}
			}
		}
	}
}

// FuzzParseChange checks that a change which parses is written again byte for
// byte. The checksum is made right first, or nothing would get past it.
func FuzzParseChange(f *testing.F) {
	seedChunks(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, _, err := NextChunk(b); err == nil && c.Type == ChunkChange {
			b = bytes.Clone(b)
			hash := sha256.Sum256(c.Raw[hashedFrom:])
			copy(b[4:], hash[:4])
		}
		ch, err := ParseChange(b, Limits{})
		if err != nil {
			var refusal *RefusalError
			if ch != nil || !errors.As(err, &refusal) {
				t.Fatalf("change %v, error %v of type %T", ch, err, err)
			}
			return
		}
		checkReencodes(t, ch)
		h, err := ParseStoredChange(ch.Bytes(), ch.Hash)
		if err != nil || h.NumOps != ch.NumOps || h.Seq != ch.Seq || h.Actor != ch.Actor || !slices.Equal(h.OtherActors, ch.OtherActors) {
			t.Fatalf("stored header %+v, %v", h, err)
		}
	})
}

// FuzzNextChunk checks that chunk and rest are the input, and that whatever
// the chunk is, reading it as a stored change doesn't panic.
func FuzzNextChunk(f *testing.F) {
	seedChunks(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		c, rest, err := NextChunk(b)
		if err != nil {
			return
		}
		if !bytes.Equal(slices.Concat(c.Raw, rest), b) || !bytes.HasSuffix(c.Raw, c.Data) {
			t.Fatalf("chunk %x and rest %x of %x", c.Raw, rest, b)
		}
		head := appendChunkHeader(nil, c.Checksum, c.Type, len(c.Data))
		if !bytes.Equal(append(head, c.Data...), c.Raw) {
			t.Fatalf("header of %x isn't canonical", c.Raw)
		}
		_, _ = ParseStoredChange(c.Raw, Hash{})
	})
}

// FuzzInflate checks that inflating keeps to the limit and gives one whole chunk.
func FuzzInflate(f *testing.F) {
	for _, s := range []string{"", "a", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} {
		f.Add(deflated(f, []byte(s)), uint16(64))
	}
	seedChunks(f, func(b []byte) {
		if c, _, err := NextChunk(b); err == nil && c.Type == ChunkCompressed {
			f.Add(c.Data, uint16(1<<10))
		}
	})
	f.Fuzz(func(t *testing.T, data []byte, limit uint16) {
		raw, err := inflateChange(data, [4]byte{}, int(limit))
		if err != nil {
			return
		}
		c, rest, err := NextChunk(raw)
		if err != nil || len(rest) > 0 || len(c.Data) > int(limit) {
			t.Fatalf("%d bytes of data, rest %d, limit %d, %v", len(c.Data), len(rest), limit, err)
		}
		if again, err := inflateChange(deflated(t, c.Data), [4]byte{}, int(limit)); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("deflated again: %v", err)
		}
	})
}
